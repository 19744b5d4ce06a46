/*
 * What a kernel for several processors has to get right, all at once and with self-checks:
 *
 *   stress SECONDS
 *
 * Each part is a process of its own and prints a line; the last line says "stress: passed" or
 * "stress: failed". Build: gcc -O2 -static -pthread -o stress stress.c
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4 };

static time_t end;

static int running(void) {
  return time(NULL) < end;
}

static void check(int condition, const char *what) {
  if (!condition) {
    printf("wrong: %s\n", what);
    exit(1);
  }
}

static void run_threads(void *(*work)(void *)) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) {
    check(pthread_create(&threads[i], NULL, work, (void *) i) == 0, "pthread_create");
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
  }
}

/* Locks: a plain counter under a mutex, an atomic one, and a condition that hands on a turn. */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static long plain, turn;
static atomic_long atomic, expected;

static void *lock_work(void *arg) {
  long n = 0;
  while (running()) {
    for (int i = 0; i < 500; i++, n++) {
      pthread_mutex_lock(&mutex);
      plain++;
      pthread_mutex_unlock(&mutex);
      atomic_fetch_add(&atomic, 1);
    }
    pthread_mutex_lock(&mutex);
    turn++;
    pthread_cond_broadcast(&turned);
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_nsec += 1000000;
    if (limit.tv_nsec >= 1000000000) {
      limit.tv_nsec -= 1000000000;
      limit.tv_sec++;
    }
    pthread_cond_timedwait(&turned, &mutex, &limit);
    pthread_mutex_unlock(&mutex);
  }
  atomic_fetch_add(&expected, n);
  return arg;
}

static long locks(void) {
  run_threads(lock_work);
  check(plain == expected, "counter under a mutex");
  check(atomic == expected, "atomic counter");
  return plain;
}

/* Processes: children that see their parent's memory, change their own, and say so. */

static long forks(void) {
  long n = 0;
  volatile long *memory = malloc(64 * 4096);
  for (; running(); n++) {
    pid_t children[THREADS];
    for (int i = 0; i < 64; i++) {
      memory[i * 512] = n;
    }
    for (int c = 0; c < THREADS; c++) {
      children[c] = fork();
      check(children[c] >= 0, "fork");
      if (children[c] == 0) {
        long sum = 0;
        for (int i = 0; i < 64; i++) {
          sum += memory[i * 512] == n;
          memory[i * 512] = -c;
        }
        _exit(sum == 64 ? 10 + c : 1);
      }
    }
    for (int c = 0; c < THREADS; c++) {
      int status;
      check(waitpid(children[c], &status, 0) == children[c], "waitpid");
      check(WIFEXITED(status) && WEXITSTATUS(status) == 10 + c, "a child's memory");
    }
    check(memory[0] == n, "the parent's memory");
  }
  return n * THREADS;
}

/* Pipes: a ring of processes that pass blocks on, each adding one to every byte. */

static long pipes(void) {
  int ends[THREADS + 1][2];
  for (int i = 0; i <= THREADS; i++) {
    check(pipe(ends[i]) == 0, "pipe");
  }
  for (int i = 0; i < THREADS; i++) {
    if (fork() == 0) {
      unsigned char block[3000];
      for (int j = 0; j <= THREADS; j++) {
        if (j != i) {
          close(ends[j][0]);
        }
        if (j != i + 1) {
          close(ends[j][1]);
        }
      }
      ssize_t got;
      while ((got = read(ends[i][0], block, sizeof block)) > 0) {
        for (ssize_t b = 0; b < got; b++) {
          block[b]++;
        }
        check(write(ends[i + 1][1], block, got) == got, "write to a pipe");
      }
      _exit(0);
    }
  }
  for (int i = 0; i < THREADS; i++) {
    close(ends[i][0]);
    close(ends[i + 1][1]);
  }
  long n = 0;
  unsigned char out[3000], in[3000];
  for (; running(); n++) {
    for (size_t i = 0; i < sizeof out; i++) {
      out[i] = (unsigned char) (n + i * 7);
    }
    check(write(ends[0][1], out, sizeof out) == sizeof out, "write");
    for (size_t done = 0; done < sizeof in;) {
      ssize_t got = read(ends[THREADS][0], in + done, sizeof in - done);
      check(got > 0, "read");
      done += got;
    }
    for (size_t i = 0; i < sizeof in; i++) {
      check(in[i] == (unsigned char) (out[i] + THREADS), "bytes from a pipe");
    }
  }
  close(ends[0][1]);
  while (wait(NULL) > 0) {
  }
  return n;
}

/* Mappings of one address space, changed by all threads: every unmapping is a TLB shootdown. */

static atomic_long mappings;

