package dev.pollux.migration.stream;

/** What the source tells the destination between sections. */
public enum StreamCommand {
  OPEN_RETURN_PATH(1, 0),
  PING(2, 4),
  POSTCOPY_ADVISE(3, -1),
  POSTCOPY_LISTEN(4, 0),
  POSTCOPY_RUN(5, 0),
  POSTCOPY_RAM_DISCARD(6, -1),
  PACKAGED(7, 4),
  ENABLE_COLO(8, 0),
  POSTCOPY_RESUME(9, 0),
  RECV_BITMAP(10, -1),
  SWITCHOVER_START(11, 0);

  private final int code;
  private final int length;

  StreamCommand(int code, int length) {
    this.code = code;
    this.length = length;
  }

  public int code() {
    return code;
  }

  /** Bytes of data, -1 where that varies. */
  public int length() {
    return length;
  }

  /**
   * The command of a number.
   *
   * @throws StreamException if there is none
   */
  public static StreamCommand of(int code) throws StreamException {
    for (StreamCommand command : values()) {
      if (command.code == code) {
        return command;
      }
    }
    throw new StreamException("unknown command " + code);
  }
}
