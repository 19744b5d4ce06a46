package dev.pollux.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What {@code -nic} and {@code -net} stand for. */
class NetworkConfigTest {
  private static RunOptions.Networks nic(String text) {
    RunOptions.Networks options = new RunOptions.Networks();
    options.nic.add(text);
    return options;
  }

  private static RunOptions.Networks net(String... texts) {
    RunOptions.Networks options = new RunOptions.Networks();
    options.net.addAll(List.of(texts));
    return options;
  }

  /** Each as one line of {@code key=value}, in order. */
  private static List<String> lines(List<DeviceOptions> all) {
    return all.stream()
        .map(
            one ->
                one.keys().stream()
                    .sorted()
                    .map(key -> key + "=" + one.required(key))
                    .collect(Collectors.joining(",")))
        .toList();
  }

  @ParameterizedTest
  @CsvSource({"virtio,virtio-net-pci", "virtio-net-pci,virtio-net-pci", "e1000,e1000"})
  void modelsOfCards(String model, String driver) {
    NetworkConfig config = NetworkConfig.of(nic("user,model=%s,restrict=on".formatted(model)));
    assertEquals(List.of("driver=%s,netdev=nic0".formatted(driver)), lines(config.cards()));
    assertEquals(List.of("id=nic0,restrict=on,type=user"), lines(config.backends()));
  }

  @Test
  void unknownModelNamesCardsOnly() {
    ConfigException refused =
        assertThrows(ConfigException.class, () -> NetworkConfig.of(nic("user,model=rtl8139")));
    assertEquals(
        "Unsupported NIC model: rtl8139; known: e1000, virtio, virtio-net-pci,"
            + " virtio-net-pci-non-transitional, virtio-net-pci-transitional",
        refused.getMessage());
    List<String> help = NetworkConfig.helpAsked(nic("user,model=help")).orElseThrow();
    assertEquals("Supported NIC models:", help.getFirst());
    assertTrue(help.contains("e1000"), help::toString);
  }

  @Test
  void oneCardAndOneNetworkAreConnected() {
    NetworkConfig config =
        NetworkConfig.of(
            net("nic,model=virtio,macaddr=52:54:00:00:00:01,name=a", "user,restrict=on"));
    assertEquals(
        List.of("driver=virtio-net-pci,id=a,mac=52:54:00:00:00:01,netdev=net0"),
        lines(config.cards()));
    assertEquals(List.of("id=net0,restrict=on,type=user"), lines(config.backends()));
    NetworkConfig named = NetworkConfig.of(net("user,id=n5", "nic"));
    assertEquals(List.of("driver=virtio-net-pci,netdev=n5"), lines(named.cards()));
    assertEquals(List.of("id=n5,type=user"), lines(named.backends()));
  }

  @Test
  void moreAreOnAHub() {
    NetworkConfig config = NetworkConfig.of(net("nic", "user", "nic,model=e1000"));
    assertEquals(
        List.of("driver=virtio-net-pci,netdev=hub0port0", "driver=e1000,netdev=hub0port2"),
        lines(config.cards()));
    assertEquals(
        List.of(
            "hubid=0,id=hub0port0,type=hubport",
            "id=net2,type=user",
            "hubid=0,id=hub0port1,netdev=net2,type=hubport",
            "hubid=0,id=hub0port2,type=hubport"),
        lines(config.backends()));
  }

  @Test
  void cardOnANetworkOfItsOwnNeedsNoHub() {
    NetworkConfig config = NetworkConfig.of(net("nic,netdev=n7"));
    assertEquals(List.of("driver=virtio-net-pci,netdev=n7"), lines(config.cards()));
    assertTrue(config.backends().isEmpty());
  }

  @Test
  void noneIsNone() {
    assertEquals(List.of(), NetworkConfig.of(net("none")).backends());
    assertEquals(List.of(), NetworkConfig.of(nic("none")).cards());
  }

  @ParameterizedTest
  @ValueSource(strings = {"nic,colour=red", "nic,macaddr=52:54:00:00:00", "nic,model=disk"})
  void refusesWhatNoCardHas(String text) {
    assertThrows(ConfigException.class, () -> NetworkConfig.of(net(text)));
  }
}
