package dev.pollux.migration.transport;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Objects;

/** A file, or a part of it from some offset on. */
final class FileMigrationChannel implements MigrationChannel {
  /** Of a file's mode, in stat(2). */
  private static final int TYPE = 0xf000;

  private static final int PIPE = 0x1000;

  private final FileChannel file;

  private FileMigrationChannel(FileChannel file, long offset) throws IOException {
    this.file = file;
    file.position(offset);
  }

  static FileMigrationChannel forWriting(Path path, long offset) throws IOException {
    FileChannel file = open(path, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
    file.truncate(offset);
    return new FileMigrationChannel(file, offset);
  }

  static FileMigrationChannel forReading(Path path, long offset) throws IOException {
    return new FileMigrationChannel(open(path, StandardOpenOption.READ), offset);
  }

  private static FileChannel open(Path path, OpenOption... options) throws IOException {
    try {
      if (Files.exists(path) && (mode(path) & TYPE) == PIPE) {
        // To open one waits for its other end, for ever and deaf to everything.
        throw new IOException("'%s' is a pipe; use exec: or fd:".formatted(path));
      }
      return FileChannel.open(path, options);
    } catch (FileSystemException e) {
      String why =
          switch (e) {
            case NoSuchFileException _ -> "No such file or directory";
            case AccessDeniedException _ -> "Permission denied";
            default -> Objects.requireNonNullElse(e.getReason(), e.getClass().getSimpleName());
          };
      throw new IOException("Failed to open '%s': %s".formatted(path, why), e);
    }
  }

  private static int mode(Path path) throws IOException {
    return (int) Files.getAttribute(path, "unix:mode");
  }

  @Override
  public int read(ByteBuffer to) throws IOException {
    return file.read(to);
  }

  @Override
  public void write(ByteBuffer from) throws IOException {
    while (from.hasRemaining()) {
      file.write(from);
    }
  }

  @Override
  public boolean isTwoWay() {
    return false;
  }

  @Override
  public void shutdown() {
    try {
      file.close();
    } catch (IOException e) {
      // Nobody needs it any more.
    }
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
