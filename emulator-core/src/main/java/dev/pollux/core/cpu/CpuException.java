package dev.pollux.core.cpu;

/**
 * A guest exception on its way to delivery. Instances are shared per vCPU and carry no stack trace:
 * a guest fault is an ordinary result.
 */
public final class CpuException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public static final int DE = 0;
  public static final int DB = 1;
  public static final int NMI = 2;
  public static final int BP = 3;
  public static final int OF = 4;
  public static final int BR = 5;
  public static final int UD = 6;
  public static final int NM = 7;
  public static final int DF = 8;
  public static final int TS = 10;
  public static final int NP = 11;
  public static final int SS = 12;
  public static final int GP = 13;
  public static final int PF = 14;
  public static final int MF = 16;
  public static final int AC = 17;
  public static final int MC = 18;
  public static final int XM = 19;

  private int vector;
  private int errorCode;

  CpuException() {
    super(null, null, false, false);
  }

  public int vector() {
    return vector;
  }

  public int errorCode() {
    return errorCode;
  }

  /** Intel SDM vol. 3, table 7-1. */
  public static boolean hasErrorCode(int vector) {
    return switch (vector) {
      case DF, TS, NP, SS, GP, PF, AC -> true;
      default -> false;
    };
  }

  CpuException with(int vector, int errorCode) {
    this.vector = vector;
    this.errorCode = errorCode;
    return this;
  }

  @Override
  public String getMessage() {
    return "vector " + vector + " error " + Integer.toHexString(errorCode);
  }
}
