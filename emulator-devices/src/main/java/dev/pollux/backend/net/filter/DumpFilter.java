package dev.pollux.backend.net.filter;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetLink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** {@code filter-dump}: writes frames to a file of the pcap format, version 2.4. */
public final class DumpFilter extends LinkFilter {
  private static final Logger log = LoggerFactory.getLogger(DumpFilter.class);
  private static final int MAGIC = 0xa1b2c3d4;
  private static final int ETHERNET = 1;

  private final FileChannel file;
  private final int longest;
  private final ByteBuffer header = ByteBuffer.allocate(16);

  /** Guarded by this. */
  private boolean broken;

  /**
   * @param longest bytes that are written of one frame
   * @throws IOException if the file cannot be written
   */
  public DumpFilter(
      String id, NetLink link, Direction direction, boolean on, Path path, int longest)
      throws IOException {
    super(id, link, direction, on);
    this.longest = longest;
    file =
        FileChannel.open(
            path,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING);
    ByteBuffer start = ByteBuffer.allocate(24);
    start.putInt(MAGIC).putShort((short) 2).putShort((short) 4).putInt(0).putInt(0);
    start.putInt(longest).putInt(ETHERNET).flip();
    write(start);
  }

  private void write(ByteBuffer... bytes) throws IOException {
    while (bytes[bytes.length - 1].hasRemaining()) {
      file.write(bytes);
    }
  }

  /** Frames are shown as they pass: a long one as a whole. */
  @Override
  public boolean takesUnfinished() {
    return true;
  }

  @Override
  public synchronized boolean pass(Frame frame, Direction way) {
    if (!broken) {
      Instant now = Instant.now();
      int length = Math.min(frame.length(), longest);
      header.clear();
      header.putInt((int) now.getEpochSecond());
      header.putInt((int) TimeUnit.NANOSECONDS.toMicros(now.getNano()));
      header.putInt(length).putInt(frame.length()).flip();
      try {
        write(header, frame.data().slice(frame.data().position(), length));
      } catch (IOException e) {
        broken = true;
        log.warn("{}: the dump ends here: {}", id(), e.getMessage());
      }
    }
    return true;
  }

  @Override
  public void close() {
    super.close();
    synchronized (this) {
      broken = true;
      try {
        file.close();
      } catch (IOException e) {
        log.warn("{}: {}", id(), e.getMessage());
      }
    }
  }
}
