package dev.pollux.core.host;

/**
 * The way from Java to the host's system calls and to generated code that costs least at the start:
 * a library with three functions of a few instructions, which {@link HostLibraryFile} writes when
 * Pollux is built. The JVM is ready to call them within a millisecond; to link functions by their
 * descriptors, as is done where the library is missing, takes it tens of them.
 */
final class HostLibrary {
  /** The system property that names the file. */
  private static final String FILE = "pollux.library";

  private static final boolean LOADED = load(System.getProperty(FILE));

  private HostLibrary() {}

  /** Whether the functions can be called. */
  static boolean isLoaded() {
    return LOADED;
  }

  private static boolean load(String file) {
    if (file == null || !HostCpu.isX86()) {
      return false;
    }
    try {
      System.load(file);
      return true;
    } catch (UnsatisfiedLinkError e) {
      // Not there, or where the host executes nothing: the other way is only slower.
      return false;
    }
  }

  /**
   * A system call, by its number on x86-64.
   *
   * @return the result, or the negative error number
   */
  static native long systemCall(long number, long a, long b, long c, long d, long e, long f);

  /** Whether all bytes are zero. */
  static native boolean isZero(long address, long length);

  /** Calls the function at an address: arguments and result in the System V ABI's registers. */
  static native long call(long function, long a, long b, long c, long d);
}
