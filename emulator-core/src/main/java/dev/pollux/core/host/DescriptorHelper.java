package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Has a program with more rights open something. The program gets one end of a pair of Unix sockets
 * as its descriptor {@link #CHILD_FD} and sends one byte over it that carries a descriptor
 * (unix(7), SCM_RIGHTS), then ends with status 0.
 */
public final class DescriptorHelper {
  /** The program's number of its socket. */
  public static final int CHILD_FD = 3;

  private static final int AF_UNIX = 1;
  private static final int SOCK_STREAM_CLOEXEC = 0x80001;
  private static final int SOL_SOCKET = 1;
  private static final int SCM_RIGHTS = 1;
  private static final int MSG_CMSG_CLOEXEC = 0x4000_0000;
  private static final int WNOHANG = 1;
  private static final int SIGKILL = 9;
  private static final short POLLIN = 1;

  /** struct msghdr: name, its length, vector, count, control data, its length, flags. */
  private static final int MSGHDR = 56;

  /** struct cmsghdr and one descriptor: length, level, type, descriptor. */
  private static final int CONTROL = 24;

  private static final long CONTROL_LENGTH = 20;
  private static final int FILE_ACTIONS = 128;

  private static final MethodHandle POSIX_SPAWN = spawnFunction();

  /** The C declarations, as JNA maps them. */
  interface Functions extends Library {
    int socketpair(int domain, int type, int protocol, int[] pair) throws LastErrorException;

    long recvmsg(int fd, long message, int flags) throws LastErrorException;

    int waitpid(int pid, int[] status, int options) throws LastErrorException;

    int kill(int pid, int signal) throws LastErrorException;

    int posix_spawn_file_actions_init(long actions);

    int posix_spawn_file_actions_adddup2(long actions, int from, int to);

    int posix_spawn_file_actions_addclosefrom_np(long actions, int first);

    int posix_spawn_file_actions_destroy(long actions);
  }

  private static final Functions C = Libc.load(Functions.class);

  private DescriptorHelper() {}

  private static MethodHandle spawnFunction() {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(
        linker.defaultLookup().findOrThrow("posix_spawn"),
        FunctionDescriptor.of(
            ValueLayout.JAVA_INT,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG,
            ValueLayout.JAVA_LONG));
  }

  /**
   * Runs a program and waits for its descriptor.
   *
   * @param command the program's path and its arguments
   * @param seconds it may take at most
   * @return the descriptor, closed on exec
   * @throws IOException if it cannot be run, sends none or fails, with the reason
   */
  public static int open(List<String> command, int seconds) throws IOException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
    int[] pair = new int[2];
    int received = -1;
    try {
      C.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair);
    } catch (LastErrorException e) {
      throw new IOException("no socket for %s: %s".formatted(command.getFirst(), e.getMessage()));
    }
    try {
      int pid;
      try {
        pid = spawn(command, pair[1]);
      } finally {
        Libc.close(pair[1]);
      }
      received = receive(pair[0], end);
      int status = await(pid, end);
      if (received < 0 || status != 0) {
        throw new IOException(failure(command.getFirst(), received, status));
      }
      int result = received;
      received = -1;
      return result;
    } finally {
      Libc.close(pair[0]);
      if (received >= 0) {
        Libc.close(received);
      }
    }
  }

  private static String failure(String program, int received, int status) {
    if (status < 0) {
      return "%s did not end in time".formatted(program);
    }
    return status == 0 && received < 0
        ? "%s has sent no descriptor".formatted(program)
        : "%s failed with status %d".formatted(program, status);
  }

  private static int spawn(List<String> command, int socket) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      long actions = arena.allocate(FILE_ACTIONS, 16).address();
      C.posix_spawn_file_actions_init(actions);
      C.posix_spawn_file_actions_adddup2(actions, socket, CHILD_FD);
      C.posix_spawn_file_actions_addclosefrom_np(actions, CHILD_FD + 1);
      List<String> environment =
          System.getenv().entrySet().stream().map(e -> e.getKey() + "=" + e.getValue()).toList();
      MemorySegment pid = arena.allocate(ValueLayout.JAVA_INT);
      int error =
          (int)
              POSIX_SPAWN.invokeExact(
                  pid.address(),
                  arena.allocateFrom(command.getFirst()).address(),
                  actions,
                  0L,
                  strings(arena, command),
                  strings(arena, environment));
      C.posix_spawn_file_actions_destroy(actions);
      if (error != 0) {
        throw new IOException("cannot run %s: %s".formatted(command.getFirst(), Errno.text(error)));
      }
      return pid.get(ValueLayout.JAVA_INT, 0);
    } catch (IOException e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException("posix_spawn failed", e);
    }
  }

  /** An array of C strings that ends with null. */
  private static long strings(Arena arena, List<String> texts) {
    MemorySegment array = arena.allocate(ValueLayout.ADDRESS, texts.size() + 1L);
    for (int i = 0; i < texts.size(); i++) {
      array.setAtIndex(ValueLayout.ADDRESS, i, arena.allocateFrom(texts.get(i)));
    }
    return array.address();
  }

  /** The descriptor, or -1 where the program ends, or does not send any in time. */
  private static int receive(int socket, long end) throws IOException {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment pollfd = arena.allocate(8, 4);
      pollfd.set(ValueLayout.JAVA_INT, 0, socket);
      pollfd.set(ValueLayout.JAVA_SHORT, 4, POLLIN);
      int millis = (int) Math.max(0, TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime()));
      if (FileCalls.POLL.call(pollfd.address(), 1, millis, 0) <= 0) {
        return -1;
      }
      MemorySegment vector = arena.allocate(16, 8);
      vector.set(ValueLayout.ADDRESS, 0, arena.allocate(1));
      vector.set(ValueLayout.JAVA_LONG, 8, 1);
      MemorySegment control = arena.allocate(CONTROL, 8);
      MemorySegment message = arena.allocate(MSGHDR, 8);
      message.set(ValueLayout.ADDRESS, 16, vector);
      message.set(ValueLayout.JAVA_LONG, 24, 1);
      message.set(ValueLayout.ADDRESS, 32, control);
      message.set(ValueLayout.JAVA_LONG, 40, CONTROL);
      long bytes = C.recvmsg(socket, message.address(), MSG_CMSG_CLOEXEC);
      boolean carries =
          bytes == 1
              && message.get(ValueLayout.JAVA_LONG, 40) >= CONTROL_LENGTH
              && control.get(ValueLayout.JAVA_LONG, 0) == CONTROL_LENGTH
              && control.get(ValueLayout.JAVA_INT, 8) == SOL_SOCKET
              && control.get(ValueLayout.JAVA_INT, 12) == SCM_RIGHTS;
      return carries ? control.get(ValueLayout.JAVA_INT, 16) : -1;
    } catch (LastErrorException e) {
      throw new IOException(e.getMessage(), e);
    }
  }

  /** The program's exit status, or -1 where it has to be ended. */
  private static int await(int pid, long end) throws IOException {
    int[] status = new int[1];
    try {
      while (C.waitpid(pid, status, WNOHANG) == 0) {
        if (System.nanoTime() > end) {
          C.kill(pid, SIGKILL);
          C.waitpid(pid, status, 0);
          return -1;
        }
        Thread.sleep(5);
      }
    } catch (LastErrorException e) {
      throw new IOException(e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return -1;
    }
    boolean exited = (status[0] & 0x7f) == 0;
    return exited ? status[0] >> 8 & 0xff : 128 + (status[0] & 0x7f);
  }
}
