package dev.pollux.backend.block.node;

import dev.pollux.backend.block.BlockChild;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.IoVector;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.List;

/** A disk that is its file byte for byte, or a part of it ({@code raw}). */
public final class RawNode extends BlockNode {
  private volatile BlockNode file;
  private final long start;

  /** Bytes, or -1 for all that the file has. */
  private volatile long size;

  private RawNode(NodeOptions options, BlockNode file, long start, long size) {
    super(options);
    this.file = file;
    this.start = start;
    this.size = size;
  }

  /**
   * @param start first byte of the file that counts
   * @param size bytes that count; -1 for all
   */
  public static RawNode over(NodeOptions options, BlockNode file, long start, long size) {
    long there = file.length();
    if (start > there) {
      throw new ConfigException(
          "Offset (%d) cannot be greater than size of the containing file (%d)"
              .formatted(start, there));
    }
    if (size >= 0 && size > there - start) {
      throw new ConfigException(
          "The sum of offset (%d) and size (%d) has to be smaller or equal to the actual size of"
                  .formatted(start, size)
              + " the containing file ("
              + there
              + ")");
    }
    if (size >= 0 && (size & 511) != 0) {
      throw new ConfigException("Specified size is not multiple of 512");
    }
    return new RawNode(options, file, start, size);
  }

  @Override
  public String driver() {
    return "raw";
  }

  @Override
  public boolean readOnly() {
    return super.readOnly() || file.readOnly();
  }

  @Override
  public long length() {
    return size >= 0 ? size : file.length() - start;
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

  @Override
  protected void doRead(long offset, IoVector to) throws IOException {
    file.read(start + offset, to);
  }

  @Override
  protected void doWrite(long offset, IoVector from) throws IOException {
    file.write(start + offset, from, 0);
  }

  @Override
  protected void doWriteZeroes(long offset, long length, boolean mayUnmap) throws IOException {
    file.writeZeroes(start + offset, length, mayUnmap ? MAY_UNMAP : 0);
  }

  @Override
  protected void doDiscard(long offset, long length) throws IOException {
    file.discard(start + offset, length);
  }

  @Override
  protected void doFlush() throws IOException {
    file.flush();
  }

  @Override
  protected BlockStatus doStatus(long offset, long length) throws IOException {
    return file.status(start + offset, length);
  }

  @Override
  protected BlockStatus doChainStatus(long offset, long length) throws IOException {
    return file.chainStatus(start + offset, length);
  }

  @Override
  protected void doResize(long length) throws IOException {
    if (size >= 0 || start > 0) {
      throw new ErrnoException(
          Errno.EOPNOTSUPP, "Cannot resize a raw disk that is a part of its file");
    }
    file.resize(length);
  }
}
