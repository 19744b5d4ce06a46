package dev.pollux.devices.storage.flash;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;

/**
 * What is in a flash memory, and where it is kept on the host.
 *
 * @param contents as guests read it; ROM where the backend cannot be written
 * @param backend of the same length
 */
public record FlashChip(RamBlock contents, BlockBackend backend) {
  /** Bytes that are erased at once. */
  public static final int SECTOR = 4096;

  private static final long MOST = 8 << 20;

  /**
   * Reads the contents. Before the machine runs.
   *
   * @param option how the user asked for it, for messages
   * @param number 0 for the one with the firmware
   * @throws ConfigException where there is no medium, it cannot be read, or has no good length
   * @throws IOException if the host does not give the memory
   */
  public static FlashChip read(String option, int number, BlockBackend backend) throws IOException {
    long bytes = backend.length();
    if (bytes == 0 || bytes % SECTOR != 0 || bytes > MOST) {
      throw new ConfigException(
          "%s: the image has %d bytes; flash has a multiple of %d, at most %d MiB"
              .formatted(option, bytes, SECTOR, MOST >> 20));
    }
    RamBlock contents = new RamBlock("system.flash" + number, bytes, backend.readOnly());
    try (HostBuffer buffer = new HostBuffer(bytes)) {
      backend.access(root -> root.read(0, buffer.vector()));
      contents.write(0, buffer.toBytes(0, (int) bytes), 0, (int) bytes);
    } catch (IOException e) {
      contents.close();
      throw new ConfigException("%s: cannot be read: %s".formatted(option, e.getMessage()), e);
    }
    return new FlashChip(contents, backend);
  }
}
