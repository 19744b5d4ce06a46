package dev.pollux.devices.model;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.net.Networks;
import dev.pollux.backend.vnc.VncServer;
import dev.pollux.core.machine.IoThread;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.input.Inputs;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What devices and objects are made with: the machine and the registries of back ends. One per
 * machine.
 */
public final class MachineServices {
  /** How long an I/O thread looks for more work before it sleeps, as in QEMU. */
  public static final long POLL_NANOS = 32_768;

  /** As much of the machine's own: what a guest needs between two transfers of a megabyte. */
  private static final long MAIN_POLL_NANOS = 100_000;

  private final Machine machine;
  private final CharDevices charDevices;
  private final BlockGraph blocks;
  private final ObjectManager objects;

  private final Networks networks;
  private final BootDevices bootDevices = new BootDevices();
  private final Inputs inputs = new Inputs();

  private IoThread ioThread;
  private Balloon balloon;
  private VncServer vnc;

  /** By stem, how many buses without a name of their own there have been. */
  private final Map<String, Integer> busNumbers = new HashMap<>();

  public MachineServices(
      Machine machine,
      CharDevices charDevices,
      BlockGraph blocks,
      Networks networks,
      ObjectManager objects) {
    this.machine = machine;
    this.charDevices = charDevices;
    this.blocks = blocks;
    this.networks = networks;
    this.objects = objects;
  }

  public Machine machine() {
    return machine;
  }

  public CharDevices charDevices() {
    return charDevices;
  }

  /** The disks. */
  public BlockGraph blocks() {
    return blocks;
  }

  public Networks networks() {
    return networks;
  }

  public ObjectManager objects() {
    return objects;
  }

  /** What firmware may boot from. */
  public BootDevices bootDevices() {
    return bootDevices;
  }

  /** Keyboards and pointers. */
  public Inputs inputs() {
    return inputs;
  }

  /** The thread for queues of devices that name none of their own. Machine lock held. */
  public IoThread ioThread() {
    if (ioThread == null) {
      ioThread = machine.addIoThread("IO main");
      ioThread.setPollNanos(MAIN_POLL_NANOS);
    }
    return ioThread;
  }

  /** What can take memory from the guest and give it back, if there is something. */
  public Optional<Balloon> balloon() {
    return Optional.ofNullable(balloon);
  }

  /** Says what that is; null when it goes. */
  public void setBalloon(Balloon device) {
    balloon = device;
  }

  /** Who shows the screen to viewers, if somebody does. */
  public Optional<VncServer> vnc() {
    return Optional.ofNullable(vnc);
  }

  /** Says who does. Before the machine runs. */
  public void setVnc(VncServer server) {
    vnc = server;
  }

  /** A new name {@code stem.n}. */
  String freeBusName(String stem) {
    return stem + "." + (busNumbers.merge(stem, 1, Integer::sum) - 1);
  }
}
