package dev.pollux.devices.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.pci.PciFixture;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DeviceManagerTest {
  private PciFixture pci;

  @BeforeEach
  void make() throws IOException {
    pci = new PciFixture();
    pci.machine.lock().lock();
  }

  @AfterEach
  void close() {
    pci.machine.lock().unlock();
    pci.close();
  }

  private static DeviceOptions options(String text) {
    return DeviceOptions.parse("-device", text, "driver");
  }

  private UserObject object(String text) {
    MachineServices services = pci.devices.services();
    return services.objects().add(services, DeviceOptions.parse("-object", text, "qom-type"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "virtio-rnd-pci | 'virtio-rnd-pci' is not a valid device model name; did you mean",
        "virtio-rng-pci,vectros=1 | unknown property \"vectros\"; did you mean \"vectors\"?",
        "virtio-rng-pci,vectors=many | vectors=many is not a number; give 0 to 2048",
        "virtio-rng-pci,vectors=9999 | vectors=9999 is out of range; give 0 to 2048",
        "virtio-rng-pci,packed=maybe | packed=maybe is neither on nor off",
        "virtio-rng-pci,bus=pci.1 | Bus 'pci.1' not found; did you mean \"pci.0\"?",
        "isa-debug-exit,bus=pci.0 | Device 'isa-debug-exit' can't go on PCI bus",
        "isa-debug-exit | No 'ISA' bus found for device 'isa-debug-exit'",
        "virtio-rng-pci,id=1a | id '1a': identifiers consist of letters",
        "virtio-rng-pci,rng=nosuch | object 'nosuch' not found; there are none",
        "PIIX3 | 'PIIX3' is a part of machines and cannot be added",
        "virtio-rng-pci,disable-legacy=on,disable-modern=on | neither modern nor legacy",
        "virtio-blk-pci | drive is missing; add drive=ID",
      })
  void errorsSayWhatWouldBeRight(String text, String message) {
    int buses = pci.devices.buses().size();
    ConfigException e =
        assertThrows(ConfigException.class, () -> pci.devices.add(options(text), false));
    assertTrue(e.getMessage().contains(message), e.getMessage());
    assertEquals(buses, pci.devices.buses().size());
    assertEquals(List.of(), pci.bus.devices(), "nothing is left behind");
    assertEquals(List.of(), pci.machine.devices());
  }

  @Test
  void idsAreTakenOnce() {
    pci.devices.add(options("virtio-rng,id=a"), false);
    ConfigException e =
        assertThrows(
            ConfigException.class, () -> pci.devices.add(options("virtio-rng,id=a"), false));
    assertTrue(e.getMessage().contains("Duplicate device ID 'a'"), e.getMessage());
    assertEquals(1, pci.bus.devices().size());
  }

  @Test
  void monitorsCanTellThatThereIsNoSuchDevice() {
    pci.devices.add(options("virtio-rng,id=a"), false);
    ConfigException none =
        assertThrows(ConfigException.class, () -> pci.devices.requestRemoval("b"));
    assertTrue(none.isDeviceNotFound() && none.getMessage().startsWith("Device 'b' not found"));
    ConfigException fixed =
        assertThrows(ConfigException.class, () -> pci.devices.requestRemoval("a"));
    assertTrue(!fixed.isDeviceNotFound(), fixed.getMessage());
  }

  @Test
  void objectsStayWhileTheyAreUsed() {
    object("rng-builtin,id=r");
    DeviceNode node = pci.devices.add(options("virtio-rng-pci,rng=r,id=d"), false);
    ObjectManager objects = pci.devices.services().objects();
    ConfigException used = assertThrows(ConfigException.class, () -> objects.remove("r"));
    assertTrue(used.getMessage().contains("in use"), used.getMessage());
    pci.devices.remove(node);
    objects.remove("r");
    assertThrows(ConfigException.class, () -> objects.remove("r"));
    ConfigException kind =
        assertThrows(
            ConfigException.class,
            () -> {
              object("iothread,id=t");
              pci.devices.add(options("virtio-rng-pci,rng=t"), false);
            });
    assertTrue(kind.getMessage().contains("of type iothread"), kind.getMessage());
  }

  @Test
  void theTreeShowsWhatThereIs() {
    DeviceNode node = pci.devices.add(options("virtio-rng-pci,id=d,packed=on"), false);
    ObjectTree tree = pci.devices.tree();
    assertSame(node, tree.find("/machine/peripheral/d"));
    assertSame(node, tree.find("d"));
    assertEquals("/machine/peripheral/d", node.path());
    assertEquals(true, node.property("packed").get().get());
    assertEquals("virtio-rng-pci", node.property("type").get().get());
    assertEquals("virtio-rng-device", tree.find("/machine/peripheral/d/virtio-backend").type());
    ConfigException fixed =
        assertThrows(ConfigException.class, () -> node.property("packed").set().accept(false));
    assertTrue(fixed.getMessage().contains("after it was realized"), fixed.getMessage());
    assertThrows(ConfigException.class, () -> tree.find("/machine/nosuch"));
    assertThrows(ConfigException.class, () -> node.property("nosuch"));
  }

  @Test
  void globalsAreDefaultsOfTypesAndAllBelow() {
    for (String text :
        List.of("virtio-rng-pci.vectors=0", "virtio-pci.packed=on", "virtio-rng.vectors=7")) {
      GlobalDefault global = GlobalDefault.parse(text, Devices.CATALOG);
      assertTrue(global.isFor(Devices.CATALOG.find("virtio-rng-pci")), text);
    }
    for (String text : List.of("virtio-rgn-pci.vectors=0", "virtio-rng-pci.nosuch=1", "x")) {
      assertThrows(ConfigException.class, () -> GlobalDefault.parse(text, Devices.CATALOG), text);
    }
  }

  @Test
  void typesHaveTheirPlace() {
    TypeTree types = new TypeTree(Devices.CATALOG, Devices.OBJECTS);
    assertEquals("device", types.find("pci-device").parent());
    assertTrue(types.find("pci-device").isAbstract());
    List<String> pciTypes =
        types.below(Optional.of("pci-device"), false).stream().map(TypeTree.Type::name).toList();
    assertTrue(pciTypes.containsAll(List.of("virtio-rng-pci", "virtio-blk-pci", "i440FX")));
    assertTrue(pciTypes.stream().noneMatch("isa-serial"::equals));
    assertEquals("rng-backend", types.find("rng-random").parent());
    assertThrows(ConfigException.class, () -> types.findDevice("iothread"));
  }

  @Test
  void everyTypeExplainsItself() {
    for (DeviceType<?> type : Devices.CATALOG.types()) {
      List<String> help = DeviceCatalog.help(type);
      assertTrue(help.size() == 1 || help.size() == 1 + type.allProperties().size(), type.name());
    }
    assertTrue(
        Devices.CATALOG.help().stream()
            .anyMatch("name \"virtio-rng-pci\", bus PCI, alias \"virtio-rng\""::equals));
  }
}
