package dev.pollux.core.mmu;

/** What an access does; its values are bits of the software TLB's and page walker's interfaces. */
public final class AccessType {
  private AccessType() {}

  public static final int READ = 0;
  public static final int WRITE = 1;
  public static final int EXECUTE = 2;
}
