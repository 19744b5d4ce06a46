package dev.pollux.migration.colo;

import dev.pollux.migration.stream.StreamException;

/**
 * What the two sides tell each other, 32 bits each. The first seven are QEMU's; the others are our
 * own, with numbers far from those.
 */
enum ColoMessage {
  /** The secondary runs and awaits checkpoints. */
  CHECKPOINT_READY(0),
  /** The primary is going to make one. */
  CHECKPOINT_REQUEST(1),
  CHECKPOINT_REPLY(2),
  /** The section with memory follows. */
  VMSTATE_SEND(3),
  /** Eight bytes with a length and that many bytes of device states follow. */
  VMSTATE_SIZE(4),
  /** The secondary has everything and will run it. */
  VMSTATE_RECEIVED(5),
  /** The secondary runs it. */
  VMSTATE_LOADED(6),
  /** The sender lives. At any time, in both directions. */
  HEARTBEAT(0x100),
  /** Memory records follow, up to the mark of their end, from a guest that runs. */
  PAGES(0x101),
  /** Eight bytes follow, the {@link PageDigest} of all that was sent since the last checkpoint. */
  DIGEST(0x102),
  /**
   * The sender's emulator ends: a length of one byte and the name of a {@code ShutdownCause}
   * follow, and nothing after them. At any time, in both directions.
   */
  ENDED(0x103);

  private final int code;

  ColoMessage(int code) {
    this.code = code;
  }

  int code() {
    return code;
  }

  /**
   * @throws StreamException if there is no such message
   */
  static ColoMessage of(int code) throws StreamException {
    for (ColoMessage message : values()) {
      if (message.code == code) {
        return message;
      }
    }
    throw new StreamException("unknown COLO message %s".formatted(Integer.toUnsignedString(code)));
  }
}
