package dev.pollux.devices.virtio.fs;

/** What a guest asks for (linux/fuse.h, enum fuse_opcode). */
enum FuseOp {
  UNKNOWN(0, false),
  LOOKUP(1, false),
  FORGET(2, false),
  GETATTR(3, false),
  SETATTR(4, true),
  READLINK(5, false),
  SYMLINK(6, true),
  MKNOD(8, true),
  MKDIR(9, true),
  UNLINK(10, true),
  RMDIR(11, true),
  RENAME(12, true),
  LINK(13, true),
  OPEN(14, false),
  READ(15, false),
  WRITE(16, true),
  STATFS(17, false),
  RELEASE(18, false),
  FSYNC(20, false),
  FLUSH(25, false),
  INIT(26, false),
  OPENDIR(27, false),
  READDIR(28, false),
  RELEASEDIR(29, false),
  FSYNCDIR(30, false),
  CREATE(35, true),
  INTERRUPT(36, false),
  DESTROY(38, false),
  BATCH_FORGET(42, false),
  RENAME2(45, true);

  private static final FuseOp[] BY_CODE = new FuseOp[64];

  static {
    for (FuseOp op : values()) {
      BY_CODE[op.code] = op;
    }
  }

  private final int code;
  private final boolean changes;

  FuseOp(int code, boolean changes) {
    this.code = code;
    this.changes = changes;
  }

  /** By its number; {@link #UNKNOWN} where it is not served. */
  static FuseOp of(int code) {
    FuseOp op = code >= 0 && code < BY_CODE.length ? BY_CODE[code] : null;
    return op == null ? UNKNOWN : op;
  }

  /** Whether it changes the folder. */
  boolean changes() {
    return changes;
  }
}
