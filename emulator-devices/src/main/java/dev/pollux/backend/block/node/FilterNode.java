package dev.pollux.backend.block.node;

import dev.pollux.backend.block.BlockChild;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import java.io.IOException;
import java.util.List;

/** A node that passes everything to the one below, after {@link #before} has looked at it. */
abstract class FilterNode extends BlockNode {
  private final String role;
  private volatile BlockNode below;

  FilterNode(NodeOptions options, String role, BlockNode below) {
    super(options);
    this.role = role;
    this.below = below;
  }

  /** Kinds of requests that a filter tells apart. */
  enum Request {
    READ,
    WRITE,
    WRITE_ZEROES,
    DISCARD,
    FLUSH
  }

  /** Waits, or refuses. */
  abstract void before(Request request, long offset, long length) throws IOException;

  @Override
  public long length() {
    return below.length();
  }

  @Override
  protected boolean grows() {
    return true; // the node below looks at bounds
  }

  @Override
  public boolean readOnly() {
    return super.readOnly() || below.readOnly();
  }

  @Override
  public String fileName() {
    return below.fileName();
  }

  @Override
  public boolean isActive() {
    return below.isActive();
  }

  @Override
  public List<BlockChild> children() {
    return List.of(new BlockChild(role, below));
  }

  @Override
  public void replaceChild(BlockNode old, BlockNode with) {
    below = with;
  }

  @Override
  protected void doRead(long offset, IoVector to) throws IOException {
    before(Request.READ, offset, to.bytes());
    below.read(offset, to);
  }

  @Override
  protected void doWrite(long offset, IoVector from) throws IOException {
    before(Request.WRITE, offset, from.bytes());
    below.write(offset, from, 0);
  }

  @Override
  protected void doWriteZeroes(long offset, long length, boolean mayUnmap) throws IOException {
    before(Request.WRITE_ZEROES, offset, length);
    below.writeZeroes(offset, length, mayUnmap ? MAY_UNMAP : 0);
  }

  @Override
  protected void doDiscard(long offset, long length) throws IOException {
    before(Request.DISCARD, offset, length);
    below.discard(offset, length);
  }

  @Override
  protected void doFlush() throws IOException {
    before(Request.FLUSH, 0, 0);
    below.flush();
  }

  @Override
  protected BlockStatus doStatus(long offset, long length) throws IOException {
    return below.status(offset, length);
  }

  @Override
  protected BlockStatus doChainStatus(long offset, long length) throws IOException {
    return below.chainStatus(offset, length);
  }

  @Override
  protected void doResize(long length) throws IOException {
    below.resize(length);
  }
}
