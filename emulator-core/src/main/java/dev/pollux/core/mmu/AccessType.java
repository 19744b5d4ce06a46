package dev.pollux.core.mmu;

/** What an access does; its values are bits of the software TLB's and page walker's interfaces. */
final class AccessType {
  private AccessType() {}

  static final int READ = 0;
  static final int WRITE = 1;
  static final int EXECUTE = 2;
}
