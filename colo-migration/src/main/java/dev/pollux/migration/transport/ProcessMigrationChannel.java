package dev.pollux.migration.transport;

import dev.pollux.core.host.Libc;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The standard input or output of a program, whose error output goes to ours. The program leads a
 * session and a group of its own, so that all that it has started can be ended with it.
 */
final class ProcessMigrationChannel implements MigrationChannel {
  /** As much as a pipe takes at once. */
  private static final int CHUNK = 64 << 10;

  private static final long PATIENCE_SECONDS = 30;

  private final Process process;
  private final boolean writing;
  private final byte[] chunk = new byte[CHUNK];

  /** The program has ended well, or its group was ended: nothing is left to be ended. */
  private volatile boolean ended;

  private ProcessMigrationChannel(Process process, boolean writing) {
    this.process = process;
    this.writing = writing;
  }

  /** Starts a program that reads what is written here. */
  static ProcessMigrationChannel forWriting(List<String> command) throws IOException {
    ProcessBuilder builder = builder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD);
    return new ProcessMigrationChannel(builder.start(), true);
  }

  /** Starts a program whose output is read here. */
  static ProcessMigrationChannel forReading(List<String> command) throws IOException {
    Process process = builder(command).start();
    process.getOutputStream().close();
    return new ProcessMigrationChannel(process, false);
  }

  private static ProcessBuilder builder(List<String> command) throws IOException {
    if (command.isEmpty()) {
      throw new IOException("no program is given");
    }
    List<String> leader = new ArrayList<>(List.of("setsid"));
    leader.addAll(command);
    return new ProcessBuilder(leader).redirectError(ProcessBuilder.Redirect.INHERIT);
  }

  @Override
  public int read(ByteBuffer to) throws IOException {
    InputStream in = process.getInputStream();
    int n = in.read(chunk, 0, Math.min(chunk.length, to.remaining()));
    if (n > 0) {
      to.put(chunk, 0, n);
    }
    return n;
  }

  @Override
  public void write(ByteBuffer from) throws IOException {
    OutputStream out = process.getOutputStream();
    while (from.hasRemaining()) {
      int n = Math.min(chunk.length, from.remaining());
      from.get(chunk, 0, n);
      try {
        out.write(chunk, 0, n);
        out.flush();
      } catch (IOException e) {
        awaitSuccess();
        throw new IOException("the program ended before it had read everything", e);
      }
    }
  }

  @Override
  public boolean isTwoWay() {
    return false;
  }

  @Override
  public void shutdown() {
    if (ended) {
      return; // the group may be somebody else's by now
    }
    Libc.killGroup(process.pid());
    process.destroyForcibly(); // which may not lead its group yet
  }

  @Override
  public void close() throws IOException {
    try {
      if (writing) {
        process.getOutputStream().close();
        awaitSuccess();
        ended = true;
      } else {
        process.getInputStream().close();
      }
    } finally {
      shutdown();
      ended = true;
    }
  }

  private void awaitSuccess() throws IOException {
    try {
      if (!process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
        throw new IOException("the program does not end");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
    if (process.exitValue() != 0) {
      throw new PeerFailedException("the program ended with status " + process.exitValue());
    }
  }
}
