package dev.pollux.tests.colo;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.chr.CharOptions;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Networks;
import dev.pollux.backend.net.Offloads;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.ObjectManager;
import dev.pollux.devices.model.ObjectTree;
import dev.pollux.migration.colo.NetworkCheckpoints;
import dev.pollux.migration.colo.compare.ComparisonObjects;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.stream.Stream;

/**
 * The network of a machine in this process with the test at either end of its cable: at the guest's
 * it says numbers, at the world's it hears which of them leave.
 */
final class LocalNetwork implements AutoCloseable {
  private static final int PAYLOAD = 14 + 20 + 8;

  private final Machine machine;
  private final CharDevices charDevices;
  private final BlockGraph blocks = new BlockGraph(new BlockListener() {});
  private final Networks networks = new Networks();
  private final ObjectManager objects;
  private final MachineServices services;
  private final NetLink link;

  /**
   * Connects a machine, before its first pair.
   *
   * @param world hears each number that leaves, on any thread
   */
  LocalNetwork(LocalMachine local, LongConsumer world) {
    machine = local.machine();
    charDevices = new CharDevices(machine.loop()::post, () -> {});
    objects =
        new ObjectManager(
            new ObjectTree("none-machine"),
            Stream.of(Devices.OBJECTS, ComparisonObjects.TYPES).flatMap(List::stream).toList());
    services = new MachineServices(machine, charDevices, blocks, networks, objects);
    link = networks.add(DeviceOptions.parse("-netdev", "user,id=n0,restrict=on", "type")).link();
    link.attachBackend(new Hears(world));
    link.attachCard(new Hears(_ -> {}));
    networks.watch(machine);
    NetworkCheckpoints.connect(local.migration().colo(), networks.checkpoints());
  }

  private record Hears(LongConsumer numbers) implements NetEnd {
    @Override
    public int take(Frame[] frames, int count) {
      for (int i = 0; i < count; i++) {
        ByteBuffer data = frames[i].data();
        numbers.accept(data.getLong(data.position() + PAYLOAD));
      }
      return count;
    }

    @Override
    public void resume() {
      // Nothing is kept.
    }

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }
  }

  private void socket(Path folder, String id, String file, boolean server) {
    String role = server ? ",server=on,wait=off" : "";
    charDevices.add(
        CharOptions.parse("socket,id=%s,path=%s%s".formatted(id, folder.resolve(file), role)));
  }

  private void object(String text) {
    objects.add(services, DeviceOptions.parse("-object", text, "qom-type"));
  }

  /** What a primary has; the secondary comes later. Event loop. */
  void wirePrimary(Path folder) {
    socket(folder, "mirror0", "mirror", true);
    socket(folder, "compare1", "compare", true);
    socket(folder, "compare0", "in", true);
    socket(folder, "compare0-0", "in", false);
    socket(folder, "out", "out", true);
    socket(folder, "out0", "out", false);
    object("filter-mirror,id=m0,netdev=n0,queue=tx,outdev=mirror0");
    object("filter-redirector,id=redire0,netdev=n0,queue=rx,indev=out");
    object("filter-redirector,id=redire1,netdev=n0,queue=rx,outdev=compare0");
    object("iothread,id=iothread1");
    object(
        "colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=out0,"
            + "iothread=iothread1");
  }

  /** Sets a property of the comparison, and reads it. Event loop. */
  Object compareWith(String property, Object value) {
    LiveProperty found = objects.get("comp0", Object.class).property(property);
    found.set().accept(value);
    return found.get().get();
  }

  /** What a secondary has. Event loop. */
  void wireSecondary(Path folder) {
    socket(folder, "red0", "mirror", false);
    socket(folder, "red1", "compare", false);
    object("filter-redirector,id=f1,netdev=n0,queue=tx,indev=red0");
    object("filter-redirector,id=f2,netdev=n0,queue=rx,outdev=red1");
    object("filter-rewriter,id=rew0,netdev=n0,queue=all");
  }

  /** What a manager takes from a secondary that has taken over. Event loop. */
  void unwireSecondary() {
    objects.remove("f1");
    objects.remove("f2");
  }

  /** The guest sends a number, in a UDP datagram over IPv4. Event loop. */
  void say(long number) {
    ByteBuffer data = ByteBuffer.allocateDirect(PAYLOAD + Long.BYTES);
    data.putShort(12, (short) 0x0800);
    data.put(14, (byte) 0x45).putShort(16, (short) (20 + 8 + Long.BYTES));
    data.put(22, (byte) 64).put(23, (byte) 17);
    data.putInt(26, 0x0a09_0002).putInt(30, 0x0a09_0001);
    data.putShort(34, (short) 7000).putShort(36, (short) 7000);
    data.putShort(38, (short) (8 + Long.BYTES));
    data.putLong(PAYLOAD, number);
    int _ = link.fromCard(new Frame[] {new Frame(data)}, 1);
  }

  @Override
  public void close() {
    objects.close();
    networks.close();
    charDevices.close();
    blocks.close();
  }
}
