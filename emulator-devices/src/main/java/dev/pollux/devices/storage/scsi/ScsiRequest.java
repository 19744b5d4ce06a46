package dev.pollux.devices.storage.scsi;

import dev.pollux.backend.block.IoVector;

/**
 * A command on its way, with the guest's buffers, as a controller hands it to a {@link ScsiDisk}.
 * Ended exactly once by {@link #finish} or {@link #keep}, with the lock of the controller's I/O
 * thread held.
 */
public abstract class ScsiRequest {
  /** Status codes (SAM-5, 5.3). */
  public static final int GOOD = 0;

  public static final int CHECK_CONDITION = 2;

  private final byte[] cdb;

  /**
   * @param cdb the command, at least 16 bytes
   */
  protected ScsiRequest(byte[] cdb) {
    this.cdb = cdb;
  }

  /** The command. */
  public final byte[] cdb() {
    return cdb;
  }

  /** Bytes that the guest has room for. */
  public abstract long inBytes();

  /** Bytes that the guest sends. */
  public abstract long outBytes();

  /** Room for the first bytes of an answer, in place. */
  public abstract IoVector in(long length);

  /** The first bytes of that room were, or are about to be, written in place. */
  public abstract void touchIn(long length);

  /** Writes an answer. */
  public abstract void answer(byte[] bytes, int length);

  /** The first bytes that the guest sends, in place. */
  public abstract IoVector out(long length);

  /** Copies the first bytes that the guest sends. */
  public abstract byte[] parameters(int length);

  /** Runs something with the lock of the I/O thread held, now or soon. */
  public abstract void locked(Runnable action);

  /**
   * The command is done.
   *
   * @param sense with {@link #CHECK_CONDITION}
   * @param transferred bytes either way
   */
  public abstract void finish(int status, ScsiSense sense, long transferred);

  /** The guest's buffers are too small for what it asks. */
  public abstract void overrun();

  /** The machine is about to stop: the command is begun anew when it goes on. */
  public abstract void keep();

  final void succeed(long transferred) {
    finish(GOOD, ScsiSense.NONE, transferred);
  }

  final void fail(ScsiSense sense) {
    finish(CHECK_CONDITION, sense, 0);
  }

  /** Answers with as much as the guest asked for and has room for. */
  final void reply(byte[] bytes, long asked) {
    int length = (int) Math.min(bytes.length, Math.min(asked, inBytes()));
    answer(bytes, length);
    succeed(length);
  }
}
