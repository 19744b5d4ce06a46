// A service whose every byte can be checked, and its clients.
//
//   service serve DISK                 in the guest
//   service drive ADDRESS CLIENTS ID THINK PATIENCE   until the end of standard input; clients have numbers from ID on, think for up
//                                      to THINK ms before they ask, and fail where an answer takes more than PATIENCE s; a byte of
//                                      input asks for "ROUND" when each has got an answer to something that it has asked since
//   service order ADDRESS WORD         "off", "reset" or "panic": what the guest is to do
//   service check DISK                 what a disk holds of each client, as lines "ID SEQUENCE"
//
// A request has a client's number, its sequence number, and bytes that follow from both, of a random length. The service puts it into
// the client's slot of the disk, syncs that, and only then answers, with bytes that follow from both, too. It refuses a request that
// is not the one after the last: so one that is lost, or comes twice, is noticed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 7000, CLIENTS = 256, LONGEST = 12000, SLOT = 16384 };

struct header {
  uint32_t magic, client, length, status;
  uint64_t sequence;
};

enum { MAGIC = 0x504c5558, OFF = CLIENTS, RESET, PANIC };

// The pvpanic device, whose driver not every kernel has.
enum { PANIC_PORT = 0x505, PANICKED = 1 };

struct peer {
  int socket, client, got, sent;
  uint64_t sequence, wanted;
  double since, next;
  struct header header;
  unsigned char body[LONGEST], out[sizeof(struct header) + LONGEST];
  int out_length;
};

static struct peer peers[CLIENTS];
static uint64_t last[CLIENTS];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf("FAILED ");
  vprintf(format, arguments);
  printf(": %s\n", strerror(errno));
  fflush(stdout);
  exit(1);
}

static uint64_t next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

// The bytes of a request (side 0) or of its answer (side 1); their number.
static int make(unsigned char *to, uint32_t client, uint64_t sequence, int side) {
  uint64_t state = (sequence * 1000 + client) * 2 + side + 0x9e3779b97f4a7c15ull;
  int length = 1 + next(&state) % (next(&state) % 4 ? 500 : LONGEST);
  for (int i = 0; i < length; i += 8) {
    uint64_t word = next(&state);
    memcpy(to + i, &word, length - i < 8 ? length - i : 8);
  }
  return length;
}

static int is_right(const unsigned char *bytes, int length, uint32_t client, uint64_t sequence, int side) {
  static unsigned char expected[LONGEST + 8];
  return make(expected, client, sequence, side) == length && !memcmp(expected, bytes, length);
}

static void put(struct peer *peer, uint32_t client, uint64_t sequence, uint32_t status, int side) {
  struct header header = {MAGIC, client, 0, status, sequence};
  static unsigned char body[LONGEST + 8];
  header.length = make(body, client, sequence, side);
  memcpy(peer->out, &header, sizeof header);
  memcpy(peer->out + sizeof header, body, header.length);
  peer->out_length = sizeof header + header.length;
  peer->sent = 0;
}

// Reads what there is of a message; 1 if it is whole, -1 at the end.
static int receive(struct peer *peer) {
  while (1) {
    int head = sizeof peer->header;
    int want = peer->got < head ? head - peer->got : head + (int) peer->header.length - peer->got;
    if (want == 0) return 1;
    void *to = peer->got < head ? (char *) &peer->header + peer->got : (char *) peer->body + peer->got - head;
    ssize_t n = recv(peer->socket, to, want, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0) return -1;
    peer->got += n;
    if (peer->got == head && (peer->header.magic != MAGIC || peer->header.length > LONGEST)) fail("a header of client %d", peer->client);
  }
}

