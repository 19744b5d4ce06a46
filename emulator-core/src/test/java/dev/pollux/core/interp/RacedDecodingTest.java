package dev.pollux.core.interp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.Region;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuLayout;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuState;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.memory.RamBlock;
import java.io.IOException;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Code that another writer changes each time it has been decoded. */
@Timeout(value = 30, unit = TimeUnit.SECONDS, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RacedDecodingTest {
  private static final int CODE = 0x1000;
  private static final int CODE_16 = 0x9b;
  private static final byte[] PROGRAM = {
    (byte) 0xb8,
    0,
    0, // mov ax, 0: what the writer counts up
    0x43, // inc bx
    (byte) 0xeb,
    (byte) 0xfa // jmp to the start
  };

  /** Lets the writer go ahead between the decoding of bytes and the look whether they stayed. */
  private static final class Raced extends BlockBuilder {
    private int writes;

    Raced(Set<CpuFeature> features) {
      super(features);
    }

    @Override
    boolean stillReads(long host, int length) {
      long counter = host & -RamBlock.PAGE_SIZE | 1;
      RawMemory.putShort(counter, (short) ++writes);
      return super.stillReads(host, length);
    }
  }

  private Raced raced;
  private Interpreter cpu;

  private Interpreter make(Vcpu vcpu) {
    raced = new Raced(vcpu.model().features());
    cpu = new Interpreter(vcpu, raced, 1 << 20);
    return cpu;
  }

  @Test
  void executionGoesOn() throws IOException {
    Machine machine = new Machine("raced", new Machine.EndPolicy(true, false));
    RamBlock ram = new RamBlock("ram", 1 << 20, false);
    machine.addRamBlock(ram);
    machine.memory().map(0, new Region.RamRegion(ram, 0, ram.size()));
    CpuState state = new CpuState();
    Vcpu vcpu = new Vcpu(machine, 0, new CpuModel("qemu64"), state, this::make);
    machine.add(vcpu);
    try {
      vcpu.reset();
      state.setU32(CpuLayout.A20, 1);
      state.setSeg(CpuLayout.CS, 0, 0, 0xffff, CODE_16);
      state.setGpr(3, 0);
      state.setRip(CODE);
      ram.write(CODE, PROGRAM, 0, PROGRAM.length);
      assertEquals(Interpreter.Stop.LIMIT, cpu.runBare(3 * 1000, false));
      assertEquals(1000, state.gpr(3), "rounds");
      // The last ones, less than a block, are decoded one by one.
      assertTrue(raced.writes >= 1000 - BlockBuilder.MAX_INSNS, "the writer was always faster");
      assertEquals(RawMemory.getShort(ram.hostAddress() + CODE + 1), (short) raced.writes);
    } finally {
      machine.close();
    }
  }
}
