package dev.pollux.backend.block.node;

import dev.pollux.backend.block.BlockChild;
import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.BlockThreads;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.RawMemory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadPoolExecutor;

/**
 * Several disks that hold the same ({@code quorum}). What is written goes to all of them at once
 * and is done when enough of them have done it; a child that fails is told about and stays.
 */
public final class QuorumNode extends BlockNode {
  /** How children are read. */
  public enum ReadPattern {
    /** All of them; what most of them say counts. */
    QUORUM,
    /** The first; the next one where it fails. */
    FIFO
  }

  private final int threshold;
  private final ReadPattern pattern;
  private final boolean rewriteCorrupted;
  private final BlockListener listener;
  private final ThreadPoolExecutor workers = BlockThreads.make("quorum");

  /** Changed while no request is under way. */
  private volatile List<BlockChild> children;

  private int nextIndex;

  /** What a child has failed to do though all of them together have done it; empty for nothing. */
  private volatile String missed = "";

  /**
   * @param threshold children that have to agree, or have to do what is asked
   * @param rewriteCorrupted children that read differently are put right
   */
  public QuorumNode(
      NodeOptions options,
      List<BlockNode> nodes,
      int threshold,
      ReadPattern pattern,
      boolean rewriteCorrupted,
      BlockListener listener) {
    super(options);
    this.threshold = threshold;
    this.pattern = pattern;
    this.rewriteCorrupted = rewriteCorrupted;
    this.listener = listener;
    List<BlockChild> list = new ArrayList<>();
    nodes.forEach(node -> list.add(new BlockChild("children." + nextIndex++, node)));
    this.children = List.copyOf(list);
  }

  @Override
  public String driver() {
    return "quorum";
  }

  @Override
  public List<BlockChild> children() {
    return children;
  }

  @Override
  public long length() {
    return children.getFirst().node().length();
  }

  @Override
  public String fileName() {
    return "";
  }

  @Override
  public boolean isActive() {
    return children.getFirst().node().isActive();
  }

  /** One more child; no request is under way. */
  public void add(BlockNode node) {
    List<BlockChild> list = new ArrayList<>(children);
    list.add(new BlockChild("children." + nextIndex++, node));
    children = List.copyOf(list);
  }

  /**
   * One child less; no request is under way.
   *
   * @return the node that is no child any more
   */
  public BlockNode remove(String role) {
    BlockChild child =
        children.stream()
            .filter(each -> each.role().equals(role))
            .findFirst()
            .orElseThrow(
                () ->
                    new ConfigException(
                        "Node '%s' does not have child '%s'".formatted(name(), role)));
    if (children.size() <= threshold) {
      throw new ConfigException(
          "The number of children cannot be lower than the vote threshold " + threshold);
    }
    if (role.equals("children." + (nextIndex - 1))) {
      nextIndex--;
    }
    children = children.stream().filter(each -> !each.equals(child)).toList();
    missed = "";
    return child.node();
  }

  /** What a child has not done since one was removed last; empty where all are alike. */
  public String missed() {
    return missed;
  }

  @Override
  public void replaceChild(BlockNode old, BlockNode with) {
    children =
        children.stream()
            .map(each -> each.node().equals(old) ? new BlockChild(each.role(), with) : each)
            .toList();
  }

  /** What one child is asked to do. */
  private interface Work {
    void run(BlockNode node, int index) throws IOException;
  }

  /** Asks all children at once; the results are errors, or null. */
  private List<IOException> askAll(List<BlockChild> asked, Work work) {
    List<CompletableFuture<IOException>> others = new ArrayList<>();
    for (int i = 1; i < asked.size(); i++) {
      BlockNode node = asked.get(i).node();
      int index = i;
      others.add(CompletableFuture.supplyAsync(() -> attempt(work, node, index), workers));
    }
    List<IOException> errors = new ArrayList<>();
    errors.add(attempt(work, asked.getFirst().node(), 0));
    for (CompletableFuture<IOException> other : others) {
      try {
        errors.add(other.join());
      } catch (CompletionException e) {
        errors.add(new IOException(e.getCause()));
      }
    }
    return errors;
  }

  private static IOException attempt(Work work, BlockNode node, int index) {
    try {
      work.run(node, index);
      return null;
    } catch (IOException e) {
      return e;
    }
  }

