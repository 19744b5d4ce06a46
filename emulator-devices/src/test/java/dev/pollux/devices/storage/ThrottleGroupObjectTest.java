package dev.pollux.devices.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.UserObject;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** A throttle group made, changed while it runs, and removed. */
class ThrottleGroupObjectTest {
  private final Machine machine = new Machine("", new Machine.EndPolicy(false, false));
  private final BlockGraph blocks = new BlockGraph(new BlockListener() {});
  private final MachineServices services =
      Devices.manager(machine, new CharDevices(machine.loop()::post, () -> {}), blocks).services();

  private UserObject add(String text) {
    return services.objects().add(services, DeviceOptions.parse("-object", text, "qom-type"));
  }

  private static long limit(LiveProperty limits, String key) {
    return (Long) ((Map<?, ?>) limits.get().get()).get(key);
  }

  @Test
  void itsLimitsAreReadAndSet() {
    UserObject group =
        add("throttle-group,id=g,x-bps-read=1000,x-bps-read-max=5000,x-iops-total=7");
    LiveProperty limits = group.property("limits");
    assertEquals(1000, limit(limits, "bps-read"));
    assertEquals(5000, limit(limits, "bps-read-max"));
    assertEquals(7, limit(limits, "iops-total"));
    limits.set().accept(Map.of("bps-write", 300L));
    assertEquals(1000, limit(limits, "bps-read")); // what is not said stays
    assertEquals(300, blocks.throttleGroup("g").limits().asMap().get("bps-write"));
    limits.set().accept(Map.of());
    assertEquals(300, limit(limits, "bps-write"));
    limits.set().accept(Map.of("bps-write", 0L));
    assertEquals(0, limit(limits, "bps-write"));
    assertThrows(ConfigException.class, () -> limits.set().accept(Map.of("bps", 300L)));
    assertThrows(ConfigException.class, () -> limits.set().accept(5L));
    services.objects().remove("g");
    assertThrows(ConfigException.class, () -> blocks.throttleGroup("g"));
  }

  @Test
  void limitsThatDoNotFitTogetherAreRefused() {
    assertThrows(
        ConfigException.class, () -> add("throttle-group,id=a,x-bps-total=1,x-bps-read=1"));
    assertThrows(ConfigException.class, () -> add("throttle-group,id=b,x-bps-total-max=1"));
    assertThrows(
        ConfigException.class, () -> add("throttle-group,id=c,x-iops-total=5,x-iops-total-max=1"));
  }
}
