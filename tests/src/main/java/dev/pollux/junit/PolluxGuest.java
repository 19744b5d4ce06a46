package dev.pollux.junit;

import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.WRITE;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.NoSuchElementException;

/** A guest that runs for a test. Closing kills it and removes what it had. Any thread. */
public abstract sealed class PolluxGuest implements AutoCloseable
    permits PolluxMachine, PolluxPair {
  static final ObjectMapper JSON = new ObjectMapper();

  private final Map<Integer, Integer> ports;
  private final Path disk;
  private final boolean hasRoom;
  private final Process process;

  /**
   * @param process that of the machine, or the pair
   */
  PolluxGuest(GuestOptions options, Process process) {
    this.process = process;
    hasRoom = !options.starter().isEmpty();
    ports = options.ports();
    disk = options.disk();
  }

  /** The guest's first serial port. */
  public abstract GuestConsole console();

  /**
   * Runs a command of the monitor of the machine in which the guest runs.
   *
   * @param arguments names and values in turn; a value is what Jackson makes JSON of
   * @return the value of {@code return}
   * @throws IOException if it fails, or is not answered in time
   */
  public abstract JsonNode qmp(String command, Object... arguments) throws IOException;

  static JsonNode arguments(Object... namesAndValues) {
    var node = JSON.createObjectNode();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      node.set((String) namesAndValues[i], JSON.valueToTree(namesAndValues[i + 1]));
    }
    return node;
  }

  /** The port of 127.0.0.1 that leads to one of the guest's {@link Guest#forwards}. */
  public int port(int ofGuest) {
    Integer port = ports.get(ofGuest);
    if (port == null) {
      throw new NoSuchElementException(
          "port %d is not forwarded; @Guest(forwards = %d) does that".formatted(ofGuest, ofGuest));
    }
    return port;
  }

  /**
   * Connects to a port of the guest; a user-mode network accepts before the guest has answered.
   *
   * @param port of the guest
   */
  public Socket connect(int port) throws IOException {
    return new Socket(InetAddress.getLoopbackAddress(), port(port));
  }

  /**
   * The image of {@link Guest#disk}; its content counts when the guest has ended. With {@link
   * Guest#room} it stays as it was: the one that is used is gone with the processes.
   */
  public Path disk() {
    if (disk == null) {
      throw new NoSuchElementException("there is no disk; @Guest(disk = \"16M\") makes one");
    }
    return disk;
  }

  /**
   * Has the guest's disk carry only so much a second from now on, in the machine in which the guest
   * runs now: a failover ends that.
   *
   * @param bytesPerSecond 0 for as much as it can
   */
  public void slowDisk(long bytesPerSecond) throws IOException {
    var _ = disk();
    var _ =
        qmp(
            "block_set_io_throttle",
            "device",
            GuestOptions.DISK,
            "bps",
            bytesPerSecond,
            "bps_rd",
            0,
            "bps_wr",
            0,
            "iops",
            0,
            "iops_rd",
            0,
            "iops_wr",
            0);
  }

  /** Leaves no room on the file system of the disk's images; see {@link Guest#room}. */
  public void fillDisk() throws IOException {
    byte[] block = new byte[4096];
    try (FileChannel file = FileChannel.open(filler(), CREATE, WRITE, APPEND)) {
      while (true) {
        var _ = file.write(ByteBuffer.wrap(block));
      }
    } catch (IOException e) {
      if (Files.size(filler()) == 0) {
        throw e; // not because it is full
      }
    }
  }

  /** Ends that. */
  public void freeDisk() throws IOException {
    Files.deleteIfExists(filler());
  }

  private Path filler() {
    if (!hasRoom) {
      throw new IllegalStateException("@Guest(room = \"32M\") is missing");
    }
    return SmallFileSystem.of(process, disk.resolveSibling("room").resolve("filler"));
  }

  @Override
  public abstract void close() throws IOException;
}
