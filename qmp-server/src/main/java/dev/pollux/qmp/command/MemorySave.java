package dev.pollux.qmp.command;

import dev.pollux.core.bus.FlatView;
import dev.pollux.core.machine.Machine;
import dev.pollux.qmp.protocol.QmpException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Guest memory on its way to a file: copied piece by piece on the event loop, each in a short step,
 * and written by a thread of its own, so that neither a large memory nor a slow file holds up the
 * machine. The guest goes on meanwhile.
 */
public final class MemorySave {
  private static final int CHUNK = 256 << 10;

  /** A step that can fail. */
  @FunctionalInterface
  private interface Step {
    void run() throws IOException, QmpException;
  }

  private final Machine machine;
  private final String filename;
  private final byte[] chunk = new byte[CHUNK];
  private final CompletableFuture<Void> done = new CompletableFuture<>();
  private final ExecutorService writer =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().name("pmemsave").daemon(true).factory());

  /** Writer's thread. */
  private OutputStream file;

  /** Event loop and writer's thread in turn, like {@link #left}. */
  private long next;

  private long left;

  private MemorySave(Machine machine, long from, long size, String filename) {
    this.machine = machine;
    this.filename = filename;
    this.next = from;
    this.left = size;
  }

  /**
   * Begins to save. Any thread.
   *
   * @param from guest-physical address
   * @param size bytes
   * @return completes when all is written, or with the {@link QmpException} that says why not
   * @throws QmpException if that is no place in guest memory
   */
  public static CompletableFuture<Void> start(
      Machine machine, long from, long size, String filename) throws QmpException {
    List<FlatView.Range> ranges = machine.memory().view().ranges();
    long end = ranges.isEmpty() ? 0 : Math.max(ranges.getLast().end(), 1L << 32);
    if (from < 0 || size < 0 || size > end - from) {
      throw new QmpException(
          "Parameter '%s' expects a place in guest memory, which ends at 0x%x"
              .formatted(from < 0 || from > end ? "val" : "size", end));
    }
    MemorySave save = new MemorySave(machine, from, size, filename);
    save.writer.execute(() -> save.attempt(save::open));
    var _ = save.done.whenComplete((_, _) -> save.writer.shutdown());
    return save.done;
  }

  private void attempt(Step step) {
    try {
      step.run();
    } catch (IOException e) {
      done.completeExceptionally(
          new QmpException("Could not write '" + filename + "': " + e.getMessage()));
    } catch (QmpException | RuntimeException | Error e) {
      done.completeExceptionally(e);
    }
  }

  private void open() throws QmpException {
    try {
      file = Files.newOutputStream(Path.of(filename));
    } catch (NoSuchFileException e) {
      throw new QmpException("Could not open '" + filename + "': No such file or directory");
    } catch (InvalidPathException | IOException e) {
      throw new QmpException("Could not open '" + filename + "': " + e.getMessage());
    }
    machine.loop().post(() -> attempt(this::copy));
  }

  private void copy() {
    int n = (int) Math.min(CHUNK, left);
    machine.memory().read(next, chunk, 0, n);
    next += n;
    left -= n;
    writer.execute(() -> attempt(() -> write(n)));
  }

  private void write(int n) throws IOException {
    file.write(chunk, 0, n);
    if (left > 0) {
      machine.loop().post(() -> attempt(this::copy));
    } else {
      file.close();
      done.complete(null);
    }
  }
}
