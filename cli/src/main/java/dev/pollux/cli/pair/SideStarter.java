package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.cli.process.MachineProcess;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Starts the processes of a pair on one machine, each with its own of every disk and network, and
 * takes away what was theirs. Any thread.
 */
final class SideStarter {
  /** Hears of the processes, on threads of this. */
  interface Listener {
    /** Its monitor has told of something; what it prints from now on may come later. */
    void happened(Side side, JsonNode event);

    void ended(Side side, int status);

    void arrived(Side secondary);

    void doesNotStart(String name, IOException why);
  }

  private final PairOptions options;
  private final PairConsole console;
  private final List<PairDisk> disks;
  private final List<PairNetwork> networks;
  private final Listener to;
  private final AtomicInteger started = new AtomicInteger();

  SideStarter(
      PairOptions options,
      PairConsole console,
      List<PairDisk> disks,
      List<PairNetwork> networks,
      Listener to) {
    this.options = options;
    this.console = console;
    this.disks = disks;
    this.networks = networks;
    this.to = to;
  }

  String nextName() {
    return sideName(started.getAndIncrement());
  }

  /** a to z, then a1 and so on. */
  static String sideName(int number) {
    return (char) ('a' + number % 26) + (number < 26 ? "" : String.valueOf(number / 26));
  }

  /** Starts the side that has the user's images. */
  Side first(String name) throws IOException {
    List<String> words = new ArrayList<>();
    for (PairDisk disk : disks) {
      words.addAll(disk.first(name));
    }
    return start(name, words);
  }

  /**
   * Starts a side.
   *
   * @param more options of its own
   */
  private Side start(String name, List<String> more) throws IOException {
    List<String> words = new ArrayList<>(more);
    synchronized (networks) {
      networks.forEach(network -> words.addAll(List.of("-netdev", network.expect(name))));
    }
    Side[] self = new Side[1];
    List<JsonNode> early = new ArrayList<>();
    Side side =
        Side.start(
            name,
            options,
            words,
            console,
            event -> {
              synchronized (early) {
                if (self[0] == null) {
                  early.add(event);
                } else {
                  hear(self[0], event);
                }
              }
            });
    synchronized (early) {
      self[0] = side;
      early.forEach(event -> to.happened(side, event));
    }
    var _ = side.process().onExit().thenAccept(status -> to.ended(side, status));
    return side;
  }

  private void hear(Side side, JsonNode event) {
    if (event.path("event").asText().equals("STOP")) {
      // At once: what is printed from now on belongs to the state that follows.
      console.checkpoint(side.console());
    }
    to.happened(side, event);
  }

  /**
   * Starts a process for the other side, beside the one that runs the guest.
   *
   * @param from what has the disks; only needed where there are some
   */
  void secondary(long afterMillis, Optional<Side> from) {
    String name = nextName();
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                MachineProcess.pause(afterMillis);
                List<String> words = new ArrayList<>(List.of("-incoming", "defer"));
                synchronized (disks) {
                  for (PairDisk disk : disks) {
                    words.addAll(disk.copy(name, from.orElseThrow().process()));
                  }
                }
                to.arrived(start(name, words));
              } catch (IOException e) {
                to.doesNotStart(name, e);
              }
            });
  }

  /** The world hears this side from now on. */
  void follow(Side side) {
    console.follow(side.console());
    synchronized (networks) {
      networks.forEach(network -> network.follow(side.name()));
    }
  }

  void forget(String side) {
    synchronized (networks) {
      networks.forEach(network -> network.forget(side));
    }
    synchronized (disks) {
      for (PairDisk disk : disks) {
        disk.forget(side);
      }
    }
  }
}
