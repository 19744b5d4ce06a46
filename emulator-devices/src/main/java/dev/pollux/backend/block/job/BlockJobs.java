package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.OnError;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.image.Qcow2Image;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;

/** Starts jobs on disks. Event loop, machine lock held. */
public final class BlockJobs {
  private static final int LEAST_GRANULARITY = 512;
  private static final int MOST_GRANULARITY = 64 << 20;

  private BlockJobs() {}

  /** Bytes of a piece of a disk that is copied at once, as a power of two. */
  public static int usualPieceBits(BlockNode node) {
    return DirtyMap.usualBits(node.length());
  }

  /**
   * How a mirror copies.
   *
   * @param mode what is copied
   * @param granularity bytes of a piece; 0 leaves it to the disk's length
   * @param writeBlocking writes wait for their copy
   */
  public record Mirror(SyncMode mode, long granularity, boolean writeBlocking) {}

  private static void checkRoot(Jobs jobs, BlockNode node) {
    if (!jobs.graph().parents(node).isEmpty()) {
      throw new ConfigException("Need a root block node");
    }
  }

  private static int bits(Mirror how, BlockNode source) {
    long granularity = how.granularity;
    if (granularity == 0) {
      return DirtyMap.usualBits(source.length());
    }
    if (granularity < LEAST_GRANULARITY || granularity > MOST_GRANULARITY) {
      throw new ConfigException("Parameter 'granularity' expects a value in range [512B, 64MB]");
    }
    if (Long.bitCount(granularity) != 1) {
      throw new ConfigException("Parameter 'granularity' expects a power of 2");
    }
    return Math.max(
        Long.numberOfTrailingZeros(granularity), DirtyMap.usualBits(source.length()) - 7);
  }

  /** Copies a disk and follows what is written to it. */
  public static void mirror(
      Jobs jobs, JobOptions options, BlockNode source, BlockNode target, Mirror how)
      throws IOException {
    jobs.checkNew(options);
    int pieceBits = bits(how, source);
    if (source.equals(target)) {
      throw new ConfigException("Can't mirror node into itself");
    }
    checkRoot(jobs, source);
    checkSizes(source, target);
    if (target.readOnly()) {
      throw new ConfigException("Block node is read-only");
    }
    takeBoth(jobs, source, target, JobType.MIRROR);
    boolean top = how.mode == SyncMode.TOP && source.backing() != null;
    MirrorWork.Plan plan =
        new MirrorWork.Plan(
            source,
            target,
            how.mode == SyncMode.TOP && !top ? SyncMode.FULL : how.mode,
            top ? source.backing() : null,
            true,
            how.writeBlocking,
            pieceBits,
            () -> {});
    jobs.start(JobType.MIRROR, options, new MirrorWork(jobs, plan));
  }

  private static void checkSizes(BlockNode source, BlockNode target) {
    if (source.length() != target.length()) {
      throw new ConfigException("Source and target image have different sizes");
    }
  }

  private static void takeBoth(Jobs jobs, BlockNode source, BlockNode target, JobType type) {
    jobs.checkFree(source);
    jobs.checkFree(target);
    jobs.take(source, type);
    jobs.take(target, type);
  }

  /** Copies a disk as it is now. */
  public static void backup(
      Jobs jobs, JobOptions options, BlockNode source, BlockNode target, SyncMode mode)
      throws IOException {
    jobs.checkNew(options);
    if (source.equals(target)) {
      throw new ConfigException("Source and target cannot be the same");
    }
    checkSizes(source, target);
    takeBoth(jobs, source, target, JobType.BACKUP);
    SyncMode what = mode == SyncMode.TOP && source.backing() == null ? SyncMode.FULL : mode;
    BackupWork work = new BackupWork(jobs, source, target, what);
    jobs.start(JobType.BACKUP, options, work).heldStill();
  }

