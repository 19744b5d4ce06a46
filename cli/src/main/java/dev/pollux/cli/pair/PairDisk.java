package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.img.ImgTools;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.process.MachineProcess;
import dev.pollux.cli.process.Monitor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A disk of a pair. Each side has an image of its own: the first one that of the user, each further
 * one a copy that is made while the guest runs. The graph of nodes is the one that managers build:
 * see the page about pairs.
 *
 * <p>The deciding thread.
 */
public final class PairDisk {
  /**
   * What the user has said of it.
   *
   * @param id the drive's name
   * @param format {@code raw} or {@code qcow2}
   * @param options more of its node, each behind a comma
   * @param device the device that is made for it; empty where the user makes one
   */
  public record Spec(String id, Path file, String format, String options, String device) {}

  private static final Logger log = LoggerFactory.getLogger(PairDisk.class);
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
  private static final long END_OF_JOB_SECONDS = 10;

  /** Lines of a note that is not settled; one of the two words follows. */
  private static final int UNSETTLED_LINES = 3;

  private static final String MERGED = "merged";
  private static final String KEPT = "kept";

  private final Spec spec;
  private final Path folder;
  private final Map<String, Path> images = new LinkedHashMap<>();
  private int copies;
  private long size = -1;

  /** A copy overwrites what the side had, because each host has a file of the user's. */
  private final boolean inPlace;

  /** Of the pair that is being made: a node that could not be taken away is not in the way. */
  private int number;

  public PairDisk(Spec spec, Path folder, boolean inPlace) {
    this.spec = spec;
    this.folder = folder;
    this.inPlace = inPlace;
  }

  private String name(String part) {
    return spec.id() + "-" + part;
  }

  private static ObjectNode object() {
    return JSON.objectNode();
  }

  // ---- images ----

  /** Names the newest image while that is not the user's, and what is to be merged into it. */
  private Path pointer() {
    return beside("");
  }

  private Path beside(String suffix) {
    return spec.file().resolveSibling(spec.file().getFileName() + ".pair" + suffix);
  }

  /**
   * What an earlier pair has left: its newest image, and what may have to be merged into it.
   *
   * @param settled once that is decided and done: whether it was merged
   */
  private record Note(Path image, Overlays overlays, Optional<Boolean> settled) {
    private String text() {
      return "%s\n%s\n%s\n%s"
          .formatted(
              image.getFileName(),
              overlays.active(),
              overlays.hidden(),
              settled.map(merged -> (merged ? MERGED : KEPT) + "\n").orElse(""));
    }
  }

  private Optional<Note> note() throws IOException {
    if (!Files.exists(pointer())) {
      return Optional.empty();
    }
    List<String> lines = Files.readAllLines(pointer());
    List<String> settled = lines.subList(Math.min(UNSETTLED_LINES, lines.size()), lines.size());
    if (lines.size() < UNSETTLED_LINES
        || !settled.isEmpty() && !List.of(MERGED, KEPT).contains(String.join("\n", settled))) {
      throw new IOException(pointer() + ": not a pair's note of its newest image");
    }
    Note note =
        new Note(
            spec.file().resolveSibling(lines.getFirst()),
            new Overlays(Path.of(lines.get(1)), Path.of(lines.get(2))),
            settled.stream().findFirst().map(MERGED::equals));
    if (note.settled.isEmpty()) {
      for (Path each : List.of(note.image, note.overlays.active(), note.overlays.hidden())) {
        if (!Files.exists(each)) {
          throw new IOException(
              "%s: part of the newest state is in %s, which is gone; remove %s to go on from the older one"
                  .formatted(spec.file(), each, pointer()));
        }
      }
    }
    return Optional.of(note);
  }

  private void write(Note note) throws IOException {
    DurableFile.replace(pointer(), note.text().getBytes(StandardCharsets.UTF_8));
  }

  /** Whether what a pair has left, if anything, is to be merged. */
  boolean hasTakenOver() throws IOException {
    Optional<Note> note = note();
    return note.isEmpty()
        || (note.get().settled.isPresent()
            ? note.get().settled.get()
            : note.get().overlays.haveTakenOver());
  }

  /**
   * Makes the newest image complete, where it is not the user's, and notes that; again without
   * effect. No process has the files open. All disks are settled before one is put in its place:
   * who dies in between leaves notes that agree.
   *
   * @param merge all disks have taken over; otherwise each is what its primary had
   */
  void settle(boolean merge) throws IOException {
    Optional<Note> found = note().filter(note -> note.settled.isEmpty());
    if (found.isPresent()) {
      Note note = found.get();
      if (merge) {
        note.overlays.merge(note.image, spec.format());
      }
      write(new Note(note.image, note.overlays, Optional.of(merge)));
    }
  }

