package dev.pollux.devices.virtio.fs;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;

/**
 * The body of an answer: structures of linux/fuse.h, one after the other. What does not fit into
 * the guest's room is cut off.
 */
final class FuseReply {
  /** Seconds for which the guest may rely on what it knows. */
  private static final long VALID = 1;

  /** Of everything but data. */
  private static final int SMALL = 512;

  private final int room;
  private ByteBuffer out = ByteBuffer.allocate(SMALL).order(ByteOrder.LITTLE_ENDIAN);

  FuseReply(int room) {
    this.room = room;
  }

  /** Bytes for which there is room. */
  int left() {
    return Math.max(0, room - out.position());
  }

  byte[] bytes() {
    return Arrays.copyOf(out.array(), Math.min(out.position(), room));
  }

  private ByteBuffer need(int bytes) {
    if (out.remaining() < bytes) {
      ByteBuffer larger =
          ByteBuffer.allocate(2 * (out.position() + bytes)).order(ByteOrder.LITTLE_ENDIAN);
      out = larger.put(out.flip());
    }
    return out;
  }

  FuseReply put16(int value) {
    need(2).putShort((short) value);
    return this;
  }

  FuseReply put32(int value) {
    need(4).putInt(value);
    return this;
  }

  FuseReply put64(long value) {
    need(8).putLong(value);
    return this;
  }

  FuseReply put(ByteBuffer bytes) {
    need(bytes.remaining()).put(bytes);
    return this;
  }

  FuseReply zeros(int count) {
    return put(ByteBuffer.allocate(count));
  }

  /** struct fuse_entry_out. */
  void entry(FolderNodes.Found found) {
    put64(found.node().id()).put64(0).put64(VALID).put64(VALID).put32(0).put32(0);
    file(found.attributes());
  }

  /** struct fuse_attr_out. */
  void attributes(Map<String, Object> attributes) {
    put64(VALID).put32(0).put32(0);
    file(attributes);
  }

  /** struct fuse_open_out. */
  void opened(long handle) {
    put64(handle).put32(0).put32(0);
  }

  /** struct fuse_attr, of the attributes that {@code unix:*} names. */
  private void file(Map<String, Object> attributes) {
    long size = (Long) attributes.get("size");
    Instant accessed = time(attributes, "lastAccessTime");
    Instant modified = time(attributes, "lastModifiedTime");
    Instant changed = time(attributes, "ctime");
    put64((Long) attributes.get("ino")).put64(size).put64(size + 511 >> 9);
    put64(accessed.getEpochSecond()).put64(modified.getEpochSecond());
    put64(changed.getEpochSecond());
    put32(accessed.getNano()).put32(modified.getNano()).put32(changed.getNano());
    put32((Integer) attributes.get("mode")).put32((Integer) attributes.get("nlink"));
    put32((Integer) attributes.get("uid")).put32((Integer) attributes.get("gid"));
    put32(((Long) attributes.get("rdev")).intValue()).put32(4096).put32(0);
  }

  private static Instant time(Map<String, Object> attributes, String name) {
    return ((FileTime) attributes.get(name)).toInstant();
  }
}
