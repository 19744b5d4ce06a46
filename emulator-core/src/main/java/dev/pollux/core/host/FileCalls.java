package dev.pollux.core.host;

/** The system calls on files and their contents. */
final class FileCalls {
  /** {@code int open(const char *path, int flags, mode_t mode)}. */
  static final SystemCall OPEN = SystemCall.ofInt("open", 2);

  /** {@code int close(int fd)}: another thread may have got the number since. */
  static final SystemCall CLOSE = SystemCall.once("close", 3);

  /** {@code ssize_t pread(int fd, void *buffer, size_t count, off_t offset)}. */
  static final SystemCall PREAD = SystemCall.ofLong("pread", 17);

  /** {@code ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset)}. */
  static final SystemCall PWRITE = SystemCall.ofLong("pwrite", 18);

  /** {@code ssize_t preadv(int fd, const struct iovec *v, int count, off_t offset)}. */
  static final SystemCall PREADV = SystemCall.ofLong("preadv", 295);

  /** {@code ssize_t pwritev(int fd, const struct iovec *v, int count, off_t offset)}. */
  static final SystemCall PWRITEV = SystemCall.ofLong("pwritev", 296);

  /** {@code int fdatasync(int fd)}. */
  static final SystemCall FDATASYNC = SystemCall.ofInt("fdatasync", 75);

  /** {@code int fstat(int fd, struct stat *what)}. */
  static final SystemCall FSTAT = SystemCall.ofInt("fstat", 5);

  /** {@code int ftruncate(int fd, off_t length)}. */
  static final SystemCall FTRUNCATE = SystemCall.ofInt("ftruncate", 77);

  /** {@code int fallocate(int fd, int mode, off_t offset, off_t length)}. */
  static final SystemCall FALLOCATE = SystemCall.ofInt("fallocate", 285);

  /** {@code off_t lseek(int fd, off_t offset, int whence)}. */
  static final SystemCall LSEEK = SystemCall.ofLong("lseek", 8);

  /** {@code ssize_t read(int fd, void *buffer, size_t count)}. */
  static final SystemCall READ = SystemCall.ofLong("read", 0);

  /** {@code ssize_t write(int fd, const void *buffer, size_t count)}. */
  static final SystemCall WRITE = SystemCall.ofLong("write", 1);

  /** {@code int poll(struct pollfd *fds, nfds_t count, int milliseconds)}. */
  static final SystemCall POLL = SystemCall.ofInt("poll", 7);

  /** {@code int ioctl(int fd, unsigned long request, void *argument)}. */
  static final SystemCall IOCTL = SystemCall.ofInt("ioctl", 16);

  /** {@code int fcntl(int fd, int command, void *argument)}. */
  static final SystemCall FCNTL = SystemCall.ofInt("fcntl", 72);

  /** {@code int openat(int folder, const char *path, int flags, mode_t mode)}. */
  static final SystemCall OPENAT = SystemCall.ofInt("openat", 257);

  /** {@code int mkdirat(int folder, const char *path, mode_t mode)}. */
  static final SystemCall MKDIRAT = SystemCall.ofInt("mkdirat", 258);

  /** {@code int symlinkat(const char *target, int folder, const char *path)}. */
  static final SystemCall SYMLINKAT = SystemCall.ofInt("symlinkat", 266);

  /** {@code ssize_t readlinkat(int folder, const char *path, char *buffer, size_t size)}. */
  static final SystemCall READLINKAT = SystemCall.ofLong("readlinkat", 267);

  /** {@code int link(const char *path, const char *newPath)}. */
  static final SystemCall LINK = SystemCall.ofInt("link", 86);

  /** {@code int renameat(int folder, const char *path, int newFolder, const char *newPath)}. */
  static final SystemCall RENAMEAT = SystemCall.ofInt("renameat", 264);

  /** {@code int unlinkat(int folder, const char *path, int flags)}. */
  static final SystemCall UNLINKAT = SystemCall.ofInt("unlinkat", 263);

  /** {@code ssize_t getdents64(int folder, void *buffer, size_t size)}. */
  static final SystemCall GETDENTS64 = SystemCall.ofLong("getdents64", 217);

  /** {@code int getrusage(int who, struct rusage *usage)}. */
  static final SystemCall GETRUSAGE = SystemCall.ofInt("getrusage", 98);

  private FileCalls() {}
}
