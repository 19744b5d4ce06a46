package dev.pollux.cli.pair;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.img.ImgTools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A pair that died after a failover has left two disks' newest images beside the user's. */
class PairDiskRecoveryTest {
  private static final String NEWEST = "what the copy had";
  private static final int SIZE = 1 << 16;

  @TempDir private Path folder;

  @BeforeEach
  void leaveTwoDisks() throws IOException {
    for (String id : List.of("first", "second")) {
      Files.writeString(file(id), "what the primary had");
      Files.writeString(image(id), NEWEST);
      Overlays overlays = Overlays.at(image(id).toString());
      for (Path overlay : List.of(overlays.active(), overlays.hidden())) {
        assertEquals(
            0,
            ImgTools.run(
                List.of("create", "-q", "-f", "qcow2", overlay.toString(), String.valueOf(SIZE))));
      }
      Files.writeString(
          note(id),
          "%s\n%s\n%s\n".formatted(image(id).getFileName(), overlays.active(), overlays.hidden()));
    }
  }

  private Path file(String id) {
    return folder.resolve(id);
  }

  private Path image(String id) {
    return folder.resolve(id + ".pair1");
  }

  private Path note(String id) {
    return folder.resolve(id + ".pair");
  }

  /** As the process that is started next knows it. */
  private PairDisk disk(String id) {
    return new PairDisk(new PairDisk.Spec(id, file(id), "raw", "", ""), folder, false);
  }

  private void assertOnlyNewest(String id) throws IOException {
    assertEquals(NEWEST, Files.readString(file(id)));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(
          List.of(file(id)),
          files.filter(path -> path.getFileName().toString().startsWith(id)).toList());
    }
  }

  @Test
  void deathBetweenMovingTheImageAndForgettingItLosesNothing() throws IOException {
    disk("first").settle(false);
    Files.delete(file("first"));
    Files.move(image("first"), file("first")); // and here it died
    disk("first").settle(false);
    assertTrue(disk("first").recover().contains("newest state"));
    assertOnlyNewest("first");
    assertEquals("", disk("first").recover());
  }

  @Test
  void decisionStandsWhenOneDiskIsInPlaceAndTheOtherIsNot() throws IOException {
    mergeable("second"); // alone it would be merged
    assertFalse(disk("first").hasTakenOver());
    assertTrue(disk("second").hasTakenOver());
    disk("first").settle(false);
    assertFalse(disk("first").hasTakenOver());
    disk("second").settle(false);
    assertTrue(!disk("first").recover().isEmpty()); // and here it died
    assertTrue(disk("first").hasTakenOver(), "nothing is left of it to be decided");
    assertFalse(disk("second").hasTakenOver());
    disk("second").settle(true);
    assertTrue(!disk("second").recover().isEmpty());
    assertOnlyNewest("first");
    assertOnlyNewest("second");
  }

  /** Its active disk names what is below it, as when a copy has begun to take over. */
  private void mergeable(String id) throws IOException {
    Overlays overlays = Overlays.at(image(id).toString());
    List<String> words = List.of("rebase", "-u", "-F", "qcow2", "-b", overlays.hidden().toString());
    assertEquals(
        0,
        ImgTools.run(
            Stream.concat(words.stream(), Stream.of(overlays.active().toString())).toList()));
  }

  @Test
  void imageThatIsGoneBeforeItWasCompleteIsAnError() throws IOException {
    Files.delete(image("first"));
    IOException refused = assertThrows(IOException.class, () -> disk("first").settle(false));
    assertTrue(refused.getMessage().contains("first.pair1, which is gone"), refused.getMessage());
    assertEquals("what the primary had", Files.readString(file("first")));
  }

  @Test
  void notesOfAnythingElseAreRefused() throws IOException {
    for (String more : List.of("perhaps\n", "merged\nkept\n")) {
      Files.writeString(note("second"), Files.readString(note("first")) + more);
      assertThrows(IOException.class, () -> disk("second").recover());
    }
    assertTrue(Files.exists(image("second")));
  }
}
