package dev.pollux.cli.img;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.CacheMode;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.nbd.NbdAddress;
import dev.pollux.backend.block.nbd.NbdCatalog;
import dev.pollux.backend.block.nbd.NbdExport;
import dev.pollux.backend.block.nbd.NbdServer;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;

/** {@code pollux nbd}: offers an image to others, or lists what others offer, as qemu-nbd does. */
public final class NbdTool {
  /** What follows the command's name. */
  public static final String USAGE =
      """
      Usage: pollux nbd [OPTION]... FILE
             pollux nbd -L [-b HOST] [-p PORT] [-k PATH]

        -b, --bind=HOST        address to listen at or to connect to (0.0.0.0)
        -p, --port=PORT        TCP port (10809)
        -k, --socket=PATH      a unix socket in place of that
        -f, --format=FMT       driver of the image; found out where it is left out
        -x, --export-name=NAME by which clients ask for it (empty)
        -D, --description=TEXT for people
        -r, --read-only        clients may not write
        -e, --shared=NUM       clients at a time, 0 for any number (1)
        -t, --persistent       do not end with the last client
        -o, --offset=OFFSET    first byte of the image that counts
        -n, --nocache          as --cache=none
            --cache=MODE       none, writeback (default), writethrough, directsync, unsafe
            --discard=MODE     ignore (default) or unmap
            --detect-zeroes=MODE  off (default), on, unmap
            --image-opts       FILE is a description, key=value and so on
            --pid-file=PATH    gets the process's number when clients may come
        -L, --list             lists what a server offers
      """;

  private NbdTool() {}

  /** Runs the command with its words; returns its exit status. */
  public static int run(List<String> words) throws IOException {
    if (words.contains("-h") || words.contains("--help") || words.contains("-help")) {
      System.out.print(USAGE);
      return 0;
    }
    ImgArguments arguments =
        new ImgArguments(
            "nbd",
            words,
            "b:p:k:f:x:D:re:to:nLv",
            "bind=:b",
            "port=:p",
            "socket=:k",
            "format=:f",
            "export-name=:x",
            "description=:D",
            "read-only:r",
            "shared=:e",
            "persistent:t",
            "offset=:o",
            "nocache:n",
            "cache=",
            "aio=",
            "discard=",
            "detect-zeroes=",
            "image-opts",
            "pid-file=",
            "fork",
            "tls-creds=",
            "list:L",
            "verbose:v");
    if (arguments.has("tls-creds")) {
      throw arguments.error("TLS is not supported; leave --tls-creds out");
    }
    if (arguments.has("fork")) {
      throw arguments.error("--fork is not supported; let a shell run it in the background (&)");
    }
    if (arguments.has("L")) {
      arguments.words(0, 0, "no file name with --list");
      list(address(arguments, "127.0.0.1"));
      return 0;
    }
    String file = arguments.words(1, 1, "one image file name").getFirst();
    serve(arguments, file);
    return 0;
  }

  private static NbdAddress address(ImgArguments arguments, String host) {
    if (arguments.has("k")) {
      if (arguments.has("p") || arguments.has("b")) {
        throw arguments.error("-k goes with neither -p nor -b");
      }
      return new NbdAddress.Unix(Path.of(arguments.value("k", "")).toAbsolutePath().toString());
    }
    int port = NbdAddress.port(arguments.value("p", Integer.toString(NbdAddress.DEFAULT_PORT)));
    return new NbdAddress.Inet(arguments.value("b", host), port);
  }

  // ---- list ----

  private static void list(NbdAddress address) throws IOException {
    List<NbdCatalog.Entry> entries = NbdCatalog.of(address);
    System.out.println("exports available: " + entries.size());
    for (NbdCatalog.Entry entry : entries) {
      System.out.println(" export: '" + entry.name() + "'");
      if (!entry.description().isEmpty()) {
        System.out.println("  description: " + entry.description());
      }
      System.out.println("  size:  " + entry.size());
      System.out.printf("  flags: 0x%x ( %s)%n", entry.flags(), entry.flagWords());
      if (!entry.blocks().isEmpty()) {
        System.out.println("  min block: " + entry.blocks().get(0));
        System.out.println("  opt block: " + entry.blocks().get(1));
        System.out.println("  max block: " + Integer.toUnsignedString(entry.blocks().get(2)));
      }
      System.out.println("  available meta contexts: " + entry.contexts().size());
      entry.contexts().forEach(context -> System.out.println("   " + context));
    }
  }

  // ---- serve ----

  /** One export; ends with the last client where that is wanted. */
  private static final class Directory implements NbdServer.Directory {
    private final NbdExport export;
    private final boolean persistent;
    private final CountDownLatch end = new CountDownLatch(1);

    Directory(NbdExport export, boolean persistent) {
      this.export = export;
      this.persistent = persistent;
    }

    @Override
    public Optional<NbdExport> find(String name) {
      return Optional.of(export).filter(each -> each.name().equals(name));
    }

    @Override
    public Collection<NbdExport> all() {
      return List.of(export);
    }

    @Override
    public void clients(int number) {
      if (number == 0 && !persistent) {
        end.countDown();
      }
    }
  }

  private static void serve(ImgArguments arguments, String file) throws IOException {
    int shared = number(arguments, "e", 1);
    CacheMode cache =
        arguments.has("n")
            ? CacheMode.WORDS.get("none")
            : Images.cache(arguments, "cache", "writeback");
    boolean readOnly = arguments.has("r");
    CountDownLatch closed = new CountDownLatch(1);
    try (Images images = new Images(arguments)) {
      BlockNode image =
          images.open(file, new Images.How(arguments.value("f", ""), !readOnly, cache, true));
      BlockNode node = view(images, arguments, image, readOnly);
      BlockBackend backend = images.graph().addBackend("", node);
      backend.setWriteCache(cache.writeback());
      NbdExport export =
          new NbdExport(
              arguments.value("x", ""), arguments.value("D", ""), backend, !node.readOnly());
      Directory directory = new Directory(export, arguments.has("t"));
      Runtime.getRuntime()
          .addShutdownHook(
              new Thread(
                  () -> {
                    directory.end.countDown();
                    await(closed); // the image is written back
                  }));
      try (NbdServer _ = NbdServer.start(address(arguments, "0.0.0.0"), directory, shared)) {
        if (arguments.has("pid-file")) {
          Files.writeString(
              Path.of(arguments.value("pid-file", "")), ProcessHandle.current().pid() + "\n");
        }
        await(directory.end);
      }
      node.flush();
    } finally {
      closed.countDown();
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The part of an image that is offered, with what is done about discards and zeros. */
  private static BlockNode view(
      Images images, ImgArguments arguments, BlockNode image, boolean readOnly) throws IOException {
    return images
        .graph()
        .open(
            BlockOptions.of(
                "nbd",
                Map.of(
                    "driver", "raw",
                    "file", image.name(),
                    "read-only", readOnly ? "on" : "off",
                    "offset", arguments.value("o", "0"),
                    "discard", arguments.value("discard", "ignore"),
                    "detect-zeroes", arguments.value("detect-zeroes", "off"))));
  }

  private static int number(ImgArguments arguments, String option, int otherwise) {
    try {
      int value = Integer.parseInt(arguments.value(option, Integer.toString(otherwise)));
      if (value >= 0) {
        return value;
      }
    } catch (NumberFormatException e) {
      // told below
    }
    throw new ConfigException(
        "-%s %s: give a number".formatted(option, arguments.value(option, "")));
  }
}
