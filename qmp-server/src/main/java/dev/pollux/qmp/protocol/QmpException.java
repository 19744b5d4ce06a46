package dev.pollux.qmp.protocol;

/**
 * A command failed; the message is what the client reads. An ordinary result, without a stack
 * trace.
 */
public final class QmpException extends Exception {
  private static final long serialVersionUID = 1;

  private final ErrorClass errorClass;

  public QmpException(String message) {
    this(ErrorClass.GENERIC_ERROR, message);
  }

  public QmpException(ErrorClass errorClass, String message) {
    super(message, null, false, false);
    this.errorClass = errorClass;
  }

  public ErrorClass errorClass() {
    return errorClass;
  }
}
