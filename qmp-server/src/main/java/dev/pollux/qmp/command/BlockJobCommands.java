package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.OnError;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.job.BlockJobs;
import dev.pollux.backend.block.job.Job;
import dev.pollux.backend.block.job.JobOptions;
import dev.pollux.backend.block.job.JobStatus;
import dev.pollux.backend.block.job.JobType;
import dev.pollux.backend.block.job.NewImage;
import dev.pollux.backend.block.job.Preallocation;
import dev.pollux.backend.block.job.SyncMode;
import dev.pollux.backend.block.job.TargetImage;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.ConfigException;
import dev.pollux.qmp.protocol.ErrorClass;
import dev.pollux.qmp.protocol.QmpException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** Commands on jobs that work on disks. */
public sealed interface BlockJobCommands<R> extends QmpCommand<R> {
  /** What a failed request does. */
  enum BlockdevOnError {
    REPORT,
    IGNORE,
    ENOSPC,
    STOP,
    AUTO;

    static OnError of(Optional<BlockdevOnError> value) {
      return value.map(v -> OnError.valueOf(v.name())).orElse(OnError.REPORT);
    }
  }

  /** A job that works on a disk. */
  record BlockJobInfo(
      JobType type,
      @Api.Doc("the job") String device,
      @Api.Doc("bytes, as far as is known") long len,
      @Api.Doc("bytes that were copied") long offset,
      @Api.Doc("it copies just now") boolean busy,
      @Api.Doc("held by a user or an error") boolean paused,
      @Api.Doc("bytes in a second; 0 for no limit") long speed,
      BlockQueries.BlockDeviceIoStatus ioStatus,
      @Api.Doc("it follows what is written, and may be completed") boolean ready,
      JobStatus status,
      boolean autoFinalize,
      boolean autoDismiss,
      Optional<String> error) {
    static BlockJobInfo of(Job job) {
      JobStatus status = job.status();
      return new BlockJobInfo(
          job.type(),
          job.id(),
          job.total(),
          job.done(),
          job.isBusy(),
          job.isPaused(),
          job.speed(),
          BlockQueries.BlockDeviceIoStatus.of(job.ioStatus()),
          status == JobStatus.READY || status == JobStatus.STANDBY,
          status,
          job.options().autoFinalize(),
          job.options().autoDismiss(),
          job.error());
    }
  }

  @Api.Doc("The jobs that work on disks.")
  record QueryBlockJobs() implements BlockJobCommands<List<BlockJobInfo>> {
    @Override
    public List<BlockJobInfo> run(QmpContext context) {
      return context.blocks().jobs().all().stream()
          .filter(job -> job.type().isBlockJob())
          .map(BlockJobInfo::of)
          .toList();
    }
  }

  /** How a mirror deals with writes. */
  enum MirrorCopyMode {
    BACKGROUND,
    WRITE_BLOCKING
  }

  /** Which part of a disk is copied. */
  enum MirrorSyncMode {
    TOP,
    FULL,
    NONE;

    SyncMode mode() {
      return SyncMode.valueOf(name());
    }
  }

  /** Where the file of a new image comes from. */
  enum NewImageMode {
    EXISTING,
    ABSOLUTE_PATHS
  }

