package dev.pollux.tests.baremetal;

import static dev.pollux.core.jit.asm.OpSize.BYTE;
import static dev.pollux.core.jit.asm.OpSize.DWORD;
import static dev.pollux.core.jit.asm.OpSize.QWORD;
import static dev.pollux.core.jit.asm.OpSize.WORD;

import dev.pollux.core.jit.asm.Cond;
import dev.pollux.core.jit.asm.Gpr;
import dev.pollux.core.jit.asm.Label;
import dev.pollux.core.jit.asm.Mem;
import dev.pollux.core.jit.asm.NullaryOp;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * Says by the control queue of a virtio-net in slot {@link #SLOT} which frames it wants (virtio
 * 1.2, 5.1.6.5), and something else once its link is down. Prints a 0 for each command that the
 * card has accepted.
 */
public final class ReceiveFilterProgram extends LongModeProgram {
  public static final int SLOT = 5;

  /** Class, command and data of each, in hexadecimal. */
  private static final List<String> FIRST =
      List.of(
          "0000" + "00", // not promiscuous
          "0001" + "01", // all groups
          "0005" + "01", // no broadcasts
          "0100"
              + "02000000"
              + "525400aabb01525400aabb03"
              + "02000000"
              + "333300000001"
              + "01005e000001",
          "0101" + "525400aabb02",
          "0200" + "0500",
          "0200" + "0700",
          "0201" + "0500");

  private static final List<String> SECOND =
      List.of("0001" + "00", "0003" + "01", "0200" + "ff0f", "0200" + "0010");

  private static final int CARD = 0x7000_0000;
  private static final int USED = 0x90_0000;
  private static final int CONTROL_QUEUE = 2;
  private static final int QUEUE = 64;

  /** MAC, STATUS, CTRL_VQ, CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, CTRL_MAC_ADDR. */
  private static final int FEATURES = 0x9f_0020;

  private int acknowledgements;
  private int descriptors;
  private int available;

  /** An image for {@code -kernel}. */
  public static byte[] image() {
    return new ReceiveFilterProgram().build(false);
  }

  private int here() {
    return (int) asm.address(asm.here());
  }

  /** Three descriptors for each command: what, with which data, and whether it went well. */
  private void commands() {
    List<byte[]> all =
        Stream.concat(FIRST.stream(), SECOND.stream()).map(HexFormat.of()::parseHex).toList();
    int[] addresses = new int[all.size()];
    for (int i = 0; i < addresses.length; i++) {
      addresses[i] = here();
      asm.db(all.get(i));
    }
    acknowledgements = here();
    byte[] none = new byte[addresses.length];
    Arrays.fill(none, (byte) 0xff);
    asm.db(none);
    asm.alignData(16);
    descriptors = here();
    for (int i = 0; i < addresses.length; i++) {
      descriptor(addresses[i], 2, 1, 3 * i + 1);
      descriptor(addresses[i] + 2, all.get(i).length - 2, 1, 3 * i + 2);
      descriptor(acknowledgements + i, 1, 2, 0);
    }
    asm.db(new byte[16 * (QUEUE - 3 * addresses.length)]);
    available = here();
    asm.dw(1, 0); // no interrupts
    for (int i = 0; i < QUEUE; i++) {
      asm.dw(i < addresses.length ? 3 * i : 0);
    }
  }

  private void descriptor(int address, int length, int flags, int next) {
    asm.dq(address);
    asm.dd(length);
    asm.dw(flags, next);
  }

  @Override
  void body() {
    Label start = new Label();
    asm.jmpNear(start);
    commands();
    asm.bind(start);
    writeConfig(SLOT, 0x20, CARD);
    writeConfig(SLOT, 0x24, 0);
    writeConfig(SLOT, 4, 6);
    begin();
    send(0, FIRST.size());
    print("first\n");
    Label up = asm.here();
    asm.op(NullaryOp.PAUSE);
    asm.mov(BYTE, Gpr.RAX, Mem.of(Gpr.RBX, 0x2006));
    asm.and(DWORD, Gpr.RAX, 1);
    asm.cmp(DWORD, Gpr.RAX, 0);
    asm.jcc(Cond.NE, up);
    send(FIRST.size(), FIRST.size() + SECOND.size());
  }

  private void begin() {
    asm.mov(DWORD, Gpr.RBX, CARD);
    for (int status : new int[] {0, 1, 3}) {
      asm.mov(BYTE, Mem.of(Gpr.RBX, 0x14), status);
    }
    asm.mov(DWORD, Mem.of(Gpr.RBX, 8), 1);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0xc), 1); // VERSION_1
    asm.mov(DWORD, Mem.of(Gpr.RBX, 8), 0);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0xc), FEATURES);
    asm.mov(BYTE, Mem.of(Gpr.RBX, 0x14), 0xb);
    asm.mov(WORD, Mem.of(Gpr.RBX, 0x16), CONTROL_QUEUE);
    for (int high : new int[] {0x24, 0x2c, 0x34}) {
      asm.mov(DWORD, Mem.of(Gpr.RBX, high), 0);
    }
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x20), descriptors);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x28), available);
    asm.mov(DWORD, Mem.of(Gpr.RBX, 0x30), USED);
    asm.mov(WORD, Mem.of(Gpr.RBX, 0x1c), 1);
    asm.mov(BYTE, Mem.of(Gpr.RBX, 0x14), 0xf);
  }

  /** Sends commands up to one, waits until they are done, and prints their answers. */
  private void send(int from, int end) {
    asm.mov(WORD, Mem.absolute(available + 2), end);
    asm.mov(WORD, Mem.of(Gpr.RBX, 0x3000 + 4 * CONTROL_QUEUE), CONTROL_QUEUE);
    Label again = asm.here();
    asm.op(NullaryOp.PAUSE);
    asm.mov(DWORD, Gpr.RAX, Mem.absolute(USED + 2));
    asm.cmp(WORD, Gpr.RAX, end);
    asm.jcc(Cond.NE, again);
    for (int i = from; i < end; i++) {
      asm.mov(QWORD, Gpr.RAX, 0);
      asm.mov(BYTE, Gpr.RAX, Mem.absolute(acknowledgements + i));
      print("" + i, Gpr.RAX);
    }
    newLine();
  }
}
