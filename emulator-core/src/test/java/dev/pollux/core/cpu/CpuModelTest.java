package dev.pollux.core.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.pollux.core.cpu.CpuModel.Leaf;
import dev.pollux.core.host.HostCpu;
import java.io.IOException;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CpuModelTest {
  private CpuState s;

  @BeforeEach
  void open() throws IOException {
    s = new CpuState();
    s.setU64(CpuLayout.XCR0, 1);
  }

  @AfterEach
  void close() {
    s.close();
  }

  private Leaf leaf(CpuModel m, int leaf, int subleaf) {
    return m.cpuid(leaf, subleaf, s, 0, true);
  }

  @Test
  void qemu64ShowsQemusSignatureAndVendor() {
    CpuModel m = new CpuModel("qemu64");
    assertEquals(new Leaf(0xd, 0x68747541, 0x444d4163, 0x69746e65), leaf(m, 0, 0));
    assertEquals(0x00060fb1, leaf(m, 1, 0).eax());
    assertEquals(0x078bfbfd, leaf(m, 1, 0).edx());
    assertEquals(0x2193fbfd, leaf(m, 0x8000_0001, 0).edx());
    assertEquals(0x3028, leaf(m, 0x8000_0008, 0).eax());
    assertTrue(m.has(CpuFeature.HYPERVISOR));
    assertFalse(m.has(CpuFeature.SVM));
    assertFalse(m.has(CpuFeature.SSE42));
  }

  @Test
  void leavesBeyondTheLastAreZeroOnAmdAndTheLastOnIntel() {
    assertEquals(Leaf.ZERO, leaf(new CpuModel("max"), 0x7fff_0000, 0));
    assertEquals(Leaf.ZERO, leaf(new CpuModel("max"), 0x8fff_ffff, 0));
    CpuModel intel = new CpuModel("max,vendor=GenuineIntel");
    assertEquals(leaf(intel, 0xd, 0), leaf(intel, 0x77, 0));
  }

  @Test
  void sizesFollowXcr0AndOsxsaveFollowsCr4() {
    CpuModel m = new CpuModel("max,-pku");
    assertEquals(new Leaf(7, 576, 832, 0), leaf(m, 0xd, 0));
    assertEquals(new Leaf(3, 576, 576, 0), leaf(new CpuModel("max,-avx,-pku"), 0xd, 0));
    assertEquals(new Leaf(0x207, 576, 2696, 0), leaf(new CpuModel("max"), 0xd, 0));
    assertEquals(new Leaf(8, 2688, 0, 0), leaf(new CpuModel("max"), 0xd, 9));
    assertEquals(Leaf.ZERO, leaf(m, 0xd, 9));
    assertEquals(new Leaf(256, 576, 0, 0), leaf(m, 0xd, 2));
    s.setU64(CpuLayout.XCR0, 7);
    assertEquals(new Leaf(7, 832, 832, 0), leaf(m, 0xd, 0));
    assertEquals(new Leaf(7, 832, 0, 0), leaf(m, 0xd, 1));
    s.setU64(CpuLayout.XCR0, 0x207);
    assertEquals(840, leaf(new CpuModel("max"), 0xd, 1).ebx(), "compacted");
    s.setU64(CpuLayout.XCR0, 0x203);
    assertEquals(584, leaf(new CpuModel("max"), 0xd, 1).ebx());
    assertEquals(2696, leaf(new CpuModel("max,-xsavec"), 0xd, 1).ebx());
    assertEquals(0, leaf(m, 1, 0).ecx() & 1 << 27);
    s.setU64(CpuLayout.CR4, ControlRegisters.CR4_OSXSAVE);
    assertEquals(1 << 27, leaf(m, 1, 0).ecx() & 1 << 27);
    assertEquals(0, m.cpuid(1, 0, s, 0, false).edx() & 1 << 9);
  }

  @Test
  void widthsOfAddresses() {
    assertEquals(57 << 8 | 40, leaf(new CpuModel("max"), 0x8000_0008, 0).eax());
    assertEquals(48 << 8 | 52, leaf(new CpuModel("max,-la57,phys-bits=52"), 0x8000_0008, 0).eax());
    assertEquals(40, new CpuModel("max,phys-bits=0").physicalAddressBits());
    assertEquals(36, new CpuModel("max,-lm").physicalAddressBits());
    assertEquals(32, new CpuModel("max,-lm,-pae,-pse36").physicalAddressBits());
  }

  @Test
  void hostsWidthOfAddresses() throws IOException {
    assumeTrue(HostCpu.isX86(), "the host's processor is not x86-64");
    int host = HostCpu.get().cpuid(0x8000_0008, 0).eax() & 0xff;
    assertEquals(host, new CpuModel("max,host-phys-bits").physicalAddressBits());
    assertEquals(host, new CpuModel("max,phys-bits=33,host-phys-bits=on").physicalAddressBits());
    assertEquals(33, new CpuModel("max,phys-bits=33,host-phys-bits=off").physicalAddressBits());
    assertEquals(
        34, new CpuModel("max,host-phys-bits,host-phys-bits-limit=34").physicalAddressBits());
  }

  @Test
  void protectionKeysShowInCpuid() {
    CpuModel m = new CpuModel("max");
    assertEquals(CpuFeature.PKU.mask(), leaf(m, 7, 0).ecx() & 0x18);
    s.setU64(CpuLayout.CR4, ControlRegisters.CR4_PKE);
    assertEquals(0x18, leaf(m, 7, 0).ecx() & 0x18);
  }

  @Test
  void executeDisableGoesWithMiscEnableOnIntel() {
    s.setU64(CpuLayout.MISC_ENABLE, 1L << 34);
    CpuModel intel = new CpuModel("max,vendor=GenuineIntel");
    assertEquals(0, leaf(intel, 0x8000_0001, 0).edx() & 1 << 20);
    assertEquals(1 << 20, leaf(new CpuModel("max"), 0x8000_0001, 0).edx() & 1 << 20);
  }

  @Test
  void nameAndHypervisorLeaves() {
    CpuModel m =
        new CpuModel("qemu64,model-id=Twelve chars and then some more text 0123456789abcdef");
    StringBuilder name = new StringBuilder();
    for (int leaf = 0x8000_0002; leaf <= 0x8000_0004; leaf++) {
      Leaf l = leaf(m, leaf, 0);
      for (int word : new int[] {l.eax(), l.ebx(), l.ecx(), l.edx()}) {
        for (int i = 0; i < 32; i += 8) {
          name.append((char) (word >>> i & 0xff));
        }
      }
    }
    assertEquals("Twelve chars and then some more text 0123456789\0", name.toString());
    assertEquals(0x4000_0010, leaf(m, 0x4000_0000, 0).eax());
    assertEquals(1_000_000, leaf(m, 0x4000_0010, 0).eax());
    assertEquals(Leaf.ZERO, leaf(new CpuModel("qemu64,-hypervisor"), 0x4000_0000, 0));
  }

  @Test
  void topologyShowsInAllItsPlaces() {
    CpuTopology t = new CpuTopology(2, 3, 2);
    CpuModel m = new CpuModel("max", t);
    assertEquals(12, t.count());
    assertEquals(0b1_10_1, t.apicId(11));
    Leaf l = m.cpuid(0xb, 0, s, 11, true);
    assertEquals(new Leaf(1, 2, 0x100, 0b1101), l);
    assertEquals(new Leaf(3, 6, 0x201, 0b1101), m.cpuid(0xb, 1, s, 11, true));
    assertEquals(0b1101 << 24 | 6 << 16, m.cpuid(1, 0, s, 11, true).ebx() & 0xffff_0000);
    assertTrue(m.has(CpuFeature.HT));
    assertThrows(IllegalArgumentException.class, () -> new CpuTopology(1, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> new CpuTopology(16, 16, 1));
  }

  @Test
  void amdShowsThreadsWithTopoext() {
    CpuTopology t = new CpuTopology(2, 3, 2);
    CpuModel m = new CpuModel("EPYC,check=off", t);
    // The last thread: core 2 of package 1, which is its only node.
    assertEquals(new Leaf(0b1_10_1, 1 << 8 | 2, 1, 0), m.cpuid(0x8000_001e, 0, s, 11, true));
    assertEquals(1 << 22, leaf(m, 0x8000_0001, 0).ecx() & 1 << 22);
    assertEquals(new Leaf(1 << 14 | 0x121, 1 << 22 | 63, 511, 0), leaf(m, 0x8000_001d, 0));
    assertEquals(7 << 14 | 0x163, leaf(m, 0x8000_001d, 3).eax());
    assertEquals(Leaf.ZERO, leaf(m, 0x8000_001d, 4));
    assertTrue(new CpuModel("max", t).has(CpuFeature.TOPOEXT));
    for (String without : List.of("qemu64,check=off", "max,-topoext,check=off")) {
      CpuModel other = new CpuModel(without, t);
      assertEquals(Leaf.ZERO, leaf(other, 0x8000_001d, 0));
      assertEquals(Leaf.ZERO, leaf(other, 0x8000_001e, 0));
    }
    assertFalse(new CpuModel("max,vendor=GenuineIntel", t).has(CpuFeature.TOPOEXT));
  }

  /** The leaves that describe the caches one by one say what the older ones say. */
  @Test
  void amdsCacheLeavesAgree() {
    CpuModel m = new CpuModel("max");
    Leaf first = leaf(m, 0x8000_0005, 0);
    Leaf others = leaf(m, 0x8000_0006, 0);
    assertEquals((first.ecx() >>> 24) << 10, cacheBytes(leaf(m, 0x8000_001d, 0)));
    assertEquals((first.edx() >>> 24) << 10, cacheBytes(leaf(m, 0x8000_001d, 1)));
    assertEquals((others.ecx() >>> 16) << 10, cacheBytes(leaf(m, 0x8000_001d, 2)));
    assertEquals((others.edx() >>> 18) << 19, cacheBytes(leaf(m, 0x8000_001d, 3)));
  }

  private static int cacheBytes(Leaf cache) {
    int ways = (cache.ebx() >>> 22) + 1;
    int lineBytes = (cache.ebx() & 0xfff) + 1;
    return ways * lineBytes * (cache.ecx() + 1);
  }

  @Test
  void featuresAreSwitchedInAllSpellings() {
    assertTrue(new CpuModel("qemu64,+sse4.2").has(CpuFeature.SSE42));
    assertTrue(new CpuModel("qemu64,sse4_2=on").has(CpuFeature.SSE42));
    assertTrue(new CpuModel("qemu64,sse4-2").has(CpuFeature.SSE42));
    assertFalse(new CpuModel("max,-sse3").has(CpuFeature.SSE3));
    assertFalse(new CpuModel("max,nx=off").has(CpuFeature.NX));
    assertFalse(new CpuModel("max,-xsave").has(CpuFeature.XSAVEOPT));
    assertFalse(new CpuModel("max,+vmx").has(CpuFeature.VMX));
    assertEquals(0x000806ec, new CpuModel("max,family=6,model=0x8e,stepping=12").signature());
    assertEquals(0x00a20f10, new CpuModel("max,family=0x19,model=33,stepping=0").signature());
  }

  @Test
  void whatRestsOnAFeatureGoesWithIt() {
    CpuModel m = new CpuModel("max,-avx");
    for (CpuFeature f :
        List.of(
            CpuFeature.AVX2,
            CpuFeature.FMA,
            CpuFeature.F16C,
            CpuFeature.VAES,
            CpuFeature.VPCLMULQDQ)) {
      assertTrue(CpuModel.supported().contains(f), f.qemuName());
      assertFalse(m.has(f), f.qemuName());
    }
    assertTrue(m.has(CpuFeature.XSAVE));
    assertFalse(new CpuModel("max,-xsave").has(CpuFeature.AVX2));
  }

  @Test
  void namedModelsAreTheSameWhereverTheirFeaturesAre() {
    CpuModel m = new CpuModel("Haswell-noTSX,enforce");
    assertEquals(CpuModel.INTEL, m.vendor());
    assertEquals(0x000306c1, m.signature());
    assertTrue(m.has(CpuFeature.AVX2) && m.has(CpuFeature.FMA));
    EnumSet<CpuFeature> more = EnumSet.copyOf(CpuModel.supported());
    more.add(CpuFeature.AVX512F);
    CpuModel elsewhere = new CpuModel("Haswell-noTSX", CpuTopology.single(), more);
    assertEquals(m.features(), elsewhere.features());
    assertTrue(new CpuModel("max", CpuTopology.single(), more).has(CpuFeature.AVX512F));
  }

  @Test
  void everyNamedModelCanBeMade() {
    for (String name : CpuModel.names()) {
      if (!name.equals("host")) {
        assertEquals(name, new CpuModel(name + ",check=off").name());
      }
    }
    List<String> help = CpuModel.help();
    assertTrue(help.contains("  IvyBridge             (alias of IvyBridge-v1)"));
    assertTrue(help.contains("  IvyBridge-v1          Intel Xeon E3-12xx v2 (Ivy Bridge)"));
    assertTrue(CpuModel.help().stream().anyMatch(l -> (l + " ").contains(" vpclmulqdq ")));
  }

  /** Signatures and last leaves as QEMU's models of these names show them. */
  @ParameterizedTest
  @CsvSource({
    "486, 00000480, 1, 0",
    "pentium, 00000543, 1, 0",
    "n270, 000106c2, a, 80000008",
    "kvm64, 00000f61, d, 80000008",
    "Opteron_G1, 00000f61, 5, 80000008",
    "Opteron_G5, 00600f20, d, 8000001a",
    "phenom, 00100f23, 5, 8000001a",
    "Skylake-Server-v5, 00050654, d, 80000008",
    "SapphireRapids, 000806f4, 20, 80000008",
    "EPYC-Milan-v2, 00a00f11, d, 80000021",
    "EPYC-Rome-v4, 00830f10, d, 8000001e",
    "Dhyana, 00900f01, d, 8000001e",
  })
  void modelsShowQemusSignatures(String name, String signature, String level, String extended) {
    CpuModel m = new CpuModel(name + ",check=off");
    assertEquals(Integer.parseUnsignedInt(signature, 16), leaf(m, 1, 0).eax());
    assertEquals(Integer.parseUnsignedInt(level, 16), leaf(m, 0, 0).eax());
    int last = Integer.parseUnsignedInt(extended, 16);
    if (last != 0) {
      assertEquals(last, leaf(m, 0x8000_0000, 0).eax());
    } else {
      assertEquals(
          leaf(m, 1, 0), leaf(m, 0x8000_0000, 0), "no extended leaves: the last basic one");
    }
  }

  @Test
  void versionsAndAliases() {
    assertTrue(new CpuModel("Haswell-v2,enforce").has(CpuFeature.AVX2));
    assertEquals(new CpuModel("Haswell-noTSX").features(), new CpuModel("Haswell-v2").features());
    List<CpuFeature> missing =
        new CpuModel("max")
            .known().stream()
                .filter(known -> known.name().equals("Haswell"))
                .findFirst()
                .orElseThrow()
                .unavailable();
    assertEquals(List.of(CpuFeature.HLE, CpuFeature.RTM), missing);
    CpuModel zhaoxin = new CpuModel("YongFeng,check=off");
    assertEquals("CentaurHauls", zhaoxin.vendor());
    assertFalse(zhaoxin.isAmd());
  }

  @Test
  void lastLeafFollowsTheFeatures() {
    assertEquals(0x8000_001e, leaf(new CpuModel("qemu64,+topoext"), 0x8000_0000, 0).eax());
    assertEquals(7, leaf(new CpuModel("Opteron_G1,+smep,check=off"), 0, 0).eax());
    assertEquals(5, leaf(new CpuModel("Opteron_G1,+smep,level=5,check=off"), 0, 0).eax());
  }

  @Test
  void whatTheHostLacksIsLeftOff() {
    EnumSet<CpuFeature> less = EnumSet.copyOf(CpuModel.supported());
    less.remove(CpuFeature.AVX);
    CpuModel max = new CpuModel("max,enforce", CpuTopology.single(), less);
    assertFalse(max.has(CpuFeature.AVX) || max.has(CpuFeature.AVX2));
    CpuModel named = new CpuModel("SandyBridge,check=off", CpuTopology.single(), less);
    assertFalse(named.has(CpuFeature.AVX));
    Exception e =
        assertThrows(
            IllegalArgumentException.class,
            () -> new CpuModel("SandyBridge,enforce", CpuTopology.single(), less));
    assertEquals(
        "the CPU engine doesn't support requested features: CPUID.01H:ECX.avx [bit 28]",
        e.getMessage());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "qemu46 | CPU model 'qemu46' is not known; did you mean \"qemu64\"",
        "max,+sse43 | did you mean \"sse3\"",
        "max,-popcn | did you mean \"popcnt\"",
        "max,famly=6 | did you mean \"family\"",
        "max,family=x | 'family' takes a number from 0 to 270, not 'x'",
        "max,phys-bits=53 | 'phys-bits' takes a number from 32 to 52, not '53'",
        "max,phys-bits=31 | 'phys-bits' takes a number from 32 to 52",
        "max,-lm,phys-bits=40 | 'phys-bits' is for models with 64-bit mode",
        "max,stepping=16 | 'stepping' takes a number from 0 to 15",
        "max,vendor=AMD | 'vendor' takes 12 ASCII characters",
        "max,sse3=maybe | takes 'on' or 'off', not 'maybe'",
        "max,+vmx,enforce | doesn't support requested features: CPUID.01H:ECX.vmx [bit 5]",
        "Haswell,enforce | CPUID.07H:EBX.hle [bit 4], CPUID.07H:EBX.rtm [bit 11]",
        "max,-xsave,+avx2,enforce | requested features: CPUID.07H:EBX.avx2",
        "haswell | did you mean \"Haswell\"",
        "max,enfroce | did you mean \"enforce\"",
        "max, | CPU feature '' is not known"
      })
  void wrongOptionsAreNamed(String option, String message) {
    Exception e = assertThrows(IllegalArgumentException.class, () -> new CpuModel(option));
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }
}
