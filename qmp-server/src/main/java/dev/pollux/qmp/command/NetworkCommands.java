package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.net.Announcement;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.schema.Qmp;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Commands on networks. */
public sealed interface NetworkCommands<R> extends QmpCommand<R> {
  @Api.Name("netdev_add")
  @Api.Doc("Makes the host's side of a network; which members there are depends on the type.")
  record NetdevAdd(
      @Api.Doc("the kind of network, for instance user or tap") String type,
      @Api.Doc("a name for it") String id,
      @Qmp.Rest ObjectNode options)
      implements NetworkCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.devices().services().networks().add(all());
      return null;
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
}
