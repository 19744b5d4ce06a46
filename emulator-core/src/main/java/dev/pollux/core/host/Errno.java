package dev.pollux.core.host;

/** Error numbers of Linux that somebody here tells apart; a guest or a client may see them. */
public final class Errno {
  public static final int EPERM = 1;
  public static final int ENOENT = 2;
  public static final int EINTR = 4;
  public static final int EIO = 5;
  public static final int ENXIO = 6;
  public static final int EAGAIN = 11;
  public static final int ENOMEM = 12;
  public static final int EACCES = 13;
  public static final int EBUSY = 16;
  public static final int EEXIST = 17;
  public static final int ENODEV = 19;
  public static final int EINVAL = 22;
  public static final int EFBIG = 27;
  public static final int ENOSPC = 28;
  public static final int EROFS = 30;
  public static final int ENOSYS = 38;
  public static final int EOPNOTSUPP = 95;
  public static final int ETIMEDOUT = 110;
  public static final int ESHUTDOWN = 108;
  public static final int ECANCELED = 125;

  private static final int MOST_TEXT = 256;

  private Errno() {}

  /** The C library's words for an error number. */
  public static String text(int errno) {
    long text = NativeCall.call(CLibrary.STRERROR, errno, 0, 0);
    return RawMemory.segment(text, MOST_TEXT).getString(0);
  }
}
