package dev.pollux.backend.block.replication;

import dev.pollux.backend.block.BlockChild;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * A disk of a pair ({@code replication}). On the primary it stands on the connection to the
 * secondary's disk, and an error there is kept to itself. On the secondary it stands on the active
 * disk, below which are the hidden disk and the disk itself ({@link SecondaryDisks}).
 */
public final class ReplicationNode extends BlockNode {
  /** Which side it belongs to. */
  public enum Mode {
    PRIMARY,
    SECONDARY
  }

  /** How far replication is. */
  enum Stage {
    /** Not begun: every request fails. */
    NONE,
    RUNNING,
    /** The secondary has taken over; its disks are being merged into one. */
    FAILOVER,
    /** That has failed; the guest goes on with several. */
    FAILOVER_FAILED,
    DONE
  }

  private final Mode mode;
  private final String topId;

  /** Changed while no request is under way. */
  private volatile BlockNode file;

  private volatile Stage stage = Stage.NONE;
  private volatile IOException error;

  /**
   * Requests hold it shared: a copy that goes to the hidden disk is seen by who begins later, and
   * the disk changes only when those who began before have ended.
   */
  private final ReentrantReadWriteLock requests = new ReentrantReadWriteLock();

  /**
   * @param topId node or backend at the top; only of the secondary
   */
  public ReplicationNode(NodeOptions options, BlockNode file, Mode mode, String topId) {
    super(options);
    this.file = file;
    this.mode = mode;
    this.topId = topId;
  }

  Mode mode() {
    return mode;
  }

  String topId() {
    return topId;
  }

  BlockNode file() {
    return file;
  }

  Stage stage() {
    return stage;
  }

  /** No request is under way. */
  void become(Stage next) {
    stage = next;
  }

  /** What has failed on the primary; null for nothing. */
  IOException error() {
    return error;
  }

  /** Waits for the requests that are under way. Any thread that has none itself. */
  @SuppressWarnings("LockNotBeforeTry") // it is taken only to wait for who has it
  void awaitRequests() {
    requests.writeLock().lock();
    requests.writeLock().unlock();
  }

  @Override
  public String driver() {
    return "replication";
  }

  @Override
  public long length() {
    return file.length();
  }

  @Override
  public String fileName() {
    return file.fileName();
  }

  @Override
  public boolean isActive() {
    return file.isActive();
  }

  @Override
  public List<BlockChild> children() {
    return List.of(new BlockChild("file", file));
  }

  @Override
  public void replaceChild(BlockNode old, BlockNode with) {
    file = with;
  }

  /** A request to the node below. */
  private interface Request {
    void run(BlockNode below) throws IOException;
  }

  private void pass(Request request) throws IOException {
    requests.readLock().lock();
    try {
      request.run(file);
    } finally {
      requests.readLock().unlock();
    }
  }

  private static ErrnoException refused() {
    return new ErrnoException(Errno.EIO, "Block replication is not running");
  }

  private void change(Request request) throws IOException {
    if (mode == Mode.SECONDARY && stage != Stage.NONE) {
      pass(request);
      return;
    }
    if (stage != Stage.RUNNING) {
      throw refused();
    }
    try {
      request.run(file);
    } catch (IOException e) {
      error = e; // the guest goes on; whoever watches the pair asks for it
    }
  }

  @Override
  protected void doRead(long offset, IoVector to) throws IOException {
    if (mode == Mode.PRIMARY || stage == Stage.NONE) {
      throw refused();
    }
    pass(below -> below.read(offset, to));
  }

  @Override
  protected void doWrite(long offset, IoVector from) throws IOException {
    change(below -> below.write(offset, from, 0));
  }

  @Override
  protected void doWriteZeroes(long offset, long length, boolean mayUnmap) throws IOException {
    change(below -> below.writeZeroes(offset, length, mayUnmap ? MAY_UNMAP : 0));
  }

  @Override
  protected void doDiscard(long offset, long length) throws IOException {
    change(below -> below.discard(offset, length));
  }

  /** While disks are merged, what the guest has written is in all of them. */
  @Override
  protected void doFlush() throws IOException {
    if (stage == Stage.FAILOVER || stage == Stage.FAILOVER_FAILED) {
      pass(ReplicationNode::flushAll);
    } else if (stage != Stage.NONE) {
      change(BlockNode::flush);
    }
  }

  private static void flushAll(BlockNode top) throws IOException {
    for (BlockNode node = top; node != null; node = node.backing()) {
      node.flush();
    }
  }

  @Override
  protected BlockStatus doStatus(long offset, long length) {
    return BlockStatus.data(length, -1);
  }
}
