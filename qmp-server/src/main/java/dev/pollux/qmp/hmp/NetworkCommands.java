package dev.pollux.qmp.hmp;

import dev.pollux.backend.net.Drops;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetFilter.Direction;
import dev.pollux.backend.net.NetworkClaim;
import dev.pollux.backend.net.Networks;
import dev.pollux.qmp.command.NetworkCommands.NetdevAdd;
import dev.pollux.qmp.command.NetworkCommands.Traffic;
import dev.pollux.qmp.command.OptionText;
import java.util.List;
import java.util.Objects;

/** Commands on networks. */
final class NetworkCommands {
  private NetworkCommands() {}

  static void declare(DeviceCommands.Declarer command, DeviceCommands.Declarer info) {
    command.declare(
        "netdev_add",
        "[user|tap],id=str[,prop=value][,...]",
        "make the host's side of a network",
        (s, a) -> {
          String text = a.rest();
          return out -> {
            Networks networks = networks(s);
            Networks.Opening opening =
                networks.prepare(OptionText.parse("netdev_add", text, "type"));
            s.leave(NetdevAdd.add(networks, opening, s.machine().loop()::post));
          };
        });
    command.declare(
        "netdev_del",
        "id",
        "take the host's side of a network away",
        (s, a) -> {
          String id = a.requiredWord("id");
          return out -> networks(s).remove(id);
        });
    command.declare(
        "set_link",
        "name on|off",
        "plug a network's cable in, or pull it",
        (s, a) -> {
          String name = a.requiredWord("name");
          String state = a.requiredWord("on or off");
          if (!state.equals("on") && !state.equals("off")) {
            throw new HmpException("set_link: \"%s\" is neither on nor off".formatted(state));
          }
          return out -> networks(s).setLink(name, state.equals("on"));
        });
    command.declare(
        "announce_self",
        "[interfaces] [id]",
        "have networks told where the guest is",
        (s, a) -> {
          String names = Objects.requireNonNullElse(a.word(), "");
          String id = Objects.requireNonNullElse(a.word(), "");
          List<String> cards = names.isEmpty() ? List.of() : List.of(names.split(",", -1));
          return _ ->
              networks(s)
                  .announcer()
                  .begin(
                      id,
                      s.migration().parameters().announcement(),
                      card -> cards.isEmpty() || cards.contains(card.name()));
        });
    command.declare(
        "hostfwd_add",
        "[netdev_id] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport",
        "forward a port of the host to a guest",
        (s, a) -> {
          Rule rule = Rule.of(a);
          return out -> networks(s).user(rule.network()).addForward(rule.text());
        });
    command.declare(
        "hostfwd_remove",
        "[netdev_id] [tcp|udp]:[hostaddr]:hostport",
        "forward a port no more",
        (s, a) -> {
          Rule rule = Rule.of(a);
          return out -> {
            boolean removed = networks(s).user(rule.network()).removeForward(rule.text());
            out.append(
                "host forwarding rule for %s %s\n"
                    .formatted(rule.text(), removed ? "removed" : "not found"));
          };
        });
    info.declare("network", "", "networks and the cards on them", (s, a) -> out -> show(s, out));
    info.declare(
        "usernet", "", "connections of user networks", (s, a) -> out -> connections(s, out));
  }

  /** A forwarding rule, perhaps behind a network's name. */
  private record Rule(String network, String text) {
    static Rule of(HmpArguments a) {
      String first = a.requiredWord("rule");
      String second = a.word();
      return second.isEmpty() ? new Rule("", first) : new Rule(first, second);
    }
  }

  private static Networks networks(HmpSession session) {
    return session.devices().services().networks();
  }

  private static void show(HmpSession session, StringBuilder out) {
    Networks networks = networks(session);
    for (NetworkClaim card : networks.cards()) {
      out.append("%s: index=0,type=nic,%s\n".formatted(card.label(), card.describe()));
      drops(card.card().drops(), out);
      networks.find(card.backend()).ifPresent(backend -> show(" \\ ", backend, out));
    }
    for (NetBackend backend : networks.backends()) {
      if (networks.cards().stream().noneMatch(card -> card.backend().equals(backend.id()))) {
        show("", backend, out);
      }
    }
  }

  private static void show(String prefix, NetBackend backend, StringBuilder out) {
    int queues = backend.links().size();
    out.append(
        "%s%s: index=0,type=%s,%s%s%s\n"
            .formatted(
                prefix,
                backend.id(),
                backend.type(),
                backend.describe(),
                queues == 1 ? "" : ",queues=" + queues,
                backend.link().isUp() ? "" : ",link=off"));
    Traffic from = Traffic.of(backend.links(), Direction.RX);
    Traffic to = Traffic.of(backend.links(), Direction.TX);
    out.append(
        "     from the guest %d frames, %d bytes, %d dropped; to it %d frames, %d bytes, %d dropped\n"
            .formatted(
                from.frames(),
                from.bytes(),
                from.dropped(),
                to.frames(),
                to.bytes(),
                to.dropped()));
    drops(backend.drops(), out);
  }

  private static void drops(Drops drops, StringBuilder out) {
    drops
        .counts()
        .forEach((reason, count) -> out.append("     dropped: %d, %s\n".formatted(count, reason)));
  }

  private static void connections(HmpSession session, StringBuilder out) {
    for (NetBackend backend : networks(session).backends()) {
      List<String> lines = backend.connections();
      if (!lines.isEmpty()) {
        out.append("%s:\n".formatted(backend.id()));
        lines.forEach(line -> out.append(line).append('\n'));
      }
    }
  }
}
