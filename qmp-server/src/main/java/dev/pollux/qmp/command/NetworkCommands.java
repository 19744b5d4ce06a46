package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.net.Announcement;
import dev.pollux.backend.net.Drops;
import dev.pollux.backend.net.MacAddress;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetFilter.Direction;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.NetLink.Counters;
import dev.pollux.backend.net.NetworkClaim;
import dev.pollux.backend.net.Networks;
import dev.pollux.backend.net.ReceiveFilter;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.protocol.QmpException;
import dev.pollux.qmp.schema.Qmp;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;

/** Commands on networks. */
public sealed interface NetworkCommands<R> extends QmpCommand<R> {
  @Api.Name("netdev_add")
  @Api.Doc("Makes the host's side of a network; which members there are depends on the type.")
  record NetdevAdd(
      @Api.Doc("the kind of network, for instance user or tap") String type,
      @Api.Doc("a name for it") String id,
      @Qmp.Rest ObjectNode options)
      implements NetworkCommands<CompletableFuture<Void>> {
    @Override
    public CompletableFuture<Void> run(QmpContext context) {
      Networks networks = context.devices().services().networks();
      return add(networks, networks.prepare(all()), context.machine().loop()::post);
    }

    /**
     * Makes a back end, on a thread of its own where that may take long.
     *
     * @param loop where it is given to the machine
     */
    public static CompletableFuture<Void> add(
        Networks networks, Networks.Opening opening, Executor loop) {
      if (!opening.waitsForOthers()) {
        NetBackend _ = networks.add(opening.open());
        return CompletableFuture.completedFuture(null);
      }
      return Background.run("netdev_add", () -> open(opening))
          .thenAcceptAsync(made -> add(networks, made), loop);
    }

    private static NetBackend open(Networks.Opening opening) throws QmpException {
      try {
        return opening.open();
      } catch (ConfigException e) {
        throw new QmpException(e.getMessage());
      }
    }

    private static void add(Networks networks, NetBackend made) {
      try {
        NetBackend _ = networks.add(made);
      } catch (ConfigException e) {
        throw new CompletionException(new QmpException(e.getMessage()));
      }
    }

    private DeviceOptions all() {
      ObjectNode single = options.deepCopy();
      single.put("type", type);
      single.put("id", id);
      for (Map.Entry<String, JsonNode> member : options.properties()) {
        if (member.getValue().isArray()) {
          single.remove(member.getKey());
        }
      }
      DeviceOptions result = OptionText.of("netdev_add " + type, single);
      for (Map.Entry<String, JsonNode> member : options.properties()) {
        if (member.getValue().isArray()) {
          // Lists are of texts, or of objects that hold one (QAPI's String).
          for (JsonNode each : member.getValue()) {
            JsonNode text = each.isObject() ? each.path("str") : each;
            result = result.plus(member.getKey(), text.asText());
          }
        }
      }
      return result;
    }
  }

