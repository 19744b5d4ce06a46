package dev.pollux.devices.storage.nvme;

/** How commands end (4.6.1): code type and code, and whether it helps to try again. */
final class NvmeStatus {
  static final int SUCCESS = 0;

  /** The same command would fail again. */
  private static final int DO_NOT_RETRY = 0x4000;

  // Generic.
  static final int INVALID_OPCODE = 0x01 | DO_NOT_RETRY;
  static final int INVALID_FIELD = 0x02 | DO_NOT_RETRY;
  static final int DATA_TRANSFER = 0x04;
  static final int INTERNAL = 0x06;
  static final int QUEUE_DELETED = 0x08;
  static final int INVALID_NAMESPACE = 0x0b | DO_NOT_RETRY;
  static final int INVALID_PRP_OFFSET = 0x13 | DO_NOT_RETRY;
  static final int WRITE_PROTECTED = 0x20 | DO_NOT_RETRY;
  static final int LBA_OUT_OF_RANGE = 0x80 | DO_NOT_RETRY;

  // Of certain commands.
  static final int INVALID_COMPLETION_QUEUE = 0x100 | DO_NOT_RETRY;
  static final int INVALID_QUEUE = 0x101 | DO_NOT_RETRY;
  static final int INVALID_QUEUE_SIZE = 0x102 | DO_NOT_RETRY;
  static final int TOO_MANY_EVENT_REQUESTS = 0x105 | DO_NOT_RETRY;
  static final int INVALID_VECTOR = 0x108 | DO_NOT_RETRY;
  static final int INVALID_LOG = 0x109 | DO_NOT_RETRY;
  static final int QUEUE_IN_USE = 0x10c | DO_NOT_RETRY;
  static final int NOT_SAVEABLE = 0x10d | DO_NOT_RETRY;
  static final int NOT_CHANGEABLE = 0x10e | DO_NOT_RETRY;

  // Of the medium.
  static final int WRITE_FAULT = 0x280;
  static final int UNRECOVERED_READ = 0x281;

  private NvmeStatus() {}
}
