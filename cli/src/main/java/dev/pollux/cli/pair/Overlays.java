package dev.pollux.cli.pair;

import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.backend.block.image.Qcow2Options;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import dev.pollux.cli.img.ImgTools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What a copy keeps beside its disk: what its guest has written, and what the primary has
 * overwritten since the last checkpoint. When it takes over both are merged into the disk.
 */
public record Overlays(Path active, Path hidden) {
  /**
   * @param path what both names begin with
   */
  static Overlays at(String path) {
    return new Overlays(Path.of(path + ".active"), Path.of(path + ".hidden"));
  }

  /**
   * Whether the copy has taken over: as long as its active disk names nothing below it, the disk
   * alone is what the primary had.
   */
  public boolean haveTakenOver() throws IOException {
    NodeOptions options = NodeOptions.of("overlay").withReadOnly(true);
    try (FileNode file = FileNode.open(options, absolute(active), Locking.ON);
        Qcow2Image image = Qcow2Image.open(options, file, null, Qcow2Options.DEFAULTS)) {
      return !image.backingFile().isEmpty();
    }
  }

  /**
   * Merges what the machine that has died did not come to the end of; again without effect. No
   * process has the files open.
   */
  public void merge(Path disk, String format) throws IOException {
    run(List.of("rebase", "-u", "-F", format, "-b", absolute(disk), absolute(hidden)));
    run(List.of("rebase", "-u", "-F", "qcow2", "-b", absolute(hidden), absolute(active)));
    run(List.of("commit", "-q", absolute(active)));
    run(List.of("commit", "-q", absolute(hidden)));
  }

  private static String absolute(Path file) {
    return file.toAbsolutePath().toString();
  }

  private static void run(List<String> words) throws IOException {
    if (ImgTools.run(words) != 0) {
      throw new IOException("the disks cannot be merged: pollux img " + String.join(" ", words));
    }
  }

  void delete() throws IOException {
    Files.deleteIfExists(active);
    Files.deleteIfExists(hidden);
  }
}
