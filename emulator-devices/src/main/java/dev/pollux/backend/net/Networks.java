package dev.pollux.backend.net;

import dev.pollux.backend.chr.PeerAddress;
import dev.pollux.backend.net.user.UserNetwork;
import dev.pollux.backend.net.wire.HubPort;
import dev.pollux.backend.net.wire.WireTypes;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.config.Suggestions;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.MachineListener;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;

/** All networks of a machine: back ends by name, and the cards on them. Machine lock held. */
public final class Networks implements AutoCloseable {
  private static final Pattern ID = Pattern.compile("[A-Za-z][-A-Za-z0-9._]*");

  /** Types by the names {@code -netdev} has for them. */
  private static final Map<String, Factory> TYPES =
      new TreeMap<>(
          Map.of(
              "bridge",
              (id, o, all) -> TapBackend.bridge(id, o),
              "dgram",
              (id, o, all) -> WireTypes.dgram(id, o),
              "hubport",
              (id, o, all) -> WireTypes.hubport(id, o, all, all.hubs),
              "socket",
              (id, o, all) -> WireTypes.socket(id, o),
              "stream",
              WireTypes::stream,
              "tap",
              (id, o, all) -> TapBackend.of(id, o),
              "user",
              (id, o, all) -> UserNetwork.of(id, o)));

  /** Makes a back end. */
  @FunctionalInterface
  private interface Factory {
    NetBackend make(String id, DeviceOptions options, Networks all);
  }

  private final Map<String, NetBackend> backends = new LinkedHashMap<>();
  private final List<NetworkClaim> cards = new ArrayList<>();
  private final HubPort.Hubs hubs = new HubPort.Hubs();

  /** Networks that are at a port of a hub. */
  private final Set<NetBackend> atHubs = new HashSet<>();

  private final List<NetworkListener> listeners = new CopyOnWriteArrayList<>();
  private final Checkpoints checkpoints = new Checkpoints();
  private BooleanSupplier gate = () -> true;
  private ScheduledExecutorService filters;
  private Announcer announcer;
  private int nextAddress = 0x56;
  private boolean running;

  public Networks() {
    checkpoints.add(
        new Checkpoints.Listener() {
          @Override
          public void began(Checkpoints.Side side) {
            isolate(side == Checkpoints.Side.SECONDARY);
          }

          @Override
          public void failedOver() {
            isolate(false);
          }
        });
  }

  /** Adds who hears of peers. */
  public void addListener(NetworkListener listener) {
    listeners.add(listener);
  }

  /** Tells all listeners. */
  public NetworkListener listener() {
    return new NetworkListener() {
      @Override
      public void connected(String netdev, PeerAddress peer) {
        listeners.forEach(listener -> listener.connected(netdev, peer));
      }

      @Override
      public void disconnected(String netdev) {
        listeners.forEach(listener -> listener.disconnected(netdev));
      }

      @Override
      public void filterChanged(String card, String path) {
        listeners.forEach(listener -> listener.filterChanged(card, path));
      }
    };
  }

  /** Whether a card or a hub is connected to a back end. */
  public boolean isTaken(String backend) {
    return cards.stream().anyMatch(other -> other.backend().equals(backend))
        || atHubs.stream().anyMatch(other -> other.id().equals(backend));
  }

  /** A hub is connected to a back end from now on. */
  public void take(NetBackend backend) {
    atHubs.add(backend);
  }

  /** Where filters hear of a pair's checkpoints. */
  public Checkpoints checkpoints() {
    return checkpoints;
  }

  /**
   * A secondary's guest hears what the primary's hears, and nobody hears it before it goes on
   * alone.
   */
  private void isolate(boolean isolated) {
    backends.values().forEach(backend -> isolate(backend, isolated));
  }

  private static void isolate(NetBackend backend, boolean isolated) {
    backend.links().forEach(link -> link.setIsolated(isolated));
  }