  /** Copies what lies below an image into it. */
  public static void stream(
      Jobs jobs, JobOptions options, BlockNode node, BlockNode base, Optional<String> backingFile)
      throws IOException {
    jobs.checkNew(options);
    Qcow2Image top = image(node);
    checkChain(top, base);
    jobs.take(top, JobType.STREAM);
    String name = backingFile.orElse(base == null ? "" : base.fileName());
    jobs.start(JobType.STREAM, options, new StreamWork(jobs, top, base, name));
  }

  private static Qcow2Image image(BlockNode node) {
    if (node instanceof Qcow2Image image) {
      return image;
    }
    throw new ConfigException("Node '%s' is no image that stands on others".formatted(node.name()));
  }

  private static void checkChain(BlockNode top, BlockNode base) {
    BlockNode node = top.backing();
    while (node != null && !node.equals(base)) {
      node = node.backing();
    }
    if (node == null && base != null) {
      throw new ConfigException(
          "'%s' is not in this backing file chain".formatted(base.fileName()));
    }
  }

  /** Makes an image; what is wrong with it becomes the job's error. */
  public static void create(Jobs jobs, String id, NewImage image) {
    JobOptions options = new JobOptions(id, 0, OnError.REPORT, OnError.REPORT, true, false);
    jobs.checkNew(options);
    jobs.start(JobType.CREATE, options, new CreateWork(jobs, image));
  }

  /**
   * Writes what images hold into one below them.
   *
   * @param root the image that is in use
   * @param top the first that is committed; the one in use is followed until the job is told to end
   * @param base what they are committed into
   */
  public static void commit(
      Jobs jobs,
      JobOptions options,
      BlockNode root,
      BlockNode top,
      BlockNode base,
      Optional<String> backingFile)
      throws IOException {
    jobs.checkNew(options);
    if (top.equals(base)) {
      throw new ConfigException("cannot commit an image into itself");
    }
    checkChain(top, base);
    if (!top.equals(root)) {
      checkChain(root, top);
    }
    jobs.checkFree(top);
    jobs.checkFree(base);
    jobs.graph().makeWritable(base);
    if (base.length() < top.length()) {
      base.resize(top.length());
    }
    if (top.equals(root)) {
      commitActive(jobs, options, top, base);
      return;
    }
    BlockNode overlay = root;
    while (!top.equals(overlay.backing())) {
      overlay = overlay.backing();
    }
    jobs.graph().makeWritable(overlay);
    Qcow2Image above = image(overlay);
    takeBoth(jobs, top, base, JobType.COMMIT);
    String name = backingFile.orElse(base.fileName());
    jobs.start(JobType.COMMIT, options, new CommitWork(jobs, above, top, base, name));
  }

  private static void commitActive(Jobs jobs, JobOptions options, BlockNode top, BlockNode base)
      throws IOException {
    takeBoth(jobs, top, base, JobType.COMMIT);
    MirrorWork.Plan plan =
        new MirrorWork.Plan(
            top, base, SyncMode.TOP, base, true, false, DirtyMap.usualBits(top.length()), () -> {});
    jobs.start(JobType.COMMIT, options, new MirrorWork(jobs, plan));
  }

  /**
   * Writes what an image in use and those below it hold into the lowest, which then takes its
   * place. No user sees the job.
   *
   * @param copied run on the event loop when the lowest has everything and nobody writes; where it
   *     fails the upper ones stay in use
   * @param end is told how it went on the event loop: null, or what has failed
   */
  public static void merge(
      Jobs jobs, BlockNode top, BlockNode base, BlockGraph.Change copied, Consumer<String> end)
      throws IOException {
    takeBoth(jobs, top, base, JobType.COMMIT);
    MirrorWork.Plan plan =
        new MirrorWork.Plan(
            top, base, SyncMode.TOP, base, true, false, DirtyMap.usualBits(top.length()), copied);
    jobs.startInternal(JobType.COMMIT, "merge " + top.name(), new MirrorWork(jobs, plan), end);
  }
}
