package dev.pollux.cli;

import dev.pollux.backend.net.MacAddress;
import dev.pollux.backend.net.Networks;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.qmp.command.OptionText;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The networks of the command line.
 *
 * @param backends what {@code -netdev}, {@code -nic} and {@code -net} make, in order
 * @param cards devices that {@code -nic} and {@code -net nic} make
 */
record NetworkConfig(List<DeviceOptions> backends, List<DeviceOptions> cards) {
  private static final String DEFAULT_MODEL = "virtio-net-pci";

  /** What {@code model=} also takes. */
  private static final String SHORT_MODEL = "virtio";

  /** What a card's part of {@code -nic} takes; {@code -net nic} calls the first {@code macaddr}. */
  private static final List<String> OF_CARDS = List.of("mac", "addr", "bus");

  static NetworkConfig of(RunOptions.Networks options) {
    NetworkConfig all = new NetworkConfig(new ArrayList<>(), new ArrayList<>());
    for (String text : options.netdev) {
      all.backends.add(OptionText.parse("-netdev", text, "type"));
    }
    int number = 0;
    for (String text : options.nic) {
      DeviceOptions nic = DeviceOptions.parse("-nic", text, "type");
      if (!nic.required("type").equals("none")) {
        String id = nic.string("id", "nic" + number++);
        all.cards.add(card(nic, id));
        all.backends.add(backend(nic, id));
      }
    }
    all.addOnHub(options.net);
    return all;
  }

  /**
   * What {@code -net} makes is all on one hub. One card and one back end are connected with each
   * other, which is the same.
   */
  private void addOnHub(List<String> texts) {
    List<DeviceOptions> ends =
        texts.stream()
            .map(text -> DeviceOptions.parse("-net", text, "type"))
            .filter(end -> !end.required("type").equals("none"))
            .toList();
    boolean direct = ends.size() == 2 && ends.stream().filter(NetworkConfig::isCard).count() == 1;
    Optional<DeviceOptions> other = ends.stream().filter(end -> !isCard(end)).findFirst();
    String only = other.map(end -> end.string("id", "net0")).orElse("");
    int port = 0;
    for (DeviceOptions end : ends) {
      String id = "hub0port" + port++;
      if (isCard(end)) {
        cards.add(legacyCard(end, end.string("netdev", direct ? only : id)));
        if (!direct && !end.has("netdev")) {
          backends.add(hubPort(id));
        }
      } else if (direct) {
        backends.add(backend(end, only));
      } else {
        String network = end.string("id", "net" + port);
        backends.add(backend(end, network));
        backends.add(hubPort(id).with("netdev", network));
      }
    }
  }

  private static boolean isCard(DeviceOptions net) {
    return net.required("type").equals("nic");
  }

  private static DeviceOptions legacyCard(DeviceOptions net, String id) {
    DeviceOptions card = card(net, id);
    for (String key : List.of("vectors", "name")) {
      Optional<String> value = net.string(key);
      if (value.isPresent()) {
        card = card.with(key.equals("name") ? "id" : key, value.get());
      }
    }
    net.rejectUnknown();
    return card;
  }

  private static DeviceOptions hubPort(String id) {
    return DeviceOptions.of("-net", Map.of("type", "hubport", "id", id, "hubid", "0"));
  }

  /** The card's part of {@code -nic}. */
  private static DeviceOptions card(DeviceOptions nic, String id) {
    Map<String, String> card = new LinkedHashMap<>();
    card.put("driver", model(nic.string("model", DEFAULT_MODEL)));
    card.put("netdev", id);
    for (String key : OF_CARDS) {
      nic.string(key).ifPresent(value -> card.put(key, value));
    }
    nic.string("macaddr").ifPresent(value -> card.put("mac", value));
    String address = card.getOrDefault("mac", "");
    if (MacAddress.parse(address).isEmpty()) {
      throw nic.error("mac=%s is no address of a card".formatted(address));
    }
    return DeviceOptions.of("-nic " + nic.required("type"), card);
  }

  private static String model(String name) {
    String model = name.equals(SHORT_MODEL) ? DEFAULT_MODEL : name;
    if (models().noneMatch(type -> type.isCalled(model))) {
      throw new ConfigException(
          "Unsupported NIC model: %s; known: %s".formatted(name, String.join(", ", modelNames())));
    }
    return model;
  }

  private static Stream<DeviceType<?>> models() {
    return Devices.CATALOG.types().stream()
        .filter(type -> type.userCreatable() && type.category() == DeviceCategory.NETWORK)
        .filter(type -> !type.name().endsWith("-device"));
  }

  private static List<String> modelNames() {
    return Stream.concat(models().map(DeviceType::name), Stream.of(SHORT_MODEL)).sorted().toList();
  }

  /** What is left of it is the back end's. */
  private static DeviceOptions backend(DeviceOptions nic, String id) {
    List<String> others = new ArrayList<>(OF_CARDS);
    others.addAll(List.of("model", "id"));
    return nic.without(others).with("id", id);
  }

  /** The list that some {@code -netdev}, or a {@code model=}, asks for. */
  static Optional<List<String>> helpAsked(RunOptions.Networks options) {
    List<String> lines = new ArrayList<>();
    if (options.netdev.stream().anyMatch(text -> text.equals("help") || text.equals("?"))) {
      lines.add("Available netdev backend types:");
      lines.addAll(Networks.types());
    } else if (Stream.concat(options.nic.stream(), options.net.stream())
        .anyMatch(text -> text.equals("help") || text.contains("model=help"))) {
      lines.add("Supported NIC models:");
      lines.addAll(modelNames());
    }
    return lines.isEmpty() ? Optional.empty() : Optional.of(lines);
  }
}
