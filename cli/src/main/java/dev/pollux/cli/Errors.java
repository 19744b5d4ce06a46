package dev.pollux.cli;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Words for errors of the host. */
final class Errors {
  private Errors() {}

  /** One line about a failed file or network operation, as the host's own tools would put it. */
  static String describe(IOException error) {
    return switch (error) {
      case NoSuchFileException e -> e.getFile() + ": no such file";
      case AccessDeniedException e -> e.getFile() + ": permission denied";
      case FileSystemException e ->
          e.getFile()
              + ": "
              + (e.getReason() == null ? e.getClass().getSimpleName() : e.getReason());
      default -> error.getMessage() == null ? error.getClass().getSimpleName() : error.getMessage();
    };
  }
}
