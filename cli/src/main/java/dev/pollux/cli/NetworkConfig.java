package dev.pollux.cli;

import dev.pollux.backend.net.MacAddress;
import dev.pollux.backend.net.Networks;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.board.Devices;
import dev.pollux.qmp.command.OptionText;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The networks of the command line.
 *
 * @param backends what {@code -netdev} and {@code -nic} make, in order
 * @param cards devices that {@code -nic} makes
 */
record NetworkConfig(List<DeviceOptions> backends, List<DeviceOptions> cards) {
  private static final String DEFAULT_MODEL = "virtio-net-pci";

  static NetworkConfig of(RunOptions.Networks options) {
    List<DeviceOptions> backends = new ArrayList<>();
    List<DeviceOptions> cards = new ArrayList<>();
    for (String text : options.netdev) {
      backends.add(OptionText.parse("-netdev", text, "type"));
    }
    int number = 0;
    for (String text : options.nic) {
      DeviceOptions nic = DeviceOptions.parse("-nic", text, "type");
      if (!nic.required("type").equals("none")) {
        String id = nic.string("id", "nic" + number++);
        cards.add(card(nic, id));
        backends.add(backend(nic, id));
      }
    }
    return new NetworkConfig(backends, cards);
  }

  /** The card's part of {@code -nic}. */
  private static DeviceOptions card(DeviceOptions nic, String id) {
    Map<String, String> card = new LinkedHashMap<>();
    String model = nic.string("model", DEFAULT_MODEL);
    Devices.CATALOG.find(model);
    card.put("driver", model);
    card.put("netdev", id);
    for (String key : List.of("mac", "addr", "bus")) {
      nic.string(key).ifPresent(value -> card.put(key, value));
    }
    if (MacAddress.parse(nic.string("mac", "")).isEmpty()) {
      throw nic.error("mac=%s is no address".formatted(nic.string("mac", "")));
    }
    return DeviceOptions.of("-nic " + nic.required("type"), card);
  }

  /** What is left of it is the back end's. */
  private static DeviceOptions backend(DeviceOptions nic, String id) {
    DeviceOptions rest = nic.without(List.of("model", "mac", "addr", "bus", "id"));
    return rest.with("id", id);
  }

  /** The list that some {@code -netdev} asks for. */
  static Optional<List<String>> helpAsked(RunOptions.Networks options) {
    if (options.netdev.stream().noneMatch(text -> text.equals("help") || text.equals("?"))) {
      return Optional.empty();
    }
    List<String> lines = new ArrayList<>();
    lines.add("Available netdev backend types:");
    lines.addAll(Networks.types());
    return Optional.of(lines);
  }
}
