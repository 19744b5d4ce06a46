package dev.pollux.backend.block.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.BlockStatus;
import dev.pollux.backend.block.HostBuffer;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.RawMemory;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Client and server of NBD with each other, with QEMU's, and with peers that mean harm. */
class NbdTest {
  private static final int MIB = 1 << 20;
  private static final long SEED = Long.getLong("pollux.block.seed", System.nanoTime());

  private final BlockGraph graph = new BlockGraph(new BlockListener() {});
  private final BlockGraph server = new BlockGraph(new BlockListener() {});
  private final List<Process> processes = new ArrayList<>();

  @TempDir Path folder;

  @AfterEach
  void close() {
    graph.close();
    server.close();
    processes.forEach(Process::destroyForcibly);
  }

  private static BlockNode add(BlockGraph graph, String text) throws IOException {
    DeviceOptions parsed = DeviceOptions.parse("-blockdev", text, "driver");
    Map<String, String> values = new LinkedHashMap<>();
    parsed.keys().forEach(key -> values.put(key, parsed.string(key, "")));
    return graph.add(BlockOptions.of("-blockdev " + text, values));
  }

  private Path file(String name, long bytes) throws IOException {
    Path file = folder.resolve(name);
    try (var raf = new java.io.RandomAccessFile(file.toFile(), "rw")) {
      raf.setLength(bytes);
    }
    return file;
  }

  private int serve(String node, boolean writable) throws IOException {
    server.exports().startServer(new NbdAddress.Inet("127.0.0.1", 0), 0);
    server.exports().add("export0", node, node, "", writable);
    return server.exports().port().orElseThrow();
  }

  private BlockNode connect(int port, String export, String more) throws IOException {
    return add(
        graph,
        "nbd,node-name=nbd0,export=%s,server.type=inet,server.host=127.0.0.1,server.port=%d%s"
            .formatted(export, port, more));
  }

  private static byte[] read(BlockNode node, long offset, int length) throws IOException {
    try (HostBuffer buffer = new HostBuffer(length)) {
      node.read(offset, buffer.vector());
      return buffer.toBytes(0, length);
    }
  }

  private static void write(BlockNode node, long offset, byte... data) throws IOException {
    try (HostBuffer buffer = new HostBuffer(data.length)) {
      RawMemory.copyIn(data, 0, buffer.address(), data.length);
      node.write(offset, buffer.vector(), 0);
    }
  }

  @Test
  void whatIsWrittenThroughItIsOnTheDisk() throws IOException {
    Path disk = file("disk", 80L * MIB);
    add(server, "raw,node-name=d,discard=unmap,file.driver=file,file.filename=" + disk);
    BlockNode client = connect(serve("d", true), "d", ",discard=unmap");
    assertEquals(80L * MIB, client.length());
    byte[] large = new byte[70 * MIB]; // more than one request may carry
    new Random(SEED).nextBytes(large);
    write(client, 5, large);
    assertArrayEquals(large, read(client, 5, large.length), "seed " + SEED);
    client.flush();
    byte[] there = Files.readAllBytes(disk);
    assertArrayEquals(large, Arrays.copyOfRange(there, 5, 5 + large.length));
    client.writeZeroes(MIB, 2 * MIB, 0);
    client.discard(4 * MIB, MIB);
    assertArrayEquals(new byte[2 * MIB], read(client, MIB, 2 * MIB));
    assertArrayEquals(new byte[MIB], read(client, 4 * MIB, MIB));
    BlockStatus status = client.status(4 * MIB, 8 * MIB);
    assertTrue(status.zero() && status.length() == MIB, status.toString());
    assertThrows(IOException.class, () -> write(client, 80L * MIB - 1, new byte[2]));
  }

