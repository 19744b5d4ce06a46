package dev.pollux.cli.pair;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** A small file that has its old contents or its new ones, whenever its host dies. */
public final class DurableFile {
  /** Room for the new contents that there is also when the file system is full, in bytes. */
  private static final int RESERVE = 4096;

  private DurableFile() {}

  private static Path fresh(Path file) {
    return file.resolveSibling(file.getFileName() + ".new");
  }

  /** Keeps room, so that the next replacement, if it is small, needs none. */
  public static void reserve(Path file) throws IOException {
    write(fresh(file), new byte[RESERVE]);
  }

  /** Neither the file nor room for its next contents is there any more. */
  public static void delete(Path file) throws IOException {
    Files.deleteIfExists(file);
    Files.deleteIfExists(fresh(file));
  }

  /** Returns when the new contents are on the disk, and the file's name is theirs there. */
  public static void replace(Path file, byte[] contents) throws IOException {
    write(fresh(file), contents);
    Files.move(fresh(file), file, StandardCopyOption.ATOMIC_MOVE);
    try (FileChannel folder = FileChannel.open(file.toAbsolutePath().getParent())) {
      folder.force(true);
    }
  }

  /** Over what is there, whose room is taken: what is too much of it goes last. */
  private static void write(Path file, byte[] contents) throws IOException {
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      ByteBuffer bytes = ByteBuffer.wrap(contents);
      while (bytes.hasRemaining()) {
        var _ = out.write(bytes);
      }
      var _ = out.truncate(contents.length);
      out.force(true);
    }
  }
}
