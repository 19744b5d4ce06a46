package dev.pollux.backend.block.node;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A file of the host whose length changes, or fails to, and what it takes of the host's disk. */
class FileNodeTest {
  private static final int MIB = 1 << 20;
  private static final int BLOCK = 4096;

  /** No file system has files so long. */
  private static final long TOO_LONG = 1L << 62;

  @TempDir Path folder;

  private FileNode file(int bytes) throws IOException {
    byte[] data = new byte[bytes];
    java.util.Arrays.fill(data, (byte) 7);
    Path path = Files.write(folder.resolve("disk"), data);
    return FileNode.open(NodeOptions.of("n"), path.toString(), Locking.ON);
  }

  private static int read(FileNode file, long offset) throws IOException {
    try (HostBuffer buffer = new HostBuffer(BLOCK)) {
      file.read(offset, buffer.vector(1));
      return RawMemory.getByte(buffer.address());
    }
  }

  @Test
  void aResizeThatFailsChangesNothing() throws IOException {
    try (FileNode file = file(MIB)) {
      ErrnoException error =
          assertThrows(ErrnoException.class, () -> file.host().truncate(TOO_LONG));
      assertEquals(
          error.errno(), assertThrows(ErrnoException.class, () -> file.resize(TOO_LONG)).errno());
      assertEquals(MIB, file.length());
      assertEquals(7, read(file, MIB - 1));
      file.inactivate();
      for (long length : new long[] {0, BLOCK, 2 * MIB}) {
        assertEquals(
            Errno.EPERM, assertThrows(ErrnoException.class, () -> file.resize(length)).errno());
        assertEquals(MIB, file.length());
      }
      file.activate();
      file.resize(2 * BLOCK);
      assertEquals(2 * BLOCK, file.length());
      file.resize(MIB);
      assertEquals(7, read(file, 2 * BLOCK - 1));
      assertEquals(0, read(file, 2 * BLOCK));
    }
    assertEquals(MIB, Files.size(folder.resolve("disk")));
  }

  @Test
  void whatAnotherProcessCutsOffIsAnErrorUntilItIsWritten() throws IOException {
    try (FileNode file = file(MIB);
        HostBuffer data = new HostBuffer(BLOCK)) {
      try (RandomAccessFile other = new RandomAccessFile(folder.resolve("disk").toFile(), "rw")) {
        other.setLength(BLOCK);
      }
      assertEquals(7, read(file, BLOCK - 1));
      ErrnoException error = assertThrows(ErrnoException.class, () -> read(file, BLOCK));
      assertEquals(Errno.EIO, error.errno());
      assertTrue(error.getMessage().contains("shorter"), error.getMessage());
      assertEquals(MIB, file.length());
      data.vector().clear();
      file.write(BLOCK, data.vector(), 0);
      assertEquals(0, read(file, BLOCK));
      assertThrows(ErrnoException.class, () -> read(file, 2 * BLOCK));
    }
  }

  @Test
  void holesTakeNothingOfTheHost() throws IOException {
    try (FileNode file = file(BLOCK)) {
      file.flush();
      long before = file.allocatedBytes();
      assertTrue(before > 0 && before < MIB, "" + before);
      file.resize(64L * MIB);
      assertEquals(before, file.allocatedBytes());
    }
  }
}