  @Api.Doc("Copies a disk to a node, and follows what is written, until it is told to end.")
  record BlockdevMirror(
      Optional<String> jobId,
      @Api.Doc("node or backend") String device,
      @Api.Doc("node") String target,
      MirrorSyncMode sync,
      @Api.Doc("bytes in a second; 0 for no limit") Optional<Long> speed,
      @Api.Doc("bytes that are copied as one") @Api.Unsigned(bits = 32) Optional<Long> granularity,
      Optional<BlockdevOnError> onSourceError,
      Optional<BlockdevOnError> onTargetError,
      Optional<MirrorCopyMode> copyMode,
      Optional<Boolean> autoFinalize,
      Optional<Boolean> autoDismiss)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockGraph blocks = context.blocks();
      BlockNode source = blocks.require(device);
      BlockNode to = blocks.require(target);
      JobOptions options =
          options(
              blocks,
              jobId,
              device,
              speed,
              onSourceError,
              onTargetError,
              autoFinalize,
              autoDismiss);
      return io(() -> BlockJobs.mirror(blocks.jobs(), options, source, to, how()));
    }

    private BlockJobs.Mirror how() {
      return new BlockJobs.Mirror(
          sync.mode(),
          granularity.orElse(0L),
          copyMode.equals(Optional.of(MirrorCopyMode.WRITE_BLOCKING)));
    }
  }

  @Api.Doc("Copies a disk to an image, and follows what is written, until it is told to end.")
  record DriveMirror(
      Optional<String> jobId,
      @Api.Doc("node or backend") String device,
      @Api.Doc("file, or nbd://host:port/export") String target,
      @Api.Doc("driver") Optional<String> format,
      @Api.Doc("name of the new node") Optional<String> nodeName,
      MirrorSyncMode sync,
      @Api.Doc("absolute-paths makes the image, existing takes one that is there")
          Optional<NewImageMode> mode,
      @Api.Doc("bytes in a second; 0 for no limit") Optional<Long> speed,
      @Api.Unsigned(bits = 32) Optional<Long> granularity,
      Optional<BlockdevOnError> onSourceError,
      Optional<BlockdevOnError> onTargetError,
      Optional<Boolean> unmap,
      Optional<MirrorCopyMode> copyMode,
      Optional<Boolean> autoFinalize,
      Optional<Boolean> autoDismiss)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockGraph blocks = context.blocks();
      BlockNode source = blocks.require(device);
      JobOptions options =
          options(
              blocks,
              jobId,
              device,
              speed,
              onSourceError,
              onTargetError,
              autoFinalize,
              autoDismiss);
      BlockJobs.Mirror how =
          new BlockJobs.Mirror(
              sync.mode(),
              granularity.orElse(0L),
              copyMode.equals(Optional.of(MirrorCopyMode.WRITE_BLOCKING)));
      return withTarget(
          blocks,
          image(target, format, nodeName, mode),
          source,
          sync == MirrorSyncMode.TOP,
          to -> BlockJobs.mirror(blocks.jobs(), options, source, to, how));
    }
  }

  @Api.Doc("Copies a disk, as it is now, to a node.")
  record BlockdevBackup(
      Optional<String> jobId,
      @Api.Doc("node or backend") String device,
      @Api.Doc("node") String target,
      MirrorSyncMode sync,
      @Api.Doc("bytes in a second; 0 for no limit") Optional<Long> speed,
      Optional<BlockdevOnError> onSourceError,
      Optional<BlockdevOnError> onTargetError,
      Optional<Boolean> autoFinalize,
      Optional<Boolean> autoDismiss)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockGraph blocks = context.blocks();
      BlockNode source = blocks.require(device);
      BlockNode to = blocks.require(target);
      JobOptions options =
          options(
              blocks,
              jobId,
              device,
              speed,
              onSourceError,
              onTargetError,
              autoFinalize,
              autoDismiss);
      return io(() -> BlockJobs.backup(blocks.jobs(), options, source, to, sync.mode()));
    }
  }

  @Api.Obsolete(
      since = "6.2",
      reason = "nodes are described by blockdev-add",
      instead = "blockdev-backup")
  @Api.Doc("Copies a disk, as it is now, to an image.")
  record DriveBackup(
      Optional<String> jobId,
      @Api.Doc("node or backend") String device,
      @Api.Doc("file, or nbd://host:port/export") String target,
      @Api.Doc("driver") Optional<String> format,
      MirrorSyncMode sync,
      @Api.Doc("absolute-paths makes the image, existing takes one that is there")
          Optional<NewImageMode> mode,
      @Api.Doc("bytes in a second; 0 for no limit") Optional<Long> speed,
      Optional<BlockdevOnError> onSourceError,
      Optional<BlockdevOnError> onTargetError,
      Optional<Boolean> autoFinalize,
      Optional<Boolean> autoDismiss)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockGraph blocks = context.blocks();
      BlockNode source = blocks.require(device);
      JobOptions options =
          options(
              blocks,
              jobId,
              device,
              speed,
              onSourceError,
              onTargetError,
              autoFinalize,
              autoDismiss);
      return withTarget(
          blocks,
          image(target, format, Optional.empty(), mode),
          source,
          sync == MirrorSyncMode.TOP,
          to -> BlockJobs.backup(blocks.jobs(), options, source, to, sync.mode()));
    }
  }

  @Api.Doc("Writes what images hold into one below them.")
  record BlockCommit(
      Optional<String> jobId,
      @Api.Doc("node or backend") String device,
      @Api.Doc("the image that everything goes into") Optional<String> baseNode,
      @Api.Doc("the same by its file") Optional<String> base,
      @Api.Doc("the first image that is committed") Optional<String> topNode,
      @Api.Doc("the same by its file") Optional<String> top,
      @Api.Doc("what the image above then names") Optional<String> backingFile,
      @Api.Doc("bytes in a second; 0 for no limit") Optional<Long> speed,
      Optional<BlockdevOnError> onError,
      Optional<Boolean> autoFinalize,
      Optional<Boolean> autoDismiss)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockGraph blocks = context.blocks();
      BlockNode root =
          blocks
              .find(device)
              .orElseThrow(
                  () -> ConfigException.deviceNotFound("Device '%s' not found".formatted(device)));
      JobOptions options =
          options(blocks, jobId, device, speed, onError, onError, autoFinalize, autoDismiss);
      BlockNode first = inChain(blocks, root, topNode, top).orElse(root);
      BlockNode into = inChain(blocks, root, baseNode, base).orElseGet(() -> lowest(root));
      return io(() -> BlockJobs.commit(blocks.jobs(), options, root, first, into, backingFile));
    }

    private static BlockNode lowest(BlockNode root) {
      BlockNode node = root;
      while (node.backing() != null) {
        node = node.backing();
      }
      return node;
    }
  }

  @Api.Doc("Copies what images below one hold into it.")
  record BlockStream(
      Optional<String> jobId,
      @Api.Doc("node or backend") String device,
      @Api.Doc("what it stands on in the end, by its file") Optional<String> base,
      @Api.Doc("the same by its name") Optional<String> baseNode,
      @Api.Doc("what the image then names") Optional<String> backingFile,
      @Api.Doc("bytes in a second; 0 for no limit") Optional<Long> speed,
      Optional<BlockdevOnError> onError,
      Optional<Boolean> autoFinalize,
      Optional<Boolean> autoDismiss)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockGraph blocks = context.blocks();
      BlockNode root = blocks.require(device);
      JobOptions options =
          options(blocks, jobId, device, speed, onError, onError, autoFinalize, autoDismiss);
      BlockNode below = inChain(blocks, root, baseNode, base).orElse(null);
      return io(() -> BlockJobs.stream(blocks.jobs(), options, root, below, backingFile));
    }
  }

  /** Formats of images that can be made. */
  enum BlockdevCreateDriver {
    FILE,
    QCOW2
  }

  /** How a new image gets its space. */
  enum PreallocMode {
    OFF,
    METADATA,
    FALLOC,
    FULL;

    static Preallocation of(Optional<PreallocMode> mode) {
      return Preallocation.valueOf(mode.orElse(OFF).name());
    }
  }

  /** Versions of qcow2. */
  enum BlockdevQcow2Version {
    V2,
    V3
  }

  /** How clusters are packed. */
  enum Qcow2CompressionType {
    ZLIB,
    ZSTD
  }

  /** An image that is to be made. */
  @Api.Union(tag = "driver", values = BlockdevCreateDriver.class)
  sealed interface BlockdevCreateOptions {
    NewImage image();

    record File(
        String filename,
        @Api.Doc("bytes") @Api.Unsigned long size,
        Optional<PreallocMode> preallocation,
        @Api.Doc("a hint to btrfs that is not followed") Optional<Boolean> nocow)
        implements BlockdevCreateOptions {
      @Override
      public NewImage image() {
        return new NewImage.File(filename, size, PreallocMode.of(preallocation));
      }
    }

    record Qcow2(
        @Api.Doc("what it is written to: a node's name, or what blockdev-add takes") JsonNode file,
        @Api.Doc("bytes") @Api.Unsigned long size,
        Optional<BlockdevQcow2Version> version,
        Optional<String> backingFile,
        Optional<String> backingFmt,
        @Api.Unsigned Optional<Long> clusterSize,
        Optional<PreallocMode> preallocation,
        Optional<Boolean> lazyRefcounts,
        @Api.Unsigned Optional<Long> refcountBits,
        Optional<Qcow2CompressionType> compressionType)
        implements BlockdevCreateOptions {
      private static final long USUAL_CLUSTER = 65536;
      private static final long USUAL_COUNT_BITS = 16;

      @Override
      public NewImage image() {
        BlockOptions.Child to =
            file.isTextual()
                ? new BlockOptions.Child.Reference(file.textValue())
                : new BlockOptions.Child.Inline(
                    BlockOptions.of("blockdev-create", FlatJson.of(file)));
        Qcow2Creator creator =
            new Qcow2Creator(
                version.equals(Optional.of(BlockdevQcow2Version.V2)) ? 2 : 3,
                size,
                log2(clusterSize.orElse(USUAL_CLUSTER)),
                log2(refcountBits.orElse(USUAL_COUNT_BITS)),
                lazyRefcounts.orElse(false),
                compressionType.equals(Optional.of(Qcow2CompressionType.ZSTD)),
                backingFile.orElse(""),
                backingFmt.orElse(""));
        return new NewImage.Qcow2(to, creator, PreallocMode.of(preallocation));
      }

      /** Of a power of two; -1 of anything else. */
      private static int log2(long value) {
        return Long.bitCount(value) == 1 ? Long.numberOfTrailingZeros(value) : -1;
      }
    }
  }

  @Api.Doc("Makes an image. The job stays until job-dismiss; an error is in query-jobs.")
  record BlockdevCreate(String jobId, BlockdevCreateOptions options)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      BlockJobs.create(context.blocks().jobs(), jobId, options.image());
      return null;
    }
  }

  @Api.Doc("Holds a job.")
  record BlockJobPause(@Api.Doc("the job") String device) implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      require(context, device);
      context.blocks().jobs().pause(device);
      return null;
    }
  }

  @Api.Doc("Lets a job go on.")
  record BlockJobResume(@Api.Doc("the job") String device) implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      require(context, device);
      context.blocks().jobs().resume(device);
      return null;
    }
  }

  @Api.Doc("Ends a job; one that is ready keeps what it has copied, unless it is forced.")
  record BlockJobCancel(@Api.Doc("the job") String device, Optional<Boolean> force)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      require(context, device);
      context.blocks().jobs().cancel(device, force.orElse(false));
      return null;
    }
  }

  @Api.Doc("Ends a job that is ready; its copy takes the place of the original.")
  record BlockJobComplete(@Api.Doc("the job") String device) implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      require(context, device);
      context.blocks().jobs().complete(device);
      return null;
    }
  }

  @Api.Doc("Limits a job.")
  record BlockJobSetSpeed(
      @Api.Doc("the job") String device, @Api.Doc("bytes in a second; 0 for no limit") long speed)
      implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      require(context, device);
      context.blocks().jobs().setSpeed(device, speed);
      return null;
    }
  }

  @Api.Doc("Lets a job that is done change the graph.")
  record BlockJobFinalize(String id) implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      require(context, id);
      context.blocks().jobs().finalizeJob(id);
      return null;
    }
  }

  @Api.Doc("Forgets a job that is over.")
  record BlockJobDismiss(String id) implements BlockJobCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      require(context, id);
      context.blocks().jobs().dismiss(id);
      return null;
    }
  }

  /** There is a job of that id that works on a disk. */
  private static void require(QmpContext context, String id) throws QmpException {
    if (context.blocks().jobs().find(id).filter(job -> job.type().isBlockJob()).isEmpty()) {
      throw new QmpException(
          ErrorClass.DEVICE_NOT_ACTIVE, "Block job '%s' not found".formatted(id));
    }
  }

  private static JobOptions options(
      BlockGraph blocks,
      Optional<String> id,
      String device,
      Optional<Long> speed,
      Optional<BlockdevOnError> onSourceError,
      Optional<BlockdevOnError> onTargetError,
      Optional<Boolean> autoFinalize,
      Optional<Boolean> autoDismiss) {
    return new JobOptions(
        id.orElseGet(() -> usualId(blocks, device)),
        speed.orElse(0L),
        BlockdevOnError.of(onSourceError),
        BlockdevOnError.of(onTargetError),
        autoFinalize.orElse(true),
        autoDismiss.orElse(true));
  }

  /** The name of the back end that is meant, or has the node; empty where there is none. */
  private static String usualId(BlockGraph blocks, String device) {
    return blocks.backend(device).isPresent()
        ? device
        : blocks.backends().stream()
            .filter(backend -> backend.root().equals(blocks.node(device)))
            .map(BlockBackend::name)
            .findFirst()
            .orElse("");
  }

  /** An image of a chain by its node's name or by its file; empty where neither is given. */
  private static Optional<BlockNode> inChain(
      BlockGraph blocks, BlockNode root, Optional<String> name, Optional<String> file)
      throws QmpException {
    if (name.isPresent() && file.isPresent()) {
      throw new QmpException("a node and a file name the same image; give one of both");
    }
    if (name.isPresent()) {
      return Optional.of(blocks.requireNode(name.get()));
    }
    for (BlockNode node = root; file.isPresent() && node != null; node = node.backing()) {
      if (node.fileName().equals(file.get())) {
        return Optional.of(node);
      }
    }
    if (file.isPresent()) {
      throw new QmpException("Can't find '%s' in the backing chain".formatted(file.get()));
    }
    return Optional.empty();
  }

  private static TargetImage image(
      String file,
      Optional<String> format,
      Optional<String> nodeName,
      Optional<NewImageMode> mode) {
    return new TargetImage(file, format, nodeName, mode.equals(Optional.of(NewImageMode.EXISTING)));
  }

  /** Work that may fail. */
  interface Io {
    void run() throws IOException;
  }

  /** Work with a node. */
  interface WithNode {
    void run(BlockNode node) throws IOException;
  }

  private static Void io(Io work) throws QmpException {
    try {
      work.run();
      return null;
    } catch (IOException e) {
      throw new QmpException(e.getMessage());
    }
  }

  /** Starts a job with a target of its own, which goes where that fails, and with the job. */
  private static Void withTarget(
      BlockGraph blocks, TargetImage image, BlockNode source, boolean onTop, WithNode work)
      throws QmpException {
    return io(
        () -> {
          BlockNode target = image.open(blocks, source, onTop);
          try {
            work.run(target);
          } catch (IOException | ConfigException e) {
            blocks.release(target);
            throw e;
          }
        });
  }
}