  /** Sets who is asked whether what guests send may leave: see {@link NetLink#setGate}. */
  public void setGate(BooleanSupplier mayLeave) {
    gate = mayLeave;
    backends.values().forEach(backend -> backend.links().forEach(link -> link.setGate(mayLeave)));
  }

  /** The thread of filters: what comes from character devices, and timers. */
  public ScheduledExecutorService filters() {
    if (filters == null) {
      ScheduledThreadPoolExecutor one =
          new ScheduledThreadPoolExecutor(
              1, Thread.ofPlatform().name("network filters").daemon(true).factory());
      one.setRemoveOnCancelPolicy(true);
      filters = one;
    }
    return filters;
  }

  /** The names {@code -netdev} takes. */
  public static List<String> types() {
    return List.copyOf(TYPES.keySet());
  }

  /** A back end that is not made yet. */
  public final class Opening {
    private final String id;
    private final DeviceOptions options;
    private final Factory factory;

    private Opening(String id, DeviceOptions options, Factory factory) {
      this.id = id;
      this.options = options;
      this.factory = factory;
    }

    /** Whether {@link #open} may wait for programs or other hosts. */
    public boolean waitsForOthers() {
      return !options.required("type").equals("hubport");
    }

    /**
     * Makes the back end, which does not belong to the machine yet. Without the machine lock where
     * it {@linkplain #waitsForOthers waits}.
     *
     * @throws ConfigException where options are wrong or the host refuses, with one line for the
     *     user
     */
    public NetBackend open() {
      return factory.make(id, options, Networks.this);
    }
  }

  /**
   * Looks at the options of a back end as far as that goes without making it.
   *
   * @param options with {@code type} and {@code id}
   * @throws ConfigException where they are wrong
   */
  public Opening prepare(DeviceOptions options) {
    String type = options.required("type");
    String id = options.required("id");
    if (!ID.matcher(id).matches()) {
      throw new ConfigException(
          "Parameter 'id' expects an identifier: a letter, then letters, digits, '-', '.', '_'");
    }
    requireFree(id);
    Factory factory = TYPES.get(type);
    if (factory == null) {
      throw options.error(
          "Parameter 'type' does not accept value '%s'; %s"
              .formatted(type, Suggestions.hint(type, TYPES.keySet())));
    }
    return new Opening(id, options, factory);
  }

  private void requireFree(String id) {
    if (backends.containsKey(id)) {
      throw new ConfigException("Duplicate ID '%s' for netdev".formatted(id));
    }
  }

  /**
   * Gives the machine a back end.
   *
   * @throws ConfigException where there is one of this name by now; the new one is closed
   */
  public NetBackend add(NetBackend backend) {
    try {
      requireFree(backend.id());
    } catch (ConfigException e) {
      backend.close();
      throw e;
    }
    backend.setRunning(running);
    isolate(backend, checkpoints.side() == Checkpoints.Side.SECONDARY);
    backend.links().forEach(link -> link.setGate(gate));
    backends.put(backend.id(), backend);
    return backend;
  }

  /**
   * Makes a back end at once.
   *
   * @param options with {@code type} and {@code id}
   * @throws ConfigException where they are wrong or the host refuses, with one line for the user
   */
  public NetBackend add(DeviceOptions options) {
    return add(prepare(options).open());
  }

  /** Back ends in the order in which they were made. */
  public List<NetBackend> backends() {
    return List.copyOf(backends.values());
  }

  /** The back end of this name. */
  public Optional<NetBackend> find(String id) {
    return Optional.ofNullable(backends.get(id));
  }

  /**
   * Closes a back end. A card on it stays, with its cable unplugged, as in QEMU.
   *
   * @throws ConfigException if there is none of this name
   */
  public void remove(String id) {
    NetBackend backend = backends.get(id);
    if (backend == null) {
      throw ConfigException.deviceNotFound("Device '%s' not found".formatted(id));
    }
    backend.tellDependants();
    backends.remove(id);
    atHubs.remove(backend);
    backend.links().forEach(link -> link.setUp(false));
    backend.close();
  }