  /**
   * Puts the newest image, which is settled, into the user's place.
   *
   * @return what is to be told if an earlier pair has left that undone, empty for nothing
   */
  String recover() throws IOException {
    Optional<Note> found = note();
    if (found.isEmpty()) {
      return "";
    }
    Note note = found.get();
    if (Files.exists(note.image)) { // otherwise it is in place, and only its note has stayed
      Files.move(note.image, spec.file(), StandardCopyOption.REPLACE_EXISTING);
    }
    DurableFile.delete(pointer());
    note.overlays.delete();
    return "%s: an earlier pair has left its newest state in %s; that is used"
        .formatted(spec.file(), note.image.getFileName());
  }

  /**
   * Keeps room for {@link #newest}: the name of what counts is written also when the file system is
   * full. Where there is no room now, that is tried then.
   */
  void reserveNote() {
    try {
      DurableFile.reserve(pointer());
    } catch (IOException _) {
      // It is for what may not happen; then newest() says what is wrong.
    }
  }

  /** This side's image is the one that counts from now on, also if this process dies. */
  void newest(String side) throws IOException {
    write(new Note(images.get(side), overlays(side), Optional.empty()));
    reserveNote();
  }

  /** The pair has ended, and all processes: the newest image, settled, takes the user's place. */
  void finish() throws IOException {
    var _ = recover();
    DurableFile.delete(pointer());
    for (String each : List.copyOf(images.keySet())) {
      forget(each);
    }
  }

  /**
   * A side is gone for good; its image is of no use, unless it is the user's. One that cannot be
   * removed is in nobody's way: that is said, and the guest goes on.
   */
  public void forget(String side) {
    if (!images.containsKey(side)) {
      return;
    }
    Overlays beside = overlays(side);
    Path image = images.remove(side);
    try {
      beside.delete();
      if (!image.equals(spec.file())) {
        Files.deleteIfExists(image);
      }
    } catch (IOException e) {
      log.warn("{}: an old copy of the disk cannot be removed: {}", image, e.toString());
    }
  }

  /** Removes what earlier copies on this host have kept beside the disk; no machine runs here. */
  public void forgetOverlays() throws IOException {
    try (DirectoryStream<Path> old =
        Files.newDirectoryStream(folder, spec.id() + ".*.{active,hidden}")) {
      for (Path file : old) {
        Files.deleteIfExists(file);
      }
    }
  }

  /** The files of a copy that has taken over, while it has not merged its disks yet. */
  public Overlays overlays(String side) {
    return Overlays.at(
        inPlace
            ? folder.resolve("%s.%s".formatted(spec.id(), side)).toString()
            : images.get(side).toAbsolutePath().toString());
  }

  // ---- options of the sides ----

  private String own(Path image) {
    return "if=none,node-name=%s,file=%s,format=%s%s"
        .formatted(name("disk"), value(image), spec.format(), spec.options());
  }

  /** As the value of an option. */
  private static String value(Path path) {
    return path.toString().replace(",", ",,");
  }

  private List<String> words(String own, String child, String... more) {
    List<String> words = new ArrayList<>(List.of("-drive", own));
    words.addAll(List.of(more));
    words.add("-drive");
    words.add(
        "if=none,id=%s,node-name=%s,driver=quorum,read-pattern=fifo,vote-threshold=1,children.0=%s"
            .formatted(spec.id(), name("quorum"), child));
    if (!spec.device().isEmpty()) {
      words.addAll(List.of("-device", spec.device()));
    }
    return words;
  }

  /** The options of the side that has the user's image. */
  public List<String> first(String side) {
    images.put(side, spec.file());
    return words(own(spec.file()), name("disk"));
  }

  /**
   * Makes images for a side that is to become a copy.
   *
   * @return its options
   */
  public List<String> copy(String side, Monitor primary) throws IOException {
    if (size < 0) {
      size = sizeOf(primary);
    }
    Path image = inPlace ? spec.file() : beside(String.valueOf(++copies));
    images.put(side, image);
    create(spec.format(), image);
    Overlays beside = overlays(side);
    create("qcow2", beside.active());
    create("qcow2", beside.hidden());
    String replication =
        ("if=none,node-name=%s,driver=replication,mode=secondary,top-id=%s,file.driver=qcow2,"
                + "file.file.filename=%s,file.backing.driver=qcow2,"
                + "file.backing.file.filename=%s,file.backing.backing=%s")
            .formatted(
                name("replication"),
                spec.id(),
                value(beside.active()),
                value(beside.hidden()),
                name("disk"));
    return words(own(image), name("replication"), "-drive", replication);
  }

  private void create(String format, Path image) throws IOException {
    Files.deleteIfExists(image);
    int status =
        ImgTools.run(List.of("create", "-q", "-f", format, image.toString(), String.valueOf(size)));
    if (status != 0) {
      throw new IOException(image + ": the image cannot be made");
    }
  }