static void transmit(struct peer *peer) {
  while (peer->sent < peer->out_length) {
    ssize_t n = send(peer->socket, peer->out + peer->sent, peer->out_length - peer->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail("send of client %d", peer->client);
    peer->sent += n;
  }
}

static void nodelay(int s) {
  int one = 1;
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

// ---- the service

static void keep(int disk, struct peer *peer) {
  static unsigned char slot[SLOT];
  struct header *header = &peer->header;
  uint32_t client = header->client;
  uint32_t status = client >= CLIENTS || !is_right(peer->body, header->length, client, header->sequence, 0) ? 1
      : header->sequence != (peer->sequence ? last[client] + 1 : 1) ? 2 : 0;
  if (!status) {
    memcpy(slot, header, sizeof *header);
    memcpy(slot + sizeof *header, peer->body, header->length);
    if (pwrite(disk, slot, sizeof *header + header->length, (off_t) client * SLOT) < 0 || fdatasync(disk)) status = 3;
    else last[client] = peer->sequence = header->sequence;
  }
  put(peer, client, header->sequence, status, 1);
}

static void obey(uint32_t order) {
  if (order == OFF) reboot(RB_POWER_OFF);
  if (order == RESET) reboot(RB_AUTOBOOT);
  if (ioperm(PANIC_PORT, 1, 1)) fail("ioperm");
  outb(PANICKED, PANIC_PORT);
}

static void serve(const char *path) {
  int disk = open(path, O_RDWR), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), count = 0;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  if (disk < 0) fail("%s", path);
  if (bind(listener, (struct sockaddr *) &address, sizeof address) || listen(listener, CLIENTS)) fail("listen");
  printf("serving\n");
  fflush(stdout);
  while (1) {
    struct pollfd fds[CLIENTS + 1] = {{listener, POLLIN, 0}};
    for (int i = 0; i < count; i++) fds[i + 1] = (struct pollfd) {peers[i].socket, peers[i].sent < peers[i].out_length ? POLLOUT : POLLIN, 0};
    poll(fds, count + 1, -1);
    for (int i = count - 1; i >= 0; i--) {
      if (!fds[i + 1].revents) continue;
      struct peer *peer = &peers[i];
      int state = peer->sent < peer->out_length ? 0 : receive(peer);
      if (state > 0) {
        if (peer->header.client >= CLIENTS) obey(peer->header.client);
        keep(disk, peer);
        peer->got = 0;
      }
      if (state < 0) {
        close(peer->socket);
        *peer = peers[--count];
      } else {
        transmit(peer);
      }
    }
    // All that wait: of turns a pair whose guests always differ has one a second.
    while (fds[0].revents && count < CLIENTS) {
      int s = accept4(listener, 0, 0, SOCK_NONBLOCK);
      if (s < 0) break;
      nodelay(s);
      memset(&peers[count], 0, sizeof peers[count]);
      peers[count++].socket = s;
    }
  }
}

// ---- its clients

static int is_asking(const struct peer *peer) { return peer->since > 0; }

static void ask(struct peer *peer) {
  put(peer, peer->client, ++peer->sequence, 0, 0);
  peer->since = now();
  transmit(peer);
}

// Takes an answer that is whole; how long it took, in seconds.
static double take(struct peer *peer) {
  if (peer->header.status || peer->header.sequence != peer->sequence || (int) peer->header.client != peer->client
      || !is_right(peer->body, peer->header.length, peer->client, peer->sequence, 1))
    fail("client %d asked %llu and got %llu, status %u", peer->client, (unsigned long long) peer->sequence,
        (unsigned long long) peer->header.sequence, peer->header.status);
  double waited = now() - peer->since;
  peer->got = 0;
  peer->since = 0;
  return waited;
}

static void leave(struct peer *peer) {
  shutdown(peer->socket, SHUT_WR);
  close(peer->socket);
  peer->socket = -1;
  printf("LAST %d %llu\n", peer->client, (unsigned long long) peer->sequence);
}

static void enter(struct peer *peer, const char *host, int client) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  inet_pton(AF_INET, host, &address.sin_addr);
  *peer = (struct peer) {.socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .client = client};
  if (connect(peer->socket, (struct sockaddr *) &address, sizeof address) && errno != EINPROGRESS) fail("connect of client %d", client);
  nodelay(peer->socket);
  ask(peer);
}

static int most(int a, int b) { return a > b ? a : b; }