  /**
   * Plugs a cable in or pulls it.
   *
   * @param name of the back end, or of the card on it
   * @throws ConfigException if there is neither
   */
  public void setLink(String name, boolean up) {
    List<NetLink> links =
        cards.stream()
            .filter(card -> card.name().equals(name))
            .findFirst()
            .map(NetworkClaim::links)
            .or(() -> find(name).map(NetBackend::links))
            .orElseThrow(
                () -> ConfigException.deviceNotFound("Device '%s' not found".formatted(name)));
    links.forEach(link -> link.setUp(up));
  }

  /**
   * The user network of a name, or the only one.
   *
   * @param id empty for the only one
   * @throws ConfigException if there is none
   */
  public UserNetwork user(String id) {
    List<UserNetwork> found =
        backends.values().stream()
            .filter(backend -> id.isEmpty() || backend.id().equals(id))
            .filter(UserNetwork.class::isInstance)
            .map(UserNetwork.class::cast)
            .toList();
    if (found.size() != 1) {
      throw new ConfigException(
          found.isEmpty()
              ? "unrecognized netdev id '%s': there is no user network of that name".formatted(id)
              : "there are several user networks; say which by its id");
    }
    return found.getFirst();
  }

  /**
   * Connects a card to a back end.
   *
   * @param card the card's name; empty where it has none
   * @param backend the back end's; empty for none
   * @param address 6 bytes, or none for the next free address
   * @throws ConfigException if there is none of this name, or it has a card already
   */
  public NetworkClaim claim(String card, String backend, byte[] address) {
    List<NetLink> links = List.of(new NetLink());
    if (!backend.isEmpty()) {
      links = find(backend).orElseThrow(() -> unknown(backend)).links();
      if (isTaken(backend)) {
        throw new ConfigException(
            "netdev '%s' has a card already; give each card a netdev of its own"
                .formatted(backend));
      }
    }
    NetworkClaim claim =
        new NetworkClaim(this, links, card, backend, address.length == 0 ? freeAddress() : address);
    cards.add(claim);
    return claim;
  }

  private ConfigException unknown(String backend) {
    return new ConfigException(
        "netdev '%s' not found; %s"
            .formatted(
                backend,
                backends.isEmpty()
                    ? "there are none"
                    : Suggestions.hint(backend, backends.keySet())));
  }

  private byte[] freeAddress() {
    byte[] address;
    do {
      address = new byte[] {0x52, 0x54, 0x00, 0x12, 0x34, (byte) nextAddress++};
    } while (isTaken(address));
    return address;
  }

  private boolean isTaken(byte[] address) {
    return cards.stream().anyMatch(card -> Arrays.equals(card.address(), address));
  }

  /** How many cards of the same model were made before this one. */
  int index(NetworkClaim claim) {
    return (int)
        cards.stream()
            .limit(cards.indexOf(claim))
            .filter(other -> other.model().equals(claim.model()))
            .count();
  }

  void release(NetworkClaim claim) {
    cards.remove(claim);
  }

  /** Cards in the order in which they were made. */
  public List<NetworkClaim> cards() {
    return List.copyOf(cards);
  }

  /** Announces the guest's place; once a machine is followed. */
  public Announcer announcer() {
    return announcer;
  }

  /** Follows a machine's CPUs from now on. */
  public void watch(Machine machine) {
    announcer = new Announcer(machine, this);
    machine.addListener(
        new MachineListener() {
          @Override
          public void stopped() {
            setRunning(false);
          }

          @Override
          public void resumed() {
            setRunning(true);
          }
        });
  }

  /** The machine's CPUs run, or stand still: then guests get no frames, and nothing is lost. */
  private void setRunning(boolean runs) {
    running = runs;
    backends.values().forEach(backend -> backend.setRunning(runs));
  }

  @Override
  public void close() {
    backends.values().forEach(NetBackend::close);
    backends.clear();
    if (filters != null) {
      filters.shutdownNow();
    }
  }
}
