package dev.pollux.backend.net.user;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Gives guests the files of one folder, for reading only (TFTP, RFC 1350; options blksize, tsize
 * and timeout, RFC 2347 to 2349). The guest asks again for what it missed. Guarded by the network's
 * lock.
 */
final class TftpServer {
  static final int PORT = 69;

  private static final int READ_REQUEST = 1;
  private static final int WRITE_REQUEST = 2;
  private static final int DATA = 3;
  private static final int ACKNOWLEDGE = 4;
  private static final int ERROR = 5;
  private static final int OPTIONS = 6;
  private static final int NOT_FOUND = 1;
  private static final int ACCESS_VIOLATION = 2;
  private static final int UNKNOWN_TRANSFER = 5;
  private static final int MAX_SESSIONS = 64;
  private static final int MIN_BLOCK = 8;
  private static final int MAX_BLOCK = 1468;

  private record Key(Ip guest, int port) {}

  private record Session(FileChannel file, int block) {}

  private final UdpOutput output;
  private final Path root;

  /** Oldest first: who never finishes is forgotten for somebody new. */
  private final Map<Key, Session> sessions =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, Session> eldest) {
          if (size() <= MAX_SESSIONS) {
            return false;
          }
          end(eldest.getValue());
          return true;
        }
      };

  TftpServer(UdpOutput output, Path root) {
    this.output = output;
    this.root = root;
  }

  /**
   * Looks at a guest's datagram.
   *
   * @param server the address it was sent to
   */
  void receive(ByteBuffer data, int at, int end, Ip guest, int port, Ip server) {
    if (end - at < 4) {
      return;
    }
    Key key = new Key(guest, port);
    switch (data.getShort(at)) {
      case READ_REQUEST -> open(key, server, strings(data, at + 2, end));
      case WRITE_REQUEST -> error(key, server, ACCESS_VIOLATION, "the folder is read only");
      case ACKNOWLEDGE -> acknowledged(key, server, data.getShort(at + 2) & 0xffff);
      case ERROR -> forget(key);
      default -> {
        // Nothing that a server gets.
      }
    }
  }

  private static List<String> strings(ByteBuffer data, int from, int end) {
    List<String> strings = new ArrayList<>();
    int start = from;
    for (int at = from; at < end && strings.size() < 32; at++) {
      if (data.get(at) == 0) {
        byte[] bytes = new byte[at - start];
        data.get(start, bytes);
        strings.add(new String(bytes, StandardCharsets.UTF_8));
        start = at + 1;
      }
    }
    return strings;
  }

  private void open(Key key, Ip server, List<String> request) {
    forget(key);
    if (request.size() < 2 || !request.get(1).equalsIgnoreCase("octet")) {
      error(key, server, 0, "only mode octet is known");
      return;
    }
    try {
      Path file = find(request.get(0));
      if (file == null) {
        error(key, server, NOT_FOUND, "no such file");
        return;
      }
      start(key, server, FileChannel.open(file, StandardOpenOption.READ), request);
    } catch (IOException e) {
      error(key, server, ACCESS_VIOLATION, "the file cannot be read");
    }
  }

  /**
   * The file of that name inside the folder, also behind symbolic links; null where there is none.
   */
  private Path find(String name) throws IOException {
    String relative = name.replace('\\', '/').replaceFirst("^/+", "");
    if (relative.isEmpty() || relative.indexOf('\0') >= 0) {
      return null;
    }
    Path file = root.resolve(relative).normalize();
    if (!file.startsWith(root) || !Files.isRegularFile(file)) {
      return null;
    }
    return file.toRealPath().startsWith(root.toRealPath()) ? file : null;
  }

  private void start(Key key, Ip server, FileChannel file, List<String> request)
      throws IOException {
    int block = 512;
    List<String> agreed = new ArrayList<>();
    for (int i = 2; i + 1 < request.size(); i += 2) {
      String option = request.get(i).toLowerCase(Locale.ROOT);
      String value = request.get(i + 1);
      switch (option) {
        case "tsize" -> agreed.addAll(List.of(option, Long.toString(file.size())));
        case "timeout" -> agreed.addAll(List.of(option, value));
        case "blksize" -> {
          if (value.matches("[0-9]{1,5}") && Integer.parseInt(value) >= MIN_BLOCK) {
            block = Math.min(Integer.parseInt(value), MAX_BLOCK);
            agreed.addAll(List.of(option, Integer.toString(block)));
          }
        }
        default -> {
          // An option that is not known is not mentioned in the reply (RFC 2347).
        }
      }
    }
    sessions.put(key, new Session(file, block));
    if (agreed.isEmpty()) {
      block(key, server, 1);
    } else {
      ByteBuffer out = ByteBuffer.allocate(512).putShort((short) OPTIONS);
      for (String text : agreed) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (out.remaining() > bytes.length) {
          out.put(bytes).put((byte) 0);
        }
      }
      output.send(server, PORT, key.guest(), key.port(), out.flip());
    }
  }

  private void acknowledged(Key key, Ip server, int block) {
    if (!sessions.containsKey(key)) {
      error(key, server, UNKNOWN_TRANSFER, "no such transfer");
      return;
    }
    block(key, server, block + 1 & 0xffff);
  }

  /**
   * Sends a block by its number in the packet; behind 65535 numbers start again at 0, and the
   * file's own position tells where.
   */
  private void block(Key key, Ip server, int number) {
    Session session = sessions.get(key);
    try {
      long near = session.file().position() / session.block();
      long wanted = near - (short) ((near & 0xffff) - (number - 1 & 0xffff));
      long at = wanted * session.block();
      if (wanted < 0 || at > session.file().size()) {
        forget(key);
        return;
      }
      ByteBuffer out = ByteBuffer.allocate(4 + session.block());
      out.putShort((short) DATA).putShort((short) number);
      session.file().position(at);
      while (out.hasRemaining() && session.file().read(out) > 0) {
        // Until the block is full or the file ends.
      }
      session.file().position(at);
      output.send(server, PORT, key.guest(), key.port(), out.flip());
    } catch (IOException e) {
      error(key, server, 0, "the file cannot be read");
      forget(key);
    }
  }

  private void error(Key key, Ip server, int code, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    ByteBuffer out = ByteBuffer.allocate(5 + bytes.length);
    out.putShort((short) ERROR).putShort((short) code).put(bytes).put((byte) 0);
    output.send(server, PORT, key.guest(), key.port(), out.flip());
  }

  private void forget(Key key) {
    Session session = sessions.remove(key);
    if (session != null) {
      end(session);
    }
  }

  private static void end(Session session) {
    try {
      session.file().close();
    } catch (IOException e) {
      // It was only read.
    }
  }

  void close() {
    sessions.values().forEach(TftpServer::end);
    sessions.clear();
  }
}
