package dev.pollux.devices.boot;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.machine.ShutdownCause;
import dev.pollux.devices.TestMachines;
import dev.pollux.devices.board.Board;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.board.FwCfg;
import dev.pollux.devices.model.DeviceManager;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The file {@code bootorder} of the firmware configuration device, as QEMU 7.2 has it. */
class BootOrderTest {
  private static final int DIRECTORY = 0x19;

  private Machine machine;
  private DeviceManager devices;
  private BlockGraph blocks;
  private int disks;

  private Board board(String type) throws IOException {
    machine = new Machine("test", new Machine.EndPolicy(false, false));
    machine.lock().lock();
    blocks = new BlockGraph(new BlockListener() {});
    devices = Devices.manager(machine, new CharDevices(machine.loop()::post, () -> {}), blocks);
    return TestMachines.addBoard(devices, type);
  }

  @AfterEach
  void close() {
    machine.lock().unlock();
    machine.close();
    blocks.close();
  }

  private void add(String text) {
    var _ = devices.add(DeviceOptions.parse("-device", text, "driver"), false);
  }

  /** Adds a device with a disk of its own. */
  private void addDisk(String text) {
    String name = "n" + disks++;
    try {
      blocks.add(
          BlockOptions.of(
              "test", Map.of("driver", "null-co", "size", "1048576", "node-name", name)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    add(text + ",drive=" + name);
  }

  private static BootOptions options(boolean strict) {
    return new BootOptions(
        BootOptions.USUAL_ORDER,
        BootOptions.USUAL_ORDER,
        false,
        OptionalInt.empty(),
        -1,
        strict,
        false,
        Map.of("rom.bin", new BootOptions.Rom(new byte[512], 0)),
        Optional.empty());
  }

  /** The file as a guest reads it, with a dot in place of the zero at its end. */
  private String bootOrder() {
    ByteBuffer directory = ByteBuffer.wrap(read(DIRECTORY, 4 + 64 * 64));
    int count = directory.getInt();
    byte[] name = new byte[56];
    for (int i = 0; i < count; i++) {
      int size = directory.getInt();
      int key = directory.getShort();
      int _ = directory.getShort();
      directory.get(name);
      if (new String(name, StandardCharsets.US_ASCII).trim().equals("bootorder")) {
        return new String(read(key, size), StandardCharsets.US_ASCII).replace('\0', '.');
      }
    }
    throw new AssertionError("no such file");
  }

  private byte[] read(int key, int size) {
    machine.io().write(FwCfg.PORT, 2, key);
    byte[] bytes = new byte[size];
    for (int i = 0; i < size; i++) {
      bytes[i] = (byte) machine.io().read(FwCfg.PORT + 1, 1);
    }
    return bytes;
  }

  @Test
  void pathsOfPcAreThoseOfQemu() throws IOException {
    Board board = board("pc");
    addDisk("virtio-blk-pci,bootindex=9,id=disk");
    add("virtio-scsi-pci,id=s");
    addDisk("scsi-hd,bootindex=3,scsi-id=4,lun=2");
    addDisk("ide-hd,bus=ide.1,unit=1,bootindex=5");
    add("pci-bridge,id=br,chassis_nr=1");
    addDisk("virtio-blk-pci,bus=br,addr=3,bootindex=4");
    add("e1000,bootindex=7");
    add("virtio-net-pci,bootindex=6,addr=9.0,multifunction=on");
    add("virtio-net-pci,addr=9.3,bootindex=8");
    FirmwareSetup.install(board, options(true));
    machine.resetDevices();
    assertEquals(
        """
        /rom@genroms/rom.bin
        /pci@i0cf8/scsi@3/channel@0/disk@4,2
        /pci@i0cf8/pci-bridge@4/scsi@3/disk@0,0
        /pci@i0cf8/ide@1,1/drive@1/disk@1
        /pci@i0cf8/ethernet@9/ethernet-phy@0
        /pci@i0cf8/ethernet@5/ethernet-phy@0
        /pci@i0cf8/ethernet@9,3/ethernet-phy@0
        /pci@i0cf8/scsi@2/disk@0,0
        HALT.\
        """,
        bootOrder());
    moveAndRemove();
  }

  /** Monitors change the order, which the guest sees after a reset. */
  private void moveAndRemove() {
    var index = devices.tree().find("/machine/peripheral/disk").property("bootindex");
    assertEquals(9L, index.get().get());
    ConfigException taken = assertThrows(ConfigException.class, () -> index.set().accept(4L));
    assertTrue(taken.getMessage().contains("bootindex 4 has already been used"));
    assertThrows(ConfigException.class, () -> index.set().accept(-2L));
    index.set().accept(1L);
    assertTrue(bootOrder().endsWith("/pci@i0cf8/scsi@2/disk@0,0\nHALT."));
    reset();
    assertTrue(bootOrder().startsWith("/rom@genroms/rom.bin\n/pci@i0cf8/scsi@2/disk@0,0\n"));
    index.set().accept(-1L);
    reset();
    assertEquals(-1, bootOrder().indexOf("scsi@2/"));
    ConfigException second =
        assertThrows(ConfigException.class, () -> addDisk("virtio-blk-pci,bootindex=3"));
    assertTrue(second.getMessage().contains("bootindex 3 has already been used"));
  }

  private void reset() {
    machine.reset(ShutdownCause.HOST_QMP_SYSTEM_RESET);
  }

  @Test
  void pathsOfQ35AreThoseOfQemu() throws IOException {
    Board board = board("q35");
    addDisk("virtio-blk-pci,bootindex=9");
    add("pcie-root-port,id=rp,chassis=1");
    addDisk("virtio-blk-pci,bus=rp,bootindex=3");
    add("e1000,bootindex=7");
    FirmwareSetup.install(board, options(false));
    machine.resetDevices();
    assertEquals(
        """
        /rom@genroms/rom.bin
        /pci@i0cf8/pci-bridge@2/scsi@0/disk@0,0
        /pci@i0cf8/ethernet@3/ethernet-phy@0
        /pci@i0cf8/scsi@1/disk@0,0.\
        """,
        bootOrder());
  }
}
