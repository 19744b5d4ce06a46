package dev.pollux.junit;

import java.nio.file.Path;
import java.util.List;

/** Makes what a guest is started from. Needs a constructor without parameters. */
public interface GuestImage {
  /**
   * @param folder for files; it is removed behind the test
   * @return options of {@code pollux run}
   */
  List<String> options(Path folder) throws Exception;

  /** Nothing. */
  final class None implements GuestImage {
    @Override
    public List<String> options(Path folder) {
      return List.of();
    }
  }
}
