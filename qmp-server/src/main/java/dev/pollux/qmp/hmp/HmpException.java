package dev.pollux.qmp.hmp;

/** A command that cannot be carried out; the message is for its user. */
final class HmpException extends RuntimeException {
  private static final long serialVersionUID = 1;

  HmpException(String message) {
    super(message, null, false, false);
  }
}
