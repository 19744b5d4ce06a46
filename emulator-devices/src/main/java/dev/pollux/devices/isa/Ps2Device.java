package dev.pollux.devices.isa;

import java.util.Arrays;

/**
 * What a PS/2 keyboard and a PS/2 mouse have in common: a queue of bytes to the controller and
 * commands with parameters. Machine lock held.
 */
abstract class Ps2Device {
  static final int ACK = 0xfa;
  static final int RESEND = 0xfe;
  static final int SELF_TEST_PASSED = 0xaa;

  /** Replies always fit; input that does not is lost, as on a real keyboard. */
  static final int QUEUE_SIZE = 256;

  private static final int INPUT_LIMIT = 16;

  private final Runnable onData;

  /** Bytes that wait for the controller, oldest first. */
  byte[] queue = new byte[0];

  /** The command that waits for its parameter, 0 for none. */
  int command;

  boolean enabled;

  Ps2Device(Runnable onData) {
    this.onData = onData;
  }

  /** Takes a byte from the host. */
  abstract void receive(int value);

  /** Power-on state, nothing queued. */
  abstract void reset();

  boolean hasData() {
    return queue.length > 0;
  }

  /** Removes and returns the oldest byte; there is one. */
  int take() {
    int value = queue[0] & 0xff;
    queue = Arrays.copyOfRange(queue, 1, queue.length);
    return value;
  }

  void clearQueue() {
    queue = new byte[0];
  }

  /** Queues a reply. */
  void reply(int... bytes) {
    append(QUEUE_SIZE, bytes);
  }

  /**
   * Queues what the user did; false, and nothing is queued, where there is no room for all of it.
   */
  boolean input(int... bytes) {
    return append(INPUT_LIMIT, bytes);
  }

  private boolean append(int limit, int... bytes) {
    int length = queue.length;
    if (length + bytes.length > limit) {
      return false;
    }
    queue = Arrays.copyOf(queue, length + bytes.length);
    for (int i = 0; i < bytes.length; i++) {
      queue[length + i] = (byte) bytes[i];
    }
    onData.run();
    return true;
  }
}
