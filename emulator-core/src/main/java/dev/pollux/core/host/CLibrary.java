package dev.pollux.core.host;

import java.lang.foreign.Linker;

/** Addresses of functions of the C library, which is a part of the process. */
final class CLibrary {
  /** {@code int memcmp(const void *a, const void *b, size_t count)}. */
  static final long MEMCMP = find("memcmp");

  /** {@code char *strerror(int errno)}. */
  static final long STRERROR = find("strerror");

  private CLibrary() {}

  private static long find(String name) {
    return Linker.nativeLinker().defaultLookup().findOrThrow(name).address();
  }
}