  @Api.Name("netdev_del")
  @Api.Doc("Takes the host's side of a network away; a card on it stays, with its cable out.")
  record NetdevDel(String id) implements NetworkCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.devices().services().networks().remove(id);
      return null;
    }
  }

  @Api.Name("set_link")
  @Api.Doc("Plugs a network's cable in or pulls it.")
  record SetLink(
      @Api.Doc("the network's name, or that of the card on it") String name,
      @Api.Doc("plugged in") boolean up)
      implements NetworkCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.devices().services().networks().setLink(name, up);
      return null;
    }
  }

  @Api.Name("announce-self")
  @Api.Doc("Has networks told where the guest is, as after a migration.")
  record AnnounceSelf(
      @Api.Unsigned
          @Api.Range(min = 0, max = 100_000)
          @Api.Doc("ms from the first announcement to the second")
          long initial,
      @Api.Unsigned @Api.Range(min = 0, max = 100_000) @Api.Doc("most ms between two") long max,
      @Api.Unsigned @Api.Range(min = 0, max = 1000) @Api.Doc("how many") long rounds,
      @Api.Unsigned @Api.Range(min = 1, max = 10_000) @Api.Doc("ms by which they move apart")
          long step,
      @Api.Doc("names of the cards that take part; all by default")
          Optional<List<String>> interfaces,
      @Api.Doc("of the series, which replaces one with the same name") Optional<String> id)
      implements NetworkCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context
          .devices()
          .services()
          .networks()
          .announcer()
          .begin(
              id.orElse(""),
              new Announcement(initial, max, rounds, step),
              card -> interfaces.isEmpty() || interfaces.get().contains(card.name()));
      return null;
    }
  }

  /** What is received of a kind of frame. */
  enum RxState {
    @Api.Doc("what is in the table")
    NORMAL,
    NONE,
    ALL;

    static RxState of(ReceiveFilter.Choice choice) {
      return switch (choice) {
        case NORMAL -> NORMAL;
        case NONE -> NONE;
        case ALL -> ALL;
      };
    }
  }

  /** Which frames a guest wants of a card. */
  record RxFilterInfo(
      String name,
      @Api.Doc("all frames") boolean promiscuous,
      RxState multicast,
      RxState unicast,
      RxState vlan,
      @Api.Doc("those to everybody") boolean broadcastAllowed,
      @Api.Doc("more groups than fit: all are received") boolean multicastOverflow,
      @Api.Doc("more addresses than fit: all are received") boolean unicastOverflow,
      String mainMac,
      List<Long> vlanTable,
      List<String> unicastTable,
      List<String> multicastTable) {
    static RxFilterInfo of(String name, ReceiveFilter filter) {
      return new RxFilterInfo(
          name,
          filter.promiscuous(),
          RxState.of(filter.multicast()),
          RxState.of(filter.unicast()),
          RxState.of(filter.vlan()),
          filter.broadcast(),
          filter.multicastOverflow(),
          filter.unicastOverflow(),
          MacAddress.text(filter.mainAddress()),
          // The last first, as QEMU has them.
          filter.vlans().stream().map(Integer::longValue).toList().reversed(),
          filter.unicastAddresses().stream().map(MacAddress::text).toList().reversed(),
          filter.multicastAddresses().stream().map(MacAddress::text).toList().reversed());
    }
  }

  @Api.Name("query-rx-filter")
  @Api.Doc("Which frames guests want of their cards, of the cards that say.")
  record QueryRxFilter(@Api.Doc("one card; all by default") Optional<String> name)
      implements NetworkCommands<List<RxFilterInfo>> {
    @Override
    public List<RxFilterInfo> run(QmpContext context) throws QmpException {
      Networks networks = context.devices().services().networks();
      List<RxFilterInfo> all = new ArrayList<>();
      boolean known = false;
      for (NetworkClaim card : networks.cards()) {
        if (name.isEmpty() || name.get().equals(card.label())) {
          known = true;
          card.takeFilter()
              .map(filter -> RxFilterInfo.of(card.label(), filter))
              .ifPresent(all::add);
        }
      }
      if (name.isPresent() && all.isEmpty()) {
        throw new QmpException(refusal(name.get(), known, networks.find(name.get()).isPresent()));
      }
      return all;
    }

    private static String refusal(String name, boolean card, boolean backend) {
      String client = "net client(" + name + ")";
      return card
          ? client + " doesn't support rx-filter querying"
          : backend ? client + " isn't a NIC" : "invalid net client name: " + name;
    }
  }

  /** What went one way over a cable. */
  record Traffic(
      long frames,
      long bytes,
      @Api.Doc("dropped on the cable: nobody at its end, or it was out") long dropped) {
    /** Of all queues together. */
    public static Traffic of(List<NetLink> links, Direction way) {
      List<Counters> all = links.stream().map(link -> link.counters(way)).toList();
      return new Traffic(
          all.stream().mapToLong(Counters::frames).sum(),
          all.stream().mapToLong(Counters::bytes).sum(),
          all.stream().mapToLong(Counters::dropped).sum());
    }
  }

  /** Frames that were dropped. */
  record DropCount(String reason, long frames) {
    static List<DropCount> of(Drops drops) {
      return drops.counts().entrySet().stream()
          .map(entry -> new DropCount(entry.getKey(), entry.getValue()))
          .toList();
    }
  }

  /** What a card, or a back end without one, has carried. */
  record NetworkStatistics(
      @Api.Doc("the card, where there is one") Optional<String> card,
      @Api.Doc("the back end, where there is one") Optional<String> netdev,
      @Api.Doc("queues that the back end has") long queues,
      Traffic fromGuest,
      Traffic toGuest,
      @Api.Doc("what the card has dropped") List<DropCount> cardDrops,
      @Api.Doc("what the back end has dropped") List<DropCount> netdevDrops) {
    static NetworkStatistics of(Optional<NetworkClaim> card, Optional<NetBackend> netdev) {
      List<NetLink> links =
          card.map(NetworkClaim::links).or(() -> netdev.map(NetBackend::links)).orElseThrow();
      return new NetworkStatistics(
          card.map(NetworkClaim::label),
          netdev.map(NetBackend::id),
          links.size(),
          Traffic.of(links, Direction.RX),
          Traffic.of(links, Direction.TX),
          card.map(claim -> DropCount.of(claim.card().drops())).orElse(List.of()),
          netdev.map(backend -> DropCount.of(backend.drops())).orElse(List.of()));
    }

    /** Cards first, then back ends that have none. */
    public static List<NetworkStatistics> of(Networks networks) {
      List<NetworkStatistics> all = new ArrayList<>();
      for (NetworkClaim card : networks.cards()) {
        all.add(of(Optional.of(card), networks.find(card.backend())));
      }
      for (NetBackend backend : networks.backends()) {
        if (networks.cards().stream().noneMatch(card -> card.backend().equals(backend.id()))) {
          all.add(of(Optional.empty(), Optional.of(backend)));
        }
      }
      return all;
    }
  }

  @Api.Name("x-pollux-query-networks")
  @Api.Unstable
  @Api.Doc("What networks have carried and dropped.")
  record QueryNetworks() implements NetworkCommands<List<NetworkStatistics>> {
    @Override
    public List<NetworkStatistics> run(QmpContext context) {
      return NetworkStatistics.of(context.devices().services().networks());
    }
  }
}