  private long sizeOf(Monitor primary) throws IOException {
    JsonNode nodes = primary.run("query-named-block-nodes", object().put("flat", true));
    for (JsonNode node : nodes) {
      if (node.path("node-name").asText().equals(name("disk"))) {
        return node.at("/image/virtual-size").asLong();
      }
    }
    throw new IOException("%s: the disk is not there".formatted(spec.id()));
  }

  // ---- copying ----

  private String target() {
    return name("copy") + number;
  }

  private String job() {
    return name("resync") + number;
  }

  boolean hasJob(String id) {
    return job().equals(id);
  }

  public boolean hasTarget(String node) {
    return target().equals(node);
  }

  /** Whether that is this side's image, or what a copy that has taken over keeps beside it. */
  public boolean isOwn(String node) {
    return name("disk").equals(node) || name("replication").equals(node);
  }

  /** Begins to copy the disk; {@code BLOCK_JOB_READY} says when the copy follows the original. */
  public void beginCopy(Monitor primary, Monitor secondary, Places places, int pair)
      throws IOException {
    number = pair;
    var _ =
        secondary.run("nbd-server-add", object().put("device", name("disk")).put("writable", true));
    ObjectNode node =
        object()
            .put("driver", "nbd")
            .put("node-name", target())
            .put("export", name("disk"))
            .put("detect-zeroes", "on");
    node.set("server", server(places, pair).flat());
    var _ = primary.run("blockdev-add", node);
    var _ =
        primary.run(
            "blockdev-mirror",
            object()
                .put("job-id", job())
                .put("device", spec.id())
                .put("target", target())
                .put("sync", "full")
                .put("auto-dismiss", false));
  }

  /** The NBD server of a pair's secondary, for all its disks. */
  private static Places.Place server(Places places, int pair) {
    return places.at("disks" + pair, Places.End.SECONDARY);
  }

  /** Has the secondary offer its disks. */
  public static void serve(Monitor secondary, Places places, int pair) throws IOException {
    ObjectNode arguments = object();
    arguments.set("addr", server(places, pair).legacy());
    var _ = secondary.run("nbd-server-start", arguments);
  }

  /**
   * Whether the copy that was begun follows the original.
   *
   * @throws IOException if it has failed
   */
  public boolean follows(Monitor primary) throws IOException {
    for (JsonNode job : primary.run("query-jobs")) {
      if (job.path("id").asText().equals(job())) {
        if (job.has("error")) {
          throw new IOException(
              "%s: the disk cannot be copied: %s".formatted(spec.id(), job.path("error").asText()));
        }
        return job.path("status").asText().equals("ready");
      }
    }
    throw new IOException("%s: the disk is not being copied any more".formatted(spec.id()));
  }

  /** Whether that machine still uses them. */
  public boolean isMerging(Monitor machine, String side) throws IOException {
    String file = overlays(side).active().toString();
    for (JsonNode node : machine.run("query-named-block-nodes", object().put("flat", true))) {
      if (node.path("file").asText().equals(file)) {
        return true;
      }
    }
    return false;
  }

  public Spec spec() {
    return spec;
  }

  /**
   * How the copy fares.
   *
   * @param jobs what {@code query-block-jobs} says
   * @param behind it does not follow yet
   */
  PairView.Disk view(JsonNode jobs, boolean behind) {
    for (JsonNode job : jobs) {
      if (behind && hasJob(job.path("device").asText())) {
        return new PairView.Disk(
            spec.id(), false, job.path("offset").asLong(), job.path("len").asLong());
      }
    }
    return new PairView.Disk(spec.id(), !behind, 0, 0);
  }

  /** Has the copy get every write from now on. The guest stands still. */
  public void endCopy(Monitor primary) throws IOException {
    var _ = primary.run("block-job-cancel", object().put("device", job()));
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(END_OF_JOB_SECONDS);
    while (!statusOfJob(primary).equals("concluded")) {
      if (System.nanoTime() > end) {
        throw new IOException("%s: the copy does not end".formatted(spec.id()));
      }
      MachineProcess.pause(5);
    }
    var _ = primary.run("block-job-dismiss", object().put("id", job()));
    var _ =
        primary.run(
            "x-blockdev-change", object().put("parent", name("quorum")).put("node", target()));
  }

  private String statusOfJob(Monitor primary) throws IOException {
    for (JsonNode job : primary.run("query-jobs")) {
      if (job.path("id").asText().equals(job())) {
        return job.path("status").asText();
      }
    }
    return "concluded";
  }

  /** The primary goes on alone. */
  public void endOnPrimary(Monitor primary) {
    MachineProcess.attempt(
        () ->
            primary.run(
                "x-blockdev-change",
                object().put("parent", name("quorum")).put("child", "children.1")));
    MachineProcess.attempt(
        () -> primary.run("block-job-cancel", object().put("device", job()).put("force", true)));
    MachineProcess.attempt(() -> primary.run("block-job-dismiss", object().put("id", job())));
    MachineProcess.attempt(() -> primary.run("blockdev-del", object().put("node-name", target())));
  }
}