  /** Does something on all children and fails if too few have done it. */
  private void onAll(String operation, long offset, long length, Work work) throws IOException {
    List<BlockChild> asked = children;
    List<IOException> errors = askAll(asked, work);
    int good = 0;
    IOException first = null;
    String bad = missed;
    for (int i = 0; i < errors.size(); i++) {
      if (errors.get(i) == null) {
        good++;
      } else {
        first = first == null ? errors.get(i) : first;
        bad =
            "node %s: %s: %s"
                .formatted(asked.get(i).node().name(), operation, errors.get(i).getMessage());
        reportBad(asked.get(i), operation, errors.get(i), offset, length);
      }
    }
    if (good < threshold) {
      listener.quorumFailure(name(), offset >> 9, length + 511 >> 9);
      throw first; // the guest is told
    }
    missed = bad;
  }

  private void reportBad(
      BlockChild child, String operation, IOException error, long offset, long length) {
    listener.quorumBad(
        child.node().name(),
        operation,
        Errno.text(ErrnoException.of(error)),
        offset >> 9,
        length + 511 >> 9);
  }

  @Override
  protected void doRead(long offset, IoVector to) throws IOException {
    if (pattern == ReadPattern.FIFO) {
      readFirst(offset, to);
    } else {
      vote(offset, to);
    }
  }

  private void readFirst(long offset, IoVector to) throws IOException {
    IOException last = null;
    for (BlockChild child : children) {
      try {
        child.node().read(offset, to);
        return;
      } catch (IOException e) {
        last = e;
        reportBad(child, "read", e, offset, to.bytes());
      }
    }
    throw last;
  }

  private void vote(long offset, IoVector to) throws IOException {
    List<BlockChild> asked = children;
    long length = to.bytes();
    try (HostBuffer answers = new HostBuffer(length * asked.size())) {
      List<IOException> errors =
          askAll(
              asked,
              (node, i) -> node.read(offset, IoVector.of(answers.address() + i * length, length)));
      int winner = -1;
      int most = 0;
      for (int i = 0; i < asked.size(); i++) {
        int votes = votes(answers.address(), length, errors, i);
        if (votes > most) {
          winner = i;
          most = votes;
        }
      }
      for (int i = 0; i < asked.size(); i++) {
        judge(asked.get(i), answers.address(), length, errors.get(i), winner, i, offset);
      }
      if (most < threshold) {
        listener.quorumFailure(name(), offset >> 9, length + 511 >> 9);
        throw new ErrnoException(Errno.EIO);
      }
      to.copyFrom(answers.address() + winner * length);
    }
  }

  /** How many children answered as this one did. */
  private static int votes(long answers, long length, List<IOException> errors, int child) {
    int votes = 0;
    for (int i = 0; errors.get(child) == null && i < errors.size(); i++) {
      if (errors.get(i) == null
          && RawMemory.equal(answers + child * length, answers + i * length, length)) {
        votes++;
      }
    }
    return votes;
  }

  private void judge(
      BlockChild child,
      long answers,
      long length,
      IOException error,
      int winner,
      int index,
      long offset)
      throws IOException {
    if (error != null) {
      reportBad(child, "read", error, offset, length);
    } else if (winner >= 0
        && !RawMemory.equal(answers + winner * length, answers + index * length, length)) {
      listener.quorumBad(child.node().name(), "read", "", offset >> 9, length + 511 >> 9);
      if (rewriteCorrupted) {
        child.node().write(offset, IoVector.of(answers + winner * length, length), 0);
      }
    }
  }

  @Override
  protected void doWrite(long offset, IoVector from) throws IOException {
    onAll("write", offset, from.bytes(), (node, _) -> node.write(offset, from, 0));
  }

  @Override
  protected void doWriteZeroes(long offset, long length, boolean mayUnmap) throws IOException {
    int flags = mayUnmap ? MAY_UNMAP : 0;
    onAll("write", offset, length, (node, _) -> node.writeZeroes(offset, length, flags));
  }

  @Override
  protected void doDiscard(long offset, long length) throws IOException {
    onAll("write", offset, length, (node, _) -> node.discard(offset, length));
  }

  @Override
  protected void doFlush() throws IOException {
    onAll("flush", 0, 0, (node, _) -> node.flush());
  }

  /** Zeros where all children say so. */
  @Override
  protected BlockStatus doStatus(long offset, long length) throws IOException {
    long alike = length;
    for (BlockChild child : children) {
      BlockStatus status = child.node().status(offset, alike);
      if (!status.zero()) {
        return BlockStatus.data(status.length(), -1);
      }
      alike = status.length();
    }
    return BlockStatus.zero(alike);
  }

  @Override
  protected void doResize(long length) throws IOException {
    for (BlockChild child : children) {
      child.node().resize(length);
    }
  }

  @Override
  public void close() {
    workers.shutdown();
  }
}
