package dev.pollux.core.host;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Files by their names in a folder that is held open. A name is bytes to the host; here each char
 * is one of them, so that every name can be told, whatever the JVM takes the host's character set
 * for. Errors are {@link ErrnoException}s.
 */
public final class HostFolder {
  /** Turns bytes of names into strings and back. */
  public static final Charset NAMES = StandardCharsets.ISO_8859_1;

  private static final int AT_REMOVEDIR = 0x200;
  private static final int MOST_LINK = 4096;
  private static final int LISTING_BYTES = 32 << 10;

  /** Of struct linux_dirent64. */
  private static final int RECORD_LENGTH = 16;

  private static final int RECORD_NAME = 19;

  private HostFolder() {}

  private static long text(Arena arena, String name) {
    return arena.allocateFrom(name, NAMES).address();
  }

  private static int check(int result) throws ErrnoException {
    if (result < 0) {
      throw new ErrnoException(-result);
    }
    return result;
  }

  /**
   * Opens or makes a file.
   *
   * @param flags of open(2)
   * @param mode permissions of a file that is made, less the process's mask
   */
  public static HostFile open(HostFile folder, String name, int flags, int mode)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      return HostFile.openAt(folder.descriptor(), text(arena, name), flags, mode);
    }
  }

  public static void makeFolder(HostFile folder, String name) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      int _ = check((int) FileCalls.MKDIRAT.call(folder.descriptor(), text(arena, name), 0777, 0));
    }
  }

  /** Makes a symbolic link. */
  public static void makeLink(String target, HostFile folder, String name) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      int _ =
          check(
              (int)
                  FileCalls.SYMLINKAT.call(
                      text(arena, target), folder.descriptor(), text(arena, name), 0));
    }
  }

  /** What a symbolic link says; what is beyond 4 KiB is cut off. */
  public static String readLink(HostFile folder, String name) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment target = arena.allocate(MOST_LINK);
      long length =
          FileCalls.READLINKAT.call(
              folder.descriptor(), text(arena, name), target.address(), MOST_LINK);
      int bytes = check((int) length);
      return new String(target.asSlice(0, bytes).toArray(ValueLayout.JAVA_BYTE), NAMES);
    }
  }

  /** Gives a file another name, too; a symbolic link is not followed. */
  public static void link(HostFile from, String name, HostFile to, String newName)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      int _ =
          check(
              (int)
                  FileCalls.LINK.call(
                      text(arena, from.path() + "/" + name),
                      text(arena, to.path() + "/" + newName),
                      0,
                      0));
    }
  }

  /** Gives a file another place; what is there is replaced. */
  public static void rename(HostFile from, String name, HostFile to, String newName)
      throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      int _ =
          check(
              (int)
                  FileCalls.RENAMEAT.call(
                      from.descriptor(), text(arena, name), to.descriptor(), text(arena, newName)));
    }
  }

  /**
   * Removes a name.
   *
   * @param isFolder whether that of a folder is meant, or that of something else
   */
  public static void remove(HostFile folder, String name, boolean isFolder) throws ErrnoException {
    try (Arena arena = Arena.ofConfined()) {
      int _ =
          check(
              (int)
                  FileCalls.UNLINKAT.call(
                      folder.descriptor(), text(arena, name), isFolder ? AT_REMOVEDIR : 0, 0));
    }
  }

  /**
   * The names in a folder, without {@code .} and {@code ..}, in the order of the host.
   *
   * @param folder opened for reading; read from where it stands
   * @param most names beyond which no more are read
   */
  public static List<String> list(HostFile folder, int most) throws ErrnoException {
    List<String> names = new ArrayList<>();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(LISTING_BYTES, 8);
      while (names.size() <= most) {
        int bytes =
            check(
                (int)
                    FileCalls.GETDENTS64.call(
                        folder.descriptor(), buffer.address(), LISTING_BYTES, 0));
        if (bytes == 0) {
          break;
        }
        for (int at = 0; at < bytes; ) {
          int length = buffer.get(ValueLayout.JAVA_SHORT, at + RECORD_LENGTH) & 0xffff;
          names.add(name(buffer.asSlice(at + RECORD_NAME, length - RECORD_NAME)));
          at += length;
        }
      }
    }
    names.removeAll(List.of(".", ".."));
    return names;
  }

  private static String name(MemorySegment padded) {
    byte[] bytes = padded.toArray(ValueLayout.JAVA_BYTE);
    int end = 0;
    while (bytes[end] != 0) {
      end++;
    }
    return new String(Arrays.copyOf(bytes, end), NAMES);
  }
}