  /** Threads with random requests, each in its own stripes, against what they have written. */
  @Test
  void manyRequestsAtOnce() throws Exception {
    add(server, "raw,node-name=d,file.driver=file,file.filename=" + file("disk", 16 * MIB));
    BlockNode client = connect(serve("d", true), "d", "");
    List<CompletableFuture<Void>> threads = new ArrayList<>();
    for (int t = 0; t < 8; t++) {
      int number = t;
      threads.add(
          CompletableFuture.runAsync(
              () -> {
                Random random = new Random(SEED + number);
                byte[] model = new byte[2 * MIB];
                try {
                  for (int i = 0; i < 200; i++) {
                    int at = random.nextInt(model.length);
                    int length = 1 + random.nextInt(Math.min(100_000, model.length - at));
                    long base = (long) number * model.length;
                    if (random.nextInt(3) > 0) {
                      byte[] data = new byte[length];
                      random.nextBytes(data);
                      System.arraycopy(data, 0, model, at, length);
                      write(client, base + at, data);
                    } else {
                      assertArrayEquals(
                          Arrays.copyOfRange(model, at, at + length),
                          read(client, base + at, length));
                    }
                  }
                } catch (IOException e) {
                  fail("seed " + SEED, e);
                }
              }));
    }
    CompletableFuture.allOf(threads.toArray(CompletableFuture[]::new)).get(60, TimeUnit.SECONDS);
  }

