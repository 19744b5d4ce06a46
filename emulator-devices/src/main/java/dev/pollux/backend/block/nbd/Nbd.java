package dev.pollux.backend.block.nbd;

import dev.pollux.core.host.Errno;

/** Numbers of the NBD protocol, by the names its description gives them. */
final class Nbd {
  static final long INIT_MAGIC = 0x4e42444d41474943L;
  static final long OPTION_MAGIC = 0x49484156454f5054L;
  static final long OPTION_REPLY_MAGIC = 0x0003e889045565a9L;
  static final int REQUEST_MAGIC = 0x25609513;
  static final int SIMPLE_REPLY_MAGIC = 0x67446698;
  static final int CHUNK_MAGIC = 0x668e33ef;

  /** Flags of the server's greeting, and of the client's answer. */
  static final int FIXED_NEWSTYLE = 1;

  static final int NO_ZEROES = 2;
  static final int EXPORT_NAME_ZEROES = 124;

  static final int OPT_EXPORT_NAME = 1;
  static final int OPT_ABORT = 2;
  static final int OPT_LIST = 3;
  static final int OPT_STARTTLS = 5;
  static final int OPT_INFO = 6;
  static final int OPT_GO = 7;
  static final int OPT_STRUCTURED_REPLY = 8;
  static final int OPT_LIST_META_CONTEXT = 9;
  static final int OPT_SET_META_CONTEXT = 10;

  static final int REP_ACK = 1;
  static final int REP_SERVER = 2;
  static final int REP_INFO = 3;
  static final int REP_META_CONTEXT = 4;
  static final int REP_ERROR = 1 << 31;
  static final int REP_ERR_UNSUP = REP_ERROR | 1;
  static final int REP_ERR_POLICY = REP_ERROR | 2;
  static final int REP_ERR_INVALID = REP_ERROR | 3;
  static final int REP_ERR_TLS_REQD = REP_ERROR | 5;
  static final int REP_ERR_UNKNOWN = REP_ERROR | 6;
  static final int REP_ERR_TOO_BIG = REP_ERROR | 9;

  static final int INFO_EXPORT = 0;
  static final int INFO_NAME = 1;
  static final int INFO_DESCRIPTION = 2;
  static final int INFO_BLOCK_SIZE = 3;

  /** Flags of an export. */
  static final int HAS_FLAGS = 1;

  static final int READ_ONLY = 1 << 1;
  static final int SEND_FLUSH = 1 << 2;
  static final int SEND_FUA = 1 << 3;
  static final int SEND_TRIM = 1 << 5;
  static final int SEND_WRITE_ZEROES = 1 << 6;
  static final int SEND_DF = 1 << 7;
  static final int CAN_MULTI_CONN = 1 << 8;

  static final int CMD_READ = 0;
  static final int CMD_WRITE = 1;
  static final int CMD_DISC = 2;
  static final int CMD_FLUSH = 3;
  static final int CMD_TRIM = 4;
  static final int CMD_WRITE_ZEROES = 6;
  static final int CMD_BLOCK_STATUS = 7;

  /** Flags of a request. */
  static final int FLAG_FUA = 1;

  static final int FLAG_NO_HOLE = 1 << 1;
  static final int FLAG_DF = 1 << 2;
  static final int FLAG_REQ_ONE = 1 << 3;

  /** Flag and types of a chunk of a reply. */
  static final int CHUNK_DONE = 1;

  static final int CHUNK_NONE = 0;
  static final int CHUNK_DATA = 1;
  static final int CHUNK_HOLE = 2;
  static final int CHUNK_BLOCK_STATUS = 5;
  static final int CHUNK_ERROR = 1 << 15 | 1;
  static final int CHUNK_ERROR_OFFSET = 1 << 15 | 2;

  static final String BASE_ALLOCATION = "base:allocation";
  static final int STATE_HOLE = 1;
  static final int STATE_ZERO = 2;

  /** The longest name of an export, and the longest text of a message, in bytes. */
  static final int MOST_NAME = 4096;

  /** The most data of one request, in bytes. */
  static final int MOST_DATA = 32 << 20;

  private static final int EOVERFLOW = 75;

  private Nbd() {}

  /** An error number as it goes over the wire: those that the protocol knows. */
  static int toWire(int errno) {
    return switch (errno) {
      case 0, Errno.EPERM, Errno.EIO, Errno.ENOMEM, Errno.EINVAL, Errno.ENOSPC -> errno;
      case Errno.EOPNOTSUPP, Errno.ESHUTDOWN, EOVERFLOW -> errno;
      case Errno.EROFS, Errno.EACCES -> Errno.EPERM;
      case Errno.EFBIG -> Errno.ENOSPC;
      default -> Errno.EIO;
    };
  }

  /** An error number that came over the wire. */
  static int fromWire(int error) {
    return toWire(error) == error ? error : Errno.EINVAL;
  }
}
