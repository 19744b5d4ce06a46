package dev.pollux.tests.hostile;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;

/**
 * One end of a pair's connection in the hands of a test: it says what it likes, and reads when it
 * likes. Messages are those of COLO, by their numbers.
 */
public abstract class HostileLink implements AutoCloseable {
  /** The messages, as the documentation of COLO numbers them. */
  public static final int READY = 0;

  public static final int REQUEST = 1;
  public static final int REPLY = 2;
  public static final int VMSTATE_SEND = 3;
  public static final int VMSTATE_SIZE = 4;
  public static final int RECEIVED = 5;
  public static final int LOADED = 6;
  public static final int HEARTBEAT = 0x100;
  public static final int PAGES = 0x101;
  public static final int DIGEST = 0x102;
  public static final int ENDED = 0x103;

  private static final int PATIENCE_MILLIS = 20_000;

  private Socket socket;
  private OutputStream out;
  private InputStream in;
  private final ByteArrayOutputStream record = new ByteArrayOutputStream();
  private volatile boolean beating;

  /** Takes the connection. */
  protected final void use(Socket connected) throws IOException {
    socket = connected;
    socket.setTcpNoDelay(true);
    socket.setSoTimeout(PATIENCE_MILLIS);
    in = socket.getInputStream();
    out = socket.getOutputStream();
  }

  /** Sends bytes as they are. */
  public final synchronized void send(byte[] bytes) throws IOException {
    out.write(bytes);
    out.flush();
  }

  /** Sends a message without anything behind it. */
  public final void send(int message) throws IOException {
    send(ByteBuffer.allocate(4).putInt(message).array());
  }

  /** Says every 100 ms that it lives, from now on, as long as the connection lasts. */
  public final void beat() {
    if (beating) {
      return;
    }
    beating = true;
    Thread.ofPlatform()
        .daemon(true)
        .start(
            () -> {
              try {
                while (beating) {
                  send(HEARTBEAT);
                  TimeUnit.MILLISECONDS.sleep(100);
                }
              } catch (IOException | InterruptedException e) {
                // The other side has had enough.
              }
            });
  }

  /** Says nothing by itself any more. */
  public final void stopBeating() {
    beating = false;
  }

  /** Reads so many bytes and keeps them. */
  public final byte[] read(int count) throws IOException {
    byte[] bytes = in.readNBytes(count);
    record.write(bytes);
    if (bytes.length < count) {
      throw new IOException("the connection has ended");
    }
    return bytes;
  }

  /** The next message that is no heartbeat. */
  public final int receive() throws IOException {
    int message;
    do {
      message = ByteBuffer.wrap(read(4)).getInt();
    } while (message == HEARTBEAT);
    return message;
  }

  /** Reads everything from now on and forgets it. */
  public final void drain() {
    Thread.ofPlatform()
        .daemon(true)
        .start(
            () -> {
              byte[] bytes = new byte[64 << 10];
              try {
                while (in.read(bytes) >= 0) {}
              } catch (IOException e) {
                // It has ended.
              }
            });
  }

  /** Reads until nothing comes for a while and a text was the last; the bytes that came. */
  protected final byte[] readUpTo(String last) throws IOException {
    while (in.available() > 0 || !endsWith(last)) {
      read(Math.max(1, in.available()));
      if (in.available() == 0 && endsWith(last)) {
        pause(50);
      }
    }
    return taken();
  }

  /** Reads until nothing comes but heartbeats and a message was the last before them. */
  protected final void readUpTo(int message) throws IOException {
    do {
      byte[] _ = read(Math.max(1, in.available()));
    } while (in.available() > 0 || lastMessage() != message);
    byte[] _ = taken();
  }

  /** The four bytes at the end, heartbeats left out. */
  private int lastMessage() {
    ByteBuffer all = ByteBuffer.wrap(record.toByteArray());
    int end = all.limit();
    while (end >= 8 && all.getInt(end - 4) == HEARTBEAT) {
      end -= 4;
    }
    return end < 4 ? 0 : all.getInt(end - 4);
  }

  private boolean endsWith(String last) {
    byte[] all = record.toByteArray();
    int from = all.length - last.length();
    for (int i = 0; i < last.length(); i++) {
      if (from < 0 || all[from + i] != last.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  /** All bytes read since the last call. */
  protected final byte[] taken() {
    byte[] all = record.toByteArray();
    record.reset();
    return all;
  }

  static void pause(long millis) {
    try {
      TimeUnit.MILLISECONDS.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Ends the connection at once, as a host does that knows nothing of it. */
  public final void reset() throws IOException {
    beating = false;
    socket.setSoLinger(true, 0);
    socket.close();
  }

  /** Ends the connection. */
  public final void hangUp() throws IOException {
    beating = false;
    if (socket != null) {
      socket.close();
    }
  }

  @Override
  public void close() throws IOException {
    hangUp();
  }
}
