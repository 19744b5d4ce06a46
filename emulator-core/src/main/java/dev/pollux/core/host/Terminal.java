package dev.pollux.core.host;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * The terminal behind a file descriptor, switched to pass every key on and restored afterwards:
 * also when the process is ended by a signal or by {@code System.exit} (a shutdown hook sees to
 * it).
 *
 * <p>Layout and values of {@code struct termios} are Linux's (asm-generic/termbits.h).
 */
public final class Terminal implements AutoCloseable {
  private static final int TCGETS = 0x5401;
  private static final int TCSETS = 0x5402;
  private static final int TERMIOS_SIZE = 36;

  private static final int C_IFLAG = 0;
  private static final int C_OFLAG = 4;
  private static final int C_CFLAG = 8;
  private static final int C_LFLAG = 12;
  private static final int C_CC = 17;
  private static final int VTIME = 5;
  private static final int VMIN = 6;

  private static final int IGNBRK = 0x1;
  private static final int BRKINT = 0x2;
  private static final int PARMRK = 0x8;
  private static final int ISTRIP = 0x20;
  private static final int INLCR = 0x40;
  private static final int IGNCR = 0x80;
  private static final int ICRNL = 0x100;
  private static final int IXON = 0x400;
  private static final int OPOST = 0x1;
  private static final int CS8 = 0x30;
  private static final int PARENB = 0x100;
  private static final int ISIG = 0x1;
  private static final int ICANON = 0x2;
  private static final int ECHO = 0x8;
  private static final int ECHONL = 0x40;
  private static final int IEXTEN = 0x8000;

  private final int fd;
  private final byte[] before;
  private final Thread hook = new Thread(this::restore, "restore terminal");
  private boolean raw;

  private Terminal(int fd, byte[] before) {
    this.fd = fd;
    this.before = before;
  }

  /** The terminal that {@code fd} is open on; empty where it is something else. */
  public static Optional<Terminal> on(int fd) {
    byte[] attributes = new byte[TERMIOS_SIZE];
    return ioctl(fd, TCGETS, attributes)
        ? Optional.of(new Terminal(fd, attributes))
        : Optional.empty();
  }

  private static boolean ioctl(int fd, int request, byte[] attributes) {
    long termios = RawMemory.allocate(TERMIOS_SIZE);
    try {
      RawMemory.copyIn(attributes, 0, termios, TERMIOS_SIZE);
      boolean done = FileCalls.IOCTL.call(fd, request, termios, 0) >= 0;
      RawMemory.copyOut(termios, attributes, 0, TERMIOS_SIZE);
      return done;
    } finally {
      RawMemory.free(termios);
    }
  }

  /**
   * Passes every byte typed on at once and without echo; output keeps its line-end translation.
   *
   * @param signals Ctrl-C and its like still raise signals in this process
   */
  public synchronized void makeRaw(boolean signals) {
    byte[] attributes = before.clone();
    rawAttributes(attributes, signals);
    if (!raw) {
      raw = true;
      Runtime.getRuntime().addShutdownHook(hook);
    }
    set(attributes);
  }

  /** Makes a terminal raw that nobody restores: a pseudo-terminal of our own. */
  void makeRawForGood() {
    byte[] attributes = before.clone();
    rawAttributes(attributes, false);
    ByteBuffer t = ByteBuffer.wrap(attributes).order(ByteOrder.nativeOrder());
    t.putInt(C_OFLAG, t.getInt(C_OFLAG) & ~OPOST);
    set(attributes);
  }

  private static void rawAttributes(byte[] attributes, boolean signals) {
    ByteBuffer t = ByteBuffer.wrap(attributes).order(ByteOrder.nativeOrder());
    int input = IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON;
    t.putInt(C_IFLAG, t.getInt(C_IFLAG) & ~input);
    t.putInt(C_OFLAG, t.getInt(C_OFLAG) | OPOST);
    t.putInt(C_CFLAG, t.getInt(C_CFLAG) & ~PARENB | CS8);
    int local = ECHO | ECHONL | ICANON | IEXTEN | (signals ? 0 : ISIG);
    t.putInt(C_LFLAG, t.getInt(C_LFLAG) & ~local);
    t.put(C_CC + VMIN, (byte) 1);
    t.put(C_CC + VTIME, (byte) 0);
  }

  /** Puts the terminal back into the mode in which it was found. */
  public synchronized void restore() {
    if (raw) {
      raw = false;
      set(before);
    }
  }

  private void set(byte[] attributes) {
    // Where the terminal is gone (hung up) nothing is left to set.
    ioctl(fd, TCSETS, attributes);
  }

  @Override
  public void close() {
    restore();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending; the hook runs or has run.
    }
  }
}