static void drive(const char *host, int count, int first, int think, int patience) {
  struct pollfd fds[CLIENTS + 1];
  double longest = 0;
  long answers = 0;
  int stopping = 0, busy = count, owed = 0;
  uint64_t chance = first + 1;
  for (int i = 0; i < count; i++) enter(&peers[i], host, first + i);
  printf("driving\n");
  fflush(stdout);
  while (busy) {
    int pause = 1000;
    for (int i = 0; i < count; i++) {
      struct peer *peer = &peers[i];
      if (peer->socket >= 0 && !is_asking(peer)) {
        if (stopping) {
          leave(peer);
          busy--;
        } else if (peer->next <= now()) {
          ask(peer);
        } else if ((peer->next - now()) * 1000 < pause) {
          pause = most(1, (peer->next - now()) * 1000);
        }
      }
      fds[i] = (struct pollfd) {peer->socket, POLLIN | (peer->sent < peer->out_length ? POLLOUT : 0), 0};
    }
    fds[count] = (struct pollfd) {stopping ? -1 : 0, POLLIN, 0};
    poll(fds, count + 1, pause);
    char byte;
    if (!stopping && fds[count].revents) {
      if (read(0, &byte, 1) <= 0) stopping = 1;
      else for (int i = owed = 0; i < count; i++, owed++) peers[i].wanted = peers[i].sequence + 1;
    }
    for (int i = 0; i < count; i++) {
      struct peer *peer = &peers[i];
      if (peer->socket < 0) continue;
      if (is_asking(peer) && now() - peer->since > patience)
        fail("client %d has waited %d s for %llu", peer->client, patience, (unsigned long long) peer->sequence);
      if (!fds[i].revents) continue;
      int state = receive(peer);
      if (state < 0) fail("client %d lost its connection at %llu", peer->client, (unsigned long long) peer->sequence);
      if (state == 0) {
        transmit(peer);
        continue;
      }
      if (!is_asking(peer)) fail("client %d got an answer to nothing", peer->client);
      double waited = take(peer);
      answers++;
      if (waited > longest) longest = waited;
      peer->next = now() + (think ? next(&chance) % think : 0) / 1000.0;
      if (peer->wanted && peer->sequence >= peer->wanted) {
        peer->wanted = 0;
        if (!--owed) {
          printf("ROUND\n");
          fflush(stdout);
        }
      }
    }
  }
  printf("ANSWERS %ld LONGEST %.0f\n", answers, longest * 1000);
}

static void order(const char *host, const char *word) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  inet_pton(AF_INET, host, &address.sin_addr);
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(s, (struct sockaddr *) &address, sizeof address)) fail("connect");
  struct header header = {MAGIC, !strcmp(word, "off") ? OFF : !strcmp(word, "reset") ? RESET : PANIC, 0, 0, 0};
  if (send(s, &header, sizeof header, 0) < 0) fail("order");
  sleep(1); // it is there before the connection ends
}

static void check(const char *path) {
  static unsigned char slot[SLOT];
  int disk = open(path, O_RDONLY);
  if (disk < 0) fail("%s", path);
  for (int client = 0; client < CLIENTS; client++) {
    struct header *header = (struct header *) slot;
    if (pread(disk, slot, SLOT, (off_t) client * SLOT) != SLOT) fail("slot %d", client);
    if (!header->magic) continue;
    if (header->magic != MAGIC || (int) header->client != client || header->length > LONGEST
        || !is_right(slot + sizeof *header, header->length, client, header->sequence, 0))
      fail("slot %d holds something else", client);
    printf("HOLDS %d %llu\n", client, (unsigned long long) header->sequence);
  }
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc > 2 && !strcmp(argv[1], "serve")) serve(argv[2]);
  else if (argc > 6 && !strcmp(argv[1], "drive"))
    drive(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), atoi(argv[6]));
  else if (argc > 3 && !strcmp(argv[1], "order")) order(argv[2], argv[3]);
  else if (argc > 2 && !strcmp(argv[1], "check")) check(argv[2]);
  return 0;
}
