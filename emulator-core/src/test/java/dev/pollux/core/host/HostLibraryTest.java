package dev.pollux.core.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.FutureTask;
import jdk.internal.misc.Signal;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The library as the dynamic linker and the JVM take it, against the way without it. */
class HostLibraryTest {
  private static final int O_RDWR_CREAT = 0x42;
  private static final int O_EXCL = 0x80;
  private static final int GETTID = 186;
  private static final int TGKILL = 234;
  private static final int WINDOW_CHANGED = 28;

  @TempDir private static Path folder;

  @BeforeAll
  static void load() throws IOException {
    assumeTrue(HostCpu.isX86(), "the library is for x86-64 hosts");
    Path file = folder.resolve("library.so");
    HostLibraryFile.main(new String[] {file.toString()});
    System.load(file.toString());
  }

  /** Number, then what the call of the C library's function of that number says. */
  private static void same(SystemCall call, int number, long... a) {
    assertEquals(
        call.callFunction(a[0], a[1], a[2], a[3], a[4], a[5]),
        HostLibrary.systemCall(number, a[0], a[1], a[2], a[3], a[4], a[5]));
  }

  @Test
  void givesAllSixArgumentsToTheSystem() throws IOException {
    Path file = folder.resolve("six");
    Files.writeString(file, "x".repeat(8192) + "second");
    try (HostFile open = HostFile.open(file.toString(), HostFile.O_RDONLY)) {
      long address =
          HostLibrary.systemCall(
              9, 0, 4096, Libc.PROT_READ, Libc.MAP_PRIVATE, open.descriptor(), 8192);
      assertEquals('s', RawMemory.getByte(address));
      assertEquals(0, HostLibrary.systemCall(11, address, 4096, 0, 0, 0, 0));
    }
  }

  @Test
  void readsAndWritesWhatTheCallSays() throws IOException {
    Path file = folder.resolve("file");
    long memory = RawMemory.allocate(64);
    try (NativeText path = new NativeText(file.toString());
        NativeText text = new NativeText("0123456789")) {
      long fd = HostLibrary.systemCall(2, path.address(), O_RDWR_CREAT, 0600, 0, 0, 0);
      assertEquals(10, HostLibrary.systemCall(18, fd, text.address(), 10, 3, 0, 0));
      assertEquals(13, HostLibrary.systemCall(8, fd, 0, 2, 0, 0, 0));
      assertEquals(4, HostLibrary.systemCall(17, fd, memory, 4, 9, 0, 0));
      byte[] read = new byte[4];
      RawMemory.copyOut(memory, read, 0, 4);
      assertEquals("6789", new String(read, StandardCharsets.US_ASCII));
      assertEquals(0, HostLibrary.systemCall(3, fd, 0, 0, 0, 0, 0));
      assertEquals("\0\0\0" + "0123456789", Files.readString(file));
    } finally {
      RawMemory.free(memory);
    }
  }

  @Test
  void errorsAreThoseOfTheCLibrary() throws IOException {
    try (NativeText missing = new NativeText(folder + "/missing");
        NativeText there = new NativeText(folder.toString())) {
      same(FileCalls.OPEN, 2, missing.address(), 0, 0, 0, 0, 0);
      same(FileCalls.OPEN, 2, there.address(), O_RDWR_CREAT | O_EXCL, 0600, 0, 0, 0);
      same(FileCalls.CLOSE, 3, -1, 0, 0, 0, 0, 0);
      same(FileCalls.PREAD, 17, -1, 0, 0, 0, 0, 0);
      same(FileCalls.LSEEK, 8, 0, 0, 99, 0, 0, 0);
      same(FileCalls.FTRUNCATE, 77, -1, 0, 0, 0, 0, 0);
      same(FileCalls.READLINKAT, 267, -100, there.address(), missing.address(), 1, 0, 0);
    }
    assertEquals(-Errno.ENOENT, open(folder + "/missing"));
  }

  private static long open(String path) {
    try (NativeText text = new NativeText(path)) {
      return HostLibrary.systemCall(2, text.address(), 0, 0, 0, 0, 0);
    }
  }

  /**
   * As many signals as it takes to be in a call's way; the call is poll's, which waits for nobody.
   */
  private static long signalled(SystemCall call, int milliseconds, int signals) throws Exception {
    CompletableFuture<Long> thread = new CompletableFuture<>();
    FutureTask<Long> result =
        new FutureTask<>(
            () -> {
              thread.complete(HostLibrary.systemCall(GETTID, 0, 0, 0, 0, 0, 0));
              return call.call(0, 0, milliseconds, 0);
            });
    Thread.ofPlatform().daemon(true).start(result);
    long process = ProcessHandle.current().pid();
    for (int i = 0; i < signals && !result.isDone(); i++) {
      HostLibrary.systemCall(TGKILL, process, thread.get(), WINDOW_CHANGED, 0, 0, 0);
      Thread.sleep(1);
    }
    return result.get();
  }

  /** A descriptor whose closing was disturbed is closed, and may be another thread's by then. */
  @Test
  void onlyWhatRepeatsGoesOnAfterASignal() throws Exception {
    Signal.Handler before = Signal.handle(new Signal("WINCH"), _ -> {});
    try {
      assertEquals(-Errno.EINTR, signalled(SystemCall.once("poll", 7), 30_000, Integer.MAX_VALUE));
      assertEquals(0, signalled(SystemCall.ofInt("poll", 7), 100, 20));
    } finally {
      Signal.handle(new Signal("WINCH"), before);
    }
  }

  @Test
  void callsAFunctionWithFourArguments() {
    try (NativeText a = new NativeText("same, then a");
        NativeText b = new NativeText("same, then b")) {
      assertEquals(0, (int) HostLibrary.call(CLibrary.MEMCMP, a.address(), b.address(), 11, 0));
      assertEquals(
          -1,
          Integer.signum((int) HostLibrary.call(CLibrary.MEMCMP, a.address(), b.address(), 12, 0)));
    }
    assertEquals(
        "No such file or directory",
        RawMemory.segment(HostLibrary.call(CLibrary.STRERROR, Errno.ENOENT, 0, 0, 0), 64)
            .getString(0));
  }

  @Test
  void seesEachByteThatIsNotZero() {
    Random random = new Random(1);
    long memory = RawMemory.allocate(1024);
    try {
      RawMemory.fill(memory, 1024, (byte) 0);
      for (int length = 0; length <= 200; length++) {
        int at = random.nextInt(64);
        RawMemory.putByte(memory + at + length, (byte) 1); // just behind
        assertEquals(true, HostLibrary.isZero(memory + at, length), "of " + length);
        RawMemory.putByte(memory + at + length, (byte) 0);
        for (int i = 0; i < length; i++) {
          RawMemory.putByte(memory + at + i, (byte) (1 << random.nextInt(8)));
          assertEquals(false, HostLibrary.isZero(memory + at, length), i + " of " + length);
          RawMemory.putByte(memory + at + i, (byte) 0);
        }
      }
    } finally {
      RawMemory.free(memory);
    }
  }
}
