package dev.pollux.qmp.protocol;

/**
 * The classes of QMP errors that programs may tell apart; all others are {@link #GENERIC_ERROR}.
 */
public enum ErrorClass {
  GENERIC_ERROR("GenericError"),
  COMMAND_NOT_FOUND("CommandNotFound"),
  DEVICE_NOT_ACTIVE("DeviceNotActive"),
  DEVICE_NOT_FOUND("DeviceNotFound"),
  KVM_MISSING_CAP("KVMMissingCap");

  private final String qmpName;

  ErrorClass(String qmpName) {
    this.qmpName = qmpName;
  }

  public String qmpName() {
    return qmpName;
  }
}
