package dev.pollux.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.cli.pair.ControlSocket;
import dev.pollux.cli.pair.PlannedFault;
import dev.pollux.cli.pair.host.Endpoint;
import dev.pollux.cli.pair.ledger.ZooKeeperProcess;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What is said to who keeps a pair, and the server for trials. */
final class PairControl {
  private PairControl() {}

  /** A command to who keeps a pair on this host. */
  abstract static class Ask implements Callable<Integer> {
    @Option(
        names = "--folder",
        required = true,
        paramLabel = "<folder>",
        description = "The folder of the pair, or of its side on this host.")
    private Path folder;

    abstract String word();

    @Override
    public Integer call() throws IOException {
      String answer = ControlSocket.ask(folder, word());
      System.out.println(answer);
      return new ObjectMapper().readTree(answer).has("error") ? 1 : 0;
    }

    final Path folder() {
      return folder;
    }
  }

  @Command(name = "status", description = "Tells how a side of a pair is, as a line of JSON.")
  static final class Status extends Ask {
    @Override
    String word() {
      return "status";
    }
  }

  @Command(name = "promote", description = "Has this side run the guest; it needs to be a copy.")
  static final class Promote extends Ask {
    @Option(
        names = "--force",
        description =
            "Take what this side's disks have, once nobody else can be running: newer writes on the"
                + " other side are lost.")
    private boolean force;

    @Override
    String word() {
      return force ? "promote-force" : "promote";
    }
  }

  @Command(name = "demote", description = "Has the other side run the guest.")
  static final class Demote extends Ask {
    @Override
    String word() {
      return "demote";
    }
  }

  @Command(name = "resync", description = "Has the copy made again, in full.")
  static final class Resync extends Ask {
    @Override
    String word() {
      return "resync";
    }
  }

  @Command(name = "stop", description = "Ends the pair, on both hosts.")
  static final class Stop extends Ask {
    private static final long TRY_MILLIS = 200;
    private static final int TRIES = 100;

    @Override
    String word() {
      return "stop";
    }

    /** Waits for the side's end, which is that of the pair. */
    @Override
    public Integer call() throws IOException {
      int status = super.call();
      for (int i = 0; status == 0 && i < TRIES; i++) {
        MachineProcess.pause(TRY_MILLIS);
        try {
          String _ = ControlSocket.ask(folder(), "status");
        } catch (IOException e) {
          return 0;
        }
      }
      System.err.println(
          "pollux: the pair has not ended yet; this side asks the other one again and again");
      return 1;
    }
  }

  @Command(
      name = "fault",
      description = "Has something go wrong with a pair on one machine, and says when it has.")
  static final class Fault extends Ask {
    @Parameters(
        paramLabel = "<fault>",
        description = "kill-primary, kill-secondary, freeze-primary, freeze-secondary or cut-link.")
    private String fault;

    @Override
    String word() {
      return "fault " + PlannedFault.parse(fault).kind().word();
    }
  }

  @Command(
      name = "coordinator",
      description = "Runs a single ZooKeeper server: for trials, where there is no ensemble.")
  static final class Coordinator implements Callable<Integer> {
    @Option(
        names = "--listen",
        paramLabel = "<host>:<port>",
        defaultValue = "127.0.0.1:2181",
        description = "Where. Default: 127.0.0.1:2181.")
    private String listen;

    @Option(
        names = "--folder",
        required = true,
        paramLabel = "<folder>",
        description = "Keeps what it knows.")
    private Path folder;

    @Override
    public Integer call() throws IOException {
      Endpoint at = Endpoint.exact("--listen", listen);
      Files.createDirectories(folder);
      try (ZooKeeperProcess _ =
          new ZooKeeperProcess(new InetSocketAddress(at.host(), at.port()), folder)) {
        System.out.println("listening on " + at);
        new CountDownLatch(1).await(); // until a signal
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return 0;
    }
  }
}