  @Test
  void imagesBelowShowAsTheyAreRead() throws IOException {
    Path base = file("base", MIB);
    Files.write(base, new byte[] {1, 2, 3, 4});
    try (var raf = new java.io.RandomAccessFile(base.toFile(), "rw")) {
      raf.setLength(MIB);
    }
    assumeQemu();
    run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        base.toString(),
        "-F",
        "raw",
        folder.resolve("top.qcow2").toString());
    add(server, "qcow2,node-name=d,file.driver=file,file.filename=" + folder.resolve("top.qcow2"));
    BlockNode client = connect(serve("d", true), "d", "");
    assertFalse(client.status(0, MIB).zero());
    assertEquals(3, read(client, 2, 1)[0]);
    assertTrue(client.status(MIB / 2, MIB / 2).zero());
  }

  @Test
  void errorsKeepTheirNumbers() throws IOException {
    add(
        server,
        "blkdebug,node-name=d,image.driver=null-co,image.size=1M,image.read-zeroes=on,"
            + "inject-error.0.iotype=write,inject-error.0.errno=28,"
            + "inject-error.1.iotype=read,inject-error.1.sector=8,inject-error.1.errno=12");
    int port = serve("d", true);
    BlockNode client = connect(port, "d", "");
    assertEquals(
        Errno.ENOSPC, assertThrows(ErrnoException.class, () -> write(client, 0, (byte) 1)).errno());
    assertEquals(
        Errno.ENOMEM, assertThrows(ErrnoException.class, () -> read(client, 4096, 512)).errno());
    assertEquals(0, read(client, 0, 512)[0]);
    IOException missing =
        assertThrows(
            IOException.class,
            () ->
                add(
                    graph,
                    "nbd,node-name=n,export=nope,server.type=inet,server.host=127.0.0.1,server.port="
                        + port));
    assertTrue(missing.getMessage().contains("Requested export not available"), missing.toString());
    assertThrows(
        ConfigException.class,
        () -> add(graph, "nbd,node-name=n,server.type=unix,server.path=x,tls-creds=y"));
  }

  @Test
  void aReadOnlyExportIsNotWritten() throws IOException {
    add(server, "raw,node-name=d,file.driver=file,file.filename=" + file("disk", MIB));
    int port = serve("d", false);
    assertThrows(IOException.class, () -> connect(port, "d", ""));
    BlockNode client = connect(port, "d", ",read-only=on");
    assertEquals(512, read(client, 0, 512).length);
    assertThrows(IOException.class, () -> write(client, 0, (byte) 1));
  }

  @Test
  void aServerThatGoesMakesRequestsFail() throws Exception {
    add(server, "null-co,node-name=d,size=1M,latency-ns=3000000000");
    BlockNode client = connect(serve("d", true), "d", "");
    CompletableFuture<Void> write =
        CompletableFuture.runAsync(
            () -> {
              try {
                write(client, 0, (byte) 1);
                fail("written");
              } catch (IOException e) {
                assertTrue(e.getMessage().contains("has ended") || e.getMessage().contains("cut"));
              }
            });
    Thread.sleep(100);
    graph.connections().get("nbd0").run();
    write.get(10, TimeUnit.SECONDS);
    assertThrows(IOException.class, () -> read(client, 0, 512));
    assertThrows(IOException.class, () -> client.flush());
  }

  @Test
  void aConnectionIsMadeAnewWhereThatIsWanted() throws Exception {
    add(server, "raw,node-name=d,file.driver=file,file.filename=" + file("disk", MIB));
    int port = serve("d", true);
    BlockNode client = connect(port, "d", ",reconnect-delay=30");
    write(client, 0, (byte) 7);
    server.exports().stopServer();
    CompletableFuture<byte[]> read =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return read(client, 0, 1);
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
            });
    Thread.sleep(300);
    assertFalse(read.isDone());
    server.exports().startServer(new NbdAddress.Inet("127.0.0.1", port), 0);
    server.exports().add("again", "d", "d", "", true);
    assertEquals(7, read.get(20, TimeUnit.SECONDS)[0]);
  }

  // ---- with QEMU ----

  private static void assumeQemu() {
    assumeTrue(
        Files.isExecutable(Path.of("/usr/bin/qemu-nbd"))
            && Files.isExecutable(Path.of("/usr/bin/qemu-io")),
        "qemu-nbd and qemu-io are not installed (Debian: qemu-utils)");
  }

  private static String run(String... command) throws IOException {
    Process process = new ProcessBuilder(List.of(command)).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      assertTrue(process.waitFor(60, TimeUnit.SECONDS), "still running: " + List.of(command));
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
    assertEquals(0, process.exitValue(), String.join(" ", command) + "\n" + output);
    return output;
  }

  @Test
  void ourClientWithTheServerOfQemu() throws Exception {
    assumeQemu();
    Path disk = file("disk", 80L * MIB);
    Path socket = folder.resolve("sock");
    processes.add(
        new ProcessBuilder(
                "qemu-nbd",
                "-t",
                "-f",
                "raw",
                "-k",
                socket.toString(),
                "-x",
                "e",
                "--discard=unmap",
                disk.toString())
            .start());
    BlockNode client =
        add(
            graph,
            "nbd,node-name=nbd0,discard=unmap,open-timeout=20,export=e,server.type=unix,server.path="
                + socket);
    byte[] data = new byte[40 * MIB];
    new Random(SEED).nextBytes(data);
    write(client, MIB + 1, data);
    assertArrayEquals(data, read(client, MIB + 1, data.length));
    client.writeZeroes(2 * MIB, MIB, BlockNode.MAY_UNMAP);
    client.discard(8 * MIB, MIB);
    client.flush();
    assertArrayEquals(new byte[MIB], read(client, 2 * MIB, MIB));
    assertTrue(client.status(60L * MIB, 20L * MIB).zero());
    assertFalse(client.status(MIB + MIB / 2, 512).zero());
    processes.getFirst().destroyForcibly().waitFor();
    assertThrows(IOException.class, () -> read(client, 0, 512));
  }

  @Test
  void theClientsOfQemuWithOurServer() throws IOException {
    assumeQemu();
    Path disk = file("disk", 64L * MIB);
    add(server, "raw,node-name=d,discard=unmap,file.driver=file,file.filename=" + disk);
    int port = serve("d", true);
    String url = "nbd://127.0.0.1:" + port + "/d";
    run(
        "qemu-io",
        "-f",
        "raw",
        "-d",
        "unmap",
        "-c",
        "write -P 5 1M 40M",
        "-c",
        "read -P 5 1M 40M",
        "-c",
        "write -z 4M 1M",
        "-c",
        "read -P 0 4M 1M",
        "-c",
        "discard 8M 1M",
        "-c",
        "aio_write -P 6 10M 64k",
        "-c",
        "aio_write -P 7 11M 64k",
        "-c",
        "aio_flush",
        "-c",
        "read -P 7 11M 64k",
        "-c",
        "write -f -P 9 0 512",
        "-c",
        "flush",
        url);
    assertEquals(9, Files.readAllBytes(disk)[0]);
    String list = run("qemu-nbd", "-L", "-b", "127.0.0.1", "-p", Integer.toString(port));
    assertTrue(list.contains("export: 'd'") && list.contains("base:allocation"), list);
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", url, folder.resolve("x").toString());
    run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", url, folder.resolve("x").toString());
    String map = run("qemu-img", "map", "--output=json", "-f", "raw", url);
    assertTrue(map.contains("\"zero\": true, \"data\": false"), map);
  }

  // ---- peers that mean harm ----

  /** A server of the test's own, which agrees to an export of 1 MiB and then does as told. */
  private int evilServer(boolean structured, byte... answer) throws IOException {
    ServerSocket listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    Thread.ofPlatform()
        .daemon(true)
        .start(
            () -> {
              try (listening;
                  Socket socket = listening.accept()) {
                DataInputStream in = new DataInputStream(socket.getInputStream());
                DataOutputStream out = new DataOutputStream(socket.getOutputStream());
                agree(in, out, structured);
                in.readNBytes(28);
                out.write(answer);
                out.flush();
                in.readAllBytes();
              } catch (IOException e) {
                // The client has cut the connection, as it should.
              }
            });
    return listening.getLocalPort();
  }

  private static void agree(DataInputStream in, DataOutputStream out, boolean structured)
      throws IOException {
    out.writeLong(Nbd.INIT_MAGIC);
    out.writeLong(Nbd.OPTION_MAGIC);
    out.writeShort(Nbd.FIXED_NEWSTYLE | Nbd.NO_ZEROES);
    in.readInt();
    for (int option = 0; option != Nbd.OPT_GO; ) {
      in.readLong();
      option = in.readInt();
      in.readNBytes(in.readInt());
      if (option == Nbd.OPT_GO) {
        reply(out, option, Nbd.REP_INFO);
        out.writeInt(12);
        out.writeShort(Nbd.INFO_EXPORT);
        out.writeLong(MIB);
        out.writeShort(Nbd.HAS_FLAGS | Nbd.SEND_FLUSH);
      }
      reply(
          out,
          option,
          option == Nbd.OPT_STRUCTURED_REPLY && !structured ? Nbd.REP_ERR_UNSUP : Nbd.REP_ACK);
      out.writeInt(0);
    }
  }

  private static void reply(DataOutputStream out, int option, int type) throws IOException {
    out.writeLong(Nbd.OPTION_REPLY_MAGIC);
    out.writeInt(option);
    out.writeInt(type);
  }

  private static byte[] bytes(Object... numbers) {
    java.nio.ByteBuffer out = java.nio.ByteBuffer.allocate(200);
    for (Object number : numbers) {
      switch (number) {
        case Short s -> out.putShort(s);
        case Integer i -> out.putInt(i);
        case Long l -> out.putLong(l);
        default -> throw new IllegalArgumentException();
      }
    }
    return Arrays.copyOf(out.array(), out.position());
  }

  @Test
  void answersThatMakeNoSenseEndTheConnection() throws IOException {
    short done = Nbd.CHUNK_DONE;
    List<byte[]> answers =
        List.of(
            bytes(1, 2, 3, 4), // no magic
            bytes(Nbd.SIMPLE_REPLY_MAGIC, 0, 77L), // no such request
            bytes(Nbd.SIMPLE_REPLY_MAGIC, 0, 0L), // a read has its data in chunks
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_DATA, 0L, -1), // lengths
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_DATA, 0L, 8),
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_DATA, 0L, 8 + 1024, 0L),
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_DATA, 0L, 8 + 512, 512L),
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_DATA, 0L, 8 + 1, -1L),
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_HOLE, 0L, 12, 0L, -1),
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_BLOCK_STATUS, 0L, 12, 1, 512, 0),
            bytes(Nbd.CHUNK_MAGIC, done, (short) 1234, 0L, 0),
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_ERROR, 0L, 6, 5, (short) 100),
            bytes(Nbd.CHUNK_MAGIC, done, (short) Nbd.CHUNK_ERROR, 0L, 1 << 30));
    for (int i = 0; i < answers.size(); i++) {
      BlockNode client = connect(evilServer(true, answers.get(i)), "", "");
      String which = "answer " + i;
      assertThrows(IOException.class, () -> read(client, 0, 512), which);
      assertThrows(IOException.class, () -> read(client, 0, 512), which);
      graph.remove("nbd0");
    }
  }

  @Test
  void handshakesThatMakeNoSenseFail() throws IOException {
    List<byte[]> greetings =
        List.of(
            bytes(1L, 2L, (short) 3),
            bytes(Nbd.INIT_MAGIC, 0x0000420281861253L, 1L), // the old style
            bytes(Nbd.INIT_MAGIC, Nbd.OPTION_MAGIC, (short) 0),
            bytes(Nbd.INIT_MAGIC, Nbd.OPTION_MAGIC, (short) 3, 5L),
            bytes(Nbd.INIT_MAGIC, Nbd.OPTION_MAGIC, (short) 3, Nbd.OPTION_REPLY_MAGIC, 8, 1, -1),
            new byte[0]);
    for (byte[] greeting : greetings) {
      try (ServerSocket listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
        Thread.ofPlatform()
            .daemon(true)
            .start(
                () -> {
                  try (Socket socket = listening.accept()) {
                    socket.getOutputStream().write(greeting);
                    if (greeting.length > 0) {
                      socket.getInputStream().readAllBytes();
                    }
                  } catch (IOException e) {
                    // The client has cut the connection, as it should.
                  }
                });
        assertThrows(IOException.class, () -> connect(listening.getLocalPort(), "", ""));
      }
    }
  }

  /** Requests that the server refuses, and words after which it cuts the client off. */
  @Test
  void requestsThatMakeNoSense() throws IOException {
    add(server, "raw,node-name=d,file.driver=file,file.filename=" + file("disk", MIB));
    int port = serve("d", true);
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      greet(in, out);
      assertEquals(Errno.EINVAL, ask(in, out, 0, Nbd.CMD_READ, MIB, 1));
      assertEquals(Errno.EINVAL, ask(in, out, 0, Nbd.CMD_READ, -1, 1));
      assertEquals(Errno.EINVAL, ask(in, out, 0, Nbd.CMD_READ, 0, -1));
      assertEquals(Errno.EINVAL, ask(in, out, 0, Nbd.CMD_READ, Long.MAX_VALUE, 512));
      assertEquals(Errno.ENOSPC, ask(in, out, 0, Nbd.CMD_TRIM, MIB - 1, -1));
      assertEquals(Errno.ENOSPC, ask(in, out, 0, Nbd.CMD_WRITE_ZEROES, 512, MIB));
      assertEquals(Errno.EINVAL, ask(in, out, 0, 77, 0, 512));
      assertEquals(Errno.EINVAL, ask(in, out, 0xff00, Nbd.CMD_FLUSH, 0, 0));
      assertEquals(Errno.EINVAL, ask(in, out, 0, Nbd.CMD_BLOCK_STATUS, 0, 512)); // not agreed
      assertEquals(0, ask(in, out, 0, Nbd.CMD_FLUSH, 0, 0)); // and it goes on
      out.write(new byte[28]);
      assertEquals(-1, in.read());
    }
    for (byte[] words :
        List.of(
            bytes(-1),
            bytes(3, 1L),
            bytes(3, Nbd.OPTION_MAGIC, Nbd.OPT_LIST, -1),
            bytes(3, Nbd.OPTION_MAGIC, Nbd.OPT_EXPORT_NAME, 1 << 30),
            bytes(3, Nbd.OPTION_MAGIC, Nbd.OPT_GO, 1 << 20))) {
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
        DataInputStream in = new DataInputStream(socket.getInputStream());
        in.readNBytes(18);
        socket.getOutputStream().write(words);
        assertEquals(-1, in.read());
      }
    }
  }

  private static void greet(DataInputStream in, DataOutputStream out) throws IOException {
    in.readNBytes(18);
    out.write(bytes(Nbd.FIXED_NEWSTYLE | Nbd.NO_ZEROES));
    out.write(bytes(Nbd.OPTION_MAGIC, Nbd.OPT_STARTTLS, 0));
    in.readNBytes(12);
    assertEquals(Nbd.REP_ERR_POLICY, in.readInt());
    in.readNBytes(in.readInt());
    out.write(bytes(Nbd.OPTION_MAGIC, Nbd.OPT_GO, 7, 100)); // its name does not fit
    out.write(new byte[3]);
    in.readNBytes(12);
    assertEquals(Nbd.REP_ERR_INVALID, in.readInt());
    in.readNBytes(in.readInt());
    out.write(bytes(Nbd.OPTION_MAGIC, Nbd.OPT_EXPORT_NAME, 1));
    out.write('d');
    assertEquals(MIB, in.readLong());
    in.readShort();
  }

  private static int ask(
      DataInputStream in, DataOutputStream out, int flags, int command, long offset, int length)
      throws IOException {
    out.write(bytes(Nbd.REQUEST_MAGIC, (short) flags, (short) command, 99L, offset, length));
    assertEquals(Nbd.SIMPLE_REPLY_MAGIC, in.readInt());
    int error = in.readInt();
    assertEquals(99, in.readLong());
    return error;
  }

  /** A client that asks for much and reads nothing; another one is served meanwhile. */
  @Test
  void aClientThatDoesNotReadStopsNobodyElse() throws Exception {
    add(server, "null-co,node-name=d,size=1G,read-zeroes=on");
    int port = serve("d", true);
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      DataInputStream in = new DataInputStream(socket.getInputStream());
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      greetFor(in, out);
      for (int i = 0; i < 100; i++) {
        out.write(
            bytes(Nbd.REQUEST_MAGIC, (short) 0, (short) Nbd.CMD_READ, (long) i, 0L, Nbd.MOST_DATA));
      }
      BlockNode client = connect(port, "d", "");
      for (int i = 0; i < 50; i++) {
        assertEquals(0, read(client, (long) i * MIB, MIB)[5]);
      }
      server.exports().remove("export0"); // and removing the disk does not wait for it
    }
    CompletableFuture<Void> gone =
        CompletableFuture.runAsync(
            () -> assertThrows(IOException.class, () -> read(graph.require("nbd0"), 0, 512)));
    gone.get(10, TimeUnit.SECONDS);
  }

  private static void greetFor(DataInputStream in, DataOutputStream out) throws IOException {
    in.readNBytes(18);
    out.write(bytes(Nbd.FIXED_NEWSTYLE | Nbd.NO_ZEROES));
    out.write(bytes(Nbd.OPTION_MAGIC, Nbd.OPT_EXPORT_NAME, 1));
    out.write('d');
    if (in.readLong() < 0) {
      throw new EOFException();
    }
    in.readShort();
  }

  /** Random bytes after the handshake, and in place of it. */
  @Test
  void noiseCutsOnlyWhoSendsIt() throws IOException {
    add(server, "raw,node-name=d,file.driver=file,file.filename=" + file("disk", MIB));
    int port = serve("d", true);
    Random random = new Random(SEED);
    for (int i = 0; i < 60; i++) {
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
        DataInputStream in = new DataInputStream(socket.getInputStream());
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        if (i % 2 == 0) {
          greetFor(in, out);
        }
        byte[] noise = new byte[random.nextInt(2000)];
        random.nextBytes(noise);
        if (i % 3 == 0 && noise.length > 8) {
          System.arraycopy(
              bytes(Nbd.REQUEST_MAGIC, (short) 0, (short) random.nextInt(8)), 0, noise, 0, 8);
        }
        out.write(noise);
      } catch (IOException e) {
        // It was cut off while it still talked.
      }
    }
    BlockNode client = connect(port, "d", "");
    write(client, 0, (byte) 3);
    assertEquals(3, read(client, 0, 1)[0], "seed " + SEED);
  }
}
