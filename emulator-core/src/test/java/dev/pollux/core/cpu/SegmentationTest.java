package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.SystemFixture.*;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SegmentationTest {
  private static final int GP = CpuException.GP;
  private static final int NP = CpuException.NP;

  /** Selector, privilege level, exception (0: none). */
  @ParameterizedTest
  @CsvSource({
    "0x10, 0, 0", "0x13, 0, 13", "0x23, 0, 0", "0x23, 3, 0", "0x10, 3, 13", "0x13, 3, 13",
        "0x20, 3, 0", "0x28, 0, 13",
    "0x30, 0, 13", "0x38, 3, 0", "0x3b, 3, 0", "0x40, 0, 11", "0x48, 0, 0", "0x50, 0, 13",
        "0x58, 0, 13", "0x08, 0, 0",
    "0x1b, 3, 0", "0x1000, 0, 13", "0x14, 0, 0", "0x17, 3, 0", "0x44, 0, 13", "0, 3, 0", "3, 3, 0"
  })
  void loadsDataSegments(String selectorText, int cpl, int vector) {
    int selector = Integer.decode(selectorText);
    try (SystemFixture f = protectedMode()) {
      if (cpl == 3) {
        f.userMode();
      }
      if (vector != 0) {
        assertFault(
            vector, selector & ~3, () -> f.vcpu.segmentation().loadSegment(CpuLayout.GS, selector));
        return;
      }
      f.vcpu.segmentation().loadSegment(CpuLayout.GS, selector);
      assertEquals(selector, f.s.segSelector(CpuLayout.GS));
      assertEquals(selector >= 4, SegmentAttributes.isPresent(f.s.segAttr(CpuLayout.GS)));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0x10, 0, 0",
    "0x13, 0, 13",
    "0x23, 0, 13",
    "0x23, 3, 0",
    "0x20, 3, 13",
    "0x40, 0, 12",
    "0x48, 0, 13",
    "0x08, 0, 13",
    "0, 0, 13",
    "0x1000, 0, 13",
    "0x88, 0, 0"
  })
  void loadsStackSegments(String selectorText, int cpl, int vector) {
    int selector = Integer.decode(selectorText);
    try (SystemFixture f = protectedMode()) {
      if (cpl == 3) {
        f.userMode();
      }
      if (vector != 0) {
        assertFault(
            vector, selector & ~3, () -> f.vcpu.segmentation().loadSegment(CpuLayout.SS, selector));
      } else {
        f.vcpu.segmentation().loadSegment(CpuLayout.SS, selector);
        assertEquals(selector, f.s.segSelector(CpuLayout.SS));
        assertEquals(cpl, f.s.cpl());
      }
    }
  }

  @Test
  void setsTheAccessedBitInMemory() {
    try (SystemFixture f = protectedMode()) {
      assertEquals(0x92, f.read(GDT + DATA0 + 5, 1));
      f.vcpu.segmentation().loadSegment(CpuLayout.FS, DATA0);
      assertEquals(0x93, f.read(GDT + DATA0 + 5, 1));
      assertEquals(0xc093, f.s.segAttr(CpuLayout.FS));
    }
  }

  @Test
  void realModeKeepsLimitsAndAttributes() {
    try (SystemFixture f = realMode()) {
      f.s.setSeg(CpuLayout.DS, 0x10, 0, 0xffff_ffffL, 0xc093);
      f.vcpu.segmentation().loadSegment(CpuLayout.DS, 0x1234);
      assertEquals(0x12340, f.s.segBase(CpuLayout.DS));
      assertEquals(0xffff_ffffL, f.s.segLimit(CpuLayout.DS));
    }
  }

  @Test
  void nullStackOnlyIn64BitModeBelowPrivilege3() {
    try (SystemFixture f = longMode()) {
      f.vcpu.segmentation().loadSegment(CpuLayout.SS, 0);
      assertEquals(0, f.s.segSelector(CpuLayout.SS));
      assertFault(GP, 0, () -> f.vcpu.segmentation().loadSegment(CpuLayout.SS, 3));
      f.userMode();
      assertFault(GP, 0, () -> f.vcpu.segmentation().loadSegment(CpuLayout.SS, 3));
    }
  }

  @Test
  void taskRegister() {
    try (SystemFixture f = protectedMode()) {
      Segmentation seg = f.vcpu.segmentation();
      assertFault(GP, TSS_SELECTOR, () -> seg.loadTaskRegister(TSS_SELECTOR));
      assertFault(GP, 0, () -> seg.loadTaskRegister(0));
      assertFault(GP, 0x14, () -> seg.loadTaskRegister(0x14));
      assertFault(GP, DATA0, () -> seg.loadTaskRegister(DATA0));
      seg.loadTaskRegister(TSS2_SELECTOR);
      assertEquals(0x8b, f.read(GDT + TSS2_SELECTOR + 5, 1));
      assertEquals(TSS2, f.s.segBase(CpuLayout.TR));
      f.write(GDT + TSS_SELECTOR + 5, 1, 0x09);
      assertFault(NP, TSS_SELECTOR, () -> seg.loadTaskRegister(TSS_SELECTOR));
    }
  }

  @Test
  void localDescriptorTable() {
    try (SystemFixture f = protectedMode()) {
      Segmentation seg = f.vcpu.segmentation();
      seg.loadLdt(0);
      assertFault(GP, 0x14, () -> seg.loadSegment(CpuLayout.ES, 0x14));
      seg.loadLdt(LDT_SELECTOR);
      seg.loadSegment(CpuLayout.ES, 0x14);
      assertFault(GP, DATA0, () -> seg.loadLdt(DATA0));
      assertFault(GP, 0x14, () -> seg.loadLdt(0x14));
    }
  }

  @Test
  void longModeSystemDescriptorsHave16Bytes() {
    try (SystemFixture f = longMode()) {
      f.write(GDT + 0xe8, 8, 0x0000820000000fffL);
      f.write(GDT + 0xf0, 8, 0xffff_8000L);
      f.vcpu.segmentation().loadLdt(0xe8);
      assertEquals(0xffff_8000_0000_0000L, f.s.segBase(CpuLayout.LDTR));
      f.write(GDT + 0xf0, 8, 0x8000_0000L);
      assertFault(GP, 0xe8, () -> f.vcpu.segmentation().loadLdt(0xe8));
      f.write(GDT + 0xf0, 8, 0x1f00_0000_0000L);
      assertFault(GP, 0xe8, () -> f.vcpu.segmentation().loadLdt(0xe8));
      f.write(GDT + 0xf8, 8, 0x0000820000000fffL);
      assertFault(GP, 0xf8, () -> f.vcpu.segmentation().loadLdt(0xf8));
    }
  }

  @Test
  void looksAtDescriptors() {
    try (SystemFixture f = protectedMode()) {
      Segmentation seg = f.vcpu.segmentation();
      assertEquals(0xcf9a00 & 0xf0ff00, seg.accessRights(CODE0));
      assertEquals(0xec00, seg.accessRights(CALL_GATE) & 0xffff);
      assertEquals(-1, seg.accessRights(0));
      assertEquals(-1, seg.accessRights(BEYOND));
      assertEquals(0xffff_ffffL, seg.segmentLimit(DATA0));
      assertEquals(0x67, seg.segmentLimit(TSS_SELECTOR));
      assertEquals(-1, seg.segmentLimit(CALL_GATE));
      assertTrue(seg.readable(READ_ONLY));
      assertFalse(seg.readable(EXECUTE_ONLY));
      assertFalse(seg.writable(READ_ONLY));
      assertTrue(seg.writable(DATA0));
      f.userMode();
      assertFalse(seg.readable(DATA0));
      assertTrue(seg.readable(CONFORMING0));
      assertEquals(-1, seg.accessRights(DATA0));
    }
  }
}