static void *map_work(void *arg) {
  long id = (long) arg;
  for (long n = 0; running(); n++) {
    size_t size = (1 + n % 16) * 4096;
    unsigned char *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(p != MAP_FAILED, "mmap");
    for (size_t i = 0; i < size; i += 512) {
      check(p[i] == 0, "a new mapping is empty");
      p[i] = (unsigned char) (id + n + i / 512);
    }
    check(mprotect(p, size, PROT_READ) == 0, "mprotect");
    if (n % 8 == 0) {
      sched_yield();
    }
    for (size_t i = 0; i < size; i += 512) {
      check(p[i] == (unsigned char) (id + n + i / 512), "a mapping keeps its contents");
    }
    check(munmap(p, size) == 0, "munmap");
    atomic_fetch_add(&mappings, 1);
  }
  return arg;
}

static long maps(void) {
  run_threads(map_work);
  return mappings;
}

/*
 * One address, led to another page of a file again and again: who reads or calls there after that gets
 * the new one, whichever processor it is on.
 */

enum { FRAMES = 64, FRAME = 4096 };

static unsigned char *place;
static int frames;
static atomic_long led, seen;

static void lead(long n) {
  int rights = n % 2 ? PROT_READ | PROT_EXEC : PROT_READ | PROT_WRITE | PROT_EXEC;
  void *p = mmap(place, FRAME, rights, MAP_SHARED | MAP_FIXED, frames, n % FRAMES * FRAME);
  check(p == place, "mmap at an address");
}

/* Each frame holds a function that returns its number: mov $number, %eax; ret. */
static void make_frames(void) {
  frames = memfd_create("frames", 0);
  check(frames >= 0 && ftruncate(frames, FRAMES * FRAME) == 0, "memfd_create");
  for (int i = 0; i < FRAMES; i++) {
    unsigned char code[] = {0xb8, (unsigned char) i, 0, 0, 0, 0xc3};
    check(pwrite(frames, code, sizeof code, i * FRAME) == sizeof code, "pwrite");
  }
  place = mmap(NULL, FRAME, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(place != MAP_FAILED, "mmap");
}

/* How far behind the frame that was led to before it was looked at. */
static long behind(int frame, long before) {
  return (before - frame + FRAMES) % FRAMES;
}

static void *remap_work(void *arg) {
  if (arg == NULL) {
    for (long n = 1; running(); n++) {
      lead(n);
      atomic_store(&led, n);
      if (n % 4 == 0) {
        sched_yield();
      }
    }
    return arg;
  }
  while (running()) {
    for (int i = 0; i < 100; i++) {
      /* Right is this frame or a later one, of which there have not been so many. */
      long before = atomic_load(&led);
      int read = *(volatile unsigned char *) (place + 1);
      int called = ((int (*)(void)) place)();
      long after = atomic_load(&led);
      if (after + 1 - before < FRAMES / 2) {
        check(behind(read, before) == 0 || behind(read, before) > FRAMES / 2, "a page that was replaced is not read");
        check(behind(called, before) == 0 || behind(called, before) > FRAMES / 2, "... nor called");
        atomic_fetch_add(&seen, 1);
      }
    }
  }
  return arg;
}

static long remaps(void) {
  make_frames();
  lead(0);
  run_threads(remap_work);
  return seen < led ? seen : led;
}

/* Signals: as many handled as were queued. */

static atomic_long queued, handled;

static void handler(int signal, siginfo_t *info, void *context) {
  (void) signal;
  (void) context;
  atomic_fetch_add(&handled, info->si_value.sival_int);
}

static void *signal_work(void *arg) {
  union sigval one = {.sival_int = 1};
  while (running()) {
    if (sigqueue(getpid(), SIGRTMIN, one) == 0) {
      atomic_fetch_add(&queued, 1);
    } else {
      sched_yield();
    }
  }
  return arg;
}

static long signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  check(sigaction(SIGRTMIN, &action, NULL) == 0, "sigaction");
  run_threads(signal_work);
  for (int i = 0; i < 1000 && handled != queued; i++) {
    usleep(10000);
  }
  check(handled == queued, "queued signals are handled once");
  return handled;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    long (*run)(void);
  } parts[] = {
    {"locks", locks}, {"forks", forks}, {"pipes", pipes}, {"maps", maps}, {"remaps", remaps}, {"signals", signals},
  };
  enum { PARTS = sizeof parts / sizeof parts[0] };
  setvbuf(stdout, NULL, _IOLBF, 0);
  end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
  for (int i = 0; i < PARTS; i++) {
    if (fork() == 0) {
      long n = parts[i].run();
      printf("%s: %ld\n", parts[i].name, n);
      exit(n > 0 ? 0 : 1);
    }
  }
  int failed = 0;
  for (int i = 0; i < PARTS; i++) {
    int status;
    check(wait(&status) > 0, "wait");
    failed |= status;
  }
  printf("stress: %s\n", failed ? "failed" : "passed");
  return failed != 0;
}
