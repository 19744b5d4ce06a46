package dev.pollux.core.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CpuSavedStateTest {
  private static byte[] save(Vcpu vcpu) {
    StateOutput out = new StateOutput();
    vcpu.state().save(out);
    return out.toByteArray();
  }

  private static void load(Vcpu vcpu, byte[] bytes) throws StateException {
    BoundState<?> state = vcpu.state();
    state.load(new StateInput(bytes), CpuSavedState.STATE.version()).apply();
  }

  @Test
  void everythingComesBack() throws StateException {
    try (SystemFixture a = SystemFixture.longMode();
        SystemFixture b = SystemFixture.protectedMode()) {
      a.userMode();
      a.s.setGpr(11, 0x1122_3344_5566_7788L);
      a.s.setU64(CpuLayout.YMM + 7 * 32 + 8, 0x99);
      a.s.setU64(CpuLayout.YMM + 15 * 32 + 24, 0x1234);
      a.s.setU64(CpuLayout.XCR0, 7);
      a.s.setU32(CpuLayout.FSW, 0x3800);
      a.s.setU32(CpuLayout.HALTED, CpuLayout.HALTED_WAITING);
      a.s.orPending(Interrupts.NMI);
      byte[] saved = save(a.vcpu);
      load(b.vcpu, saved);
      assertArrayEquals(saved, save(b.vcpu));
      assertEquals(0x99, b.s.u64(CpuLayout.YMM + 7 * 32 + 8));
      assertEquals(0x1234, b.s.u64(CpuLayout.YMM + 15 * 32 + 24));
      assertEquals(7, b.s.u64(CpuLayout.XCR0));
      assertEquals(3, b.s.cpl());
      assertEquals(Interrupts.NMI, b.s.pending() & Interrupts.NMI);
    }
  }

  @Test
  void everyTruncationIsRefusedAndChangesNothing() {
    try (SystemFixture f = SystemFixture.longMode()) {
      byte[] saved = save(f.vcpu);
      for (int length = 0; length < saved.length; length += 61) {
        byte[] part = Arrays.copyOf(saved, length);
        assertThrows(StateException.class, () -> load(f.vcpu, part));
      }
      assertArrayEquals(saved, save(f.vcpu));
    }
  }

  @Test
  void flippedBitsAreRefusedOrHarmless() {
    Random random = new Random(5);
    try (SystemFixture f = SystemFixture.longMode()) {
      byte[] saved = save(f.vcpu);
      int loaded = 0;
      for (int i = 0; i < 400; i++) {
        byte[] bytes = saved.clone();
        for (int k = 0; k < 20; k++) {
          bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        }
        try {
          load(f.vcpu, bytes);
          loaded++;
        } catch (StateException e) {
          continue;
        }
        f.machine.runDelivering(200);
      }
      assertTrue(loaded > 20, loaded + " of 400 were loaded");
    }
  }

  @Test
  void contradictionsAreTakenOut() throws StateException {
    try (SystemFixture f = SystemFixture.longMode()) {
      f.s.setU64(CpuLayout.CR0, ControlRegisters.CR0_PG);
      f.s.setU64(CpuLayout.CR4, -1);
      f.s.setU64(CpuLayout.XCR0, -1);
      load(f.vcpu, save(f.vcpu));
      assertEquals(ControlRegisters.CR0_ET, f.s.cr0());
      assertEquals(0, f.s.efer() & ControlRegisters.EFER_LMA);
      assertEquals(0, f.s.cr4() & (1 << 13 | ControlRegisters.CR4_PCIDE));
    }
  }
}
