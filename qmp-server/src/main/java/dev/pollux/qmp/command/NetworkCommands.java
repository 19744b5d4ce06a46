package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.schema.Qmp;
import java.util.Map;

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
}
