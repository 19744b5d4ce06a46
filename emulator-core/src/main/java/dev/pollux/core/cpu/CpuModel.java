package dev.pollux.core.cpu;

import static dev.pollux.core.cpu.CpuFeature.*;

import dev.pollux.core.config.Suggestions;
import dev.pollux.core.host.HostCpu;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What CPUID and the MSRs of a vCPU show: a named set of features with a vendor, a signature and a
 * topology. Made from the value of QEMU's {@code -cpu} option. Immutable.
 */
public final class CpuModel {
  private static final Logger log = LoggerFactory.getLogger(CpuModel.class);

  /** The rate of the guest's time-stamp counter: one tick per nanosecond of guest time. */
  public static final long TSC_HZ = 1_000_000_000L;

  /** The rate of the local APIC's timer and of the bus that CPUID reports. */
  public static final long BUS_HZ = 1_000_000_000L;

  public static final String AMD = "AuthenticAMD";
  public static final String INTEL = "GenuineIntel";

  /** Vendors whose processors keep to Intel's rules. */
  private static final Set<String> LIKE_INTEL = Set.of(INTEL, "CentaurHauls", "  Shanghai  ");

  /** The signature of leaf 0x40000000. */
  private static final String HYPERVISOR_SIGNATURE = "PolluxPollux";

  /** The highest leaf of the hypervisor's range; it tells the frequencies. */
  private static final int HYPERVISOR_MAX = 0x4000_0010;

  /** Bits of leaf 1 EDX that AMD repeats in leaf 0x80000001. */
  private static final int REPEATED_EDX = 0x0183_f3ff;

  private static final int DEFAULT_PHYSICAL_BITS = 40;
  private static final int MIN_PHYSICAL_BITS = 32;
  private static final int MAX_PHYSICAL_BITS = 52;

  /** The last of the extended leaves that describe the topology. */
  private static final int TOPOLOGY_LEAF = 0x8000_001e;

  private static final int OSXSAVE = 1 << 27;

  /** Leaf 7 ECX: CR4.PKE is set. */
  private static final int OSPKE = 1 << 4;

  /** The last subleaf of leaf 7. */
  private static final int LAST_FEATURE_SUBLEAF = 1;

  /** The bit of PKRU in XCR0 (Intel SDM vol. 1, 13.1). */
  public static final int XSAVE_PKRU = 1 << 9;

  /** Where an XSAVE area of standard form has PKRU, as on Intel's processors and on QEMU. */
  public static final int XSAVE_PKRU_OFFSET = 2688;

  /** Columns of the list of features in the help text. */
  private static final int HELP_WIDTH = 78;

  /** The features that a guest can be offered: those that engines carry out. */
  private static final Set<CpuFeature> SUPPORTED =
      Collections.unmodifiableSet(
          EnumSet.of(
              FPU,
              VME,
              DE,
              PSE,
              TSC,
              MSR,
              PAE,
              MCE,
              CX8,
              APIC,
              SEP,
              MTRR,
              PGE,
              MCA,
              CMOV,
              PAT,
              PSE36,
              CLFLUSH,
              MMX,
              FXSR,
              SSE,
              SSE2,
              SS,
              SSE3,
              PCLMULQDQ,
              MONITOR,
              SSSE3,
              FMA,
              CX16,
              PCID,
              SSE41,
              SSE42,
              X2APIC,
              MOVBE,
              POPCNT,
              TSC_DEADLINE,
              AES,
              XSAVE,
              AVX,
              F16C,
              RDRAND,
              HYPERVISOR,
              ARAT,
              FSGSBASE,
              CpuFeature.TSC_ADJUST,
              BMI1,
              AVX2,
              SMEP,
              BMI2,
              ERMS,
              INVPCID,
              RDSEED,
              ADX,
              SMAP,
              CLFLUSHOPT,
              CLWB,
              SHA,
              UMIP,
              PKU,
              GFNI,
              VAES,
              VPCLMULQDQ,
              LA57,
              RDPID,
              CLDEMOTE,
              MOVDIRI,
              PKS,
              FSRM,
              CpuFeature.SERIALIZE,
              AVX_VNNI,
              FZRM,
              FSRS,
              FSRC,
              LAM,
              XSAVEOPT,
              XSAVEC,
              XGETBV1,
              SYSCALL,
              NX,
              MMXEXT,
              PDPE1GB,
              RDTSCP,
              LM,
              LAHF_LM,
              CMP_LEGACY,
              ABM,
              AMD_PREFETCHW,
              OSVW,
              TOPOEXT,
              INVTSC,
              WBNOINVD));

  /** Other spellings of features on QEMU's command line. */
  private static final Map<String, String> ALIASES =
      Map.of("sse3", "pni", "pclmuldq", "pclmulqdq", "i64", "lm", "xd", "nx", "ffxsr", "fxsr-opt");

  /** Properties without an effect here. */
  private static final Set<String> IGNORED =
      Set.of("migratable", "l3-cache", "host-cache-info", "kvm", "pmu");

  private static final List<String> VALUES =
      List.of(
          "family",
          "model",
          "stepping",
          "vendor",
          "model-id",
          "level",
          "xlevel",
          "phys-bits",
          "host-phys-bits-limit");

  /** A leaf's registers. */
  public record Leaf(int eax, int ebx, int ecx, int edx) {
    static final Leaf ZERO = new Leaf(0, 0, 0, 0);
  }

  private final String name;
  private final CpuTopology topology;
  private final Set<CpuFeature> available;
  private final Set<CpuFeature> features;
  private String vendor;
  private String modelId;
  private int family;
  private int model;
  private int stepping;
  private int level;
  private int extendedLevel;
  private int physicalAddressBits;

  /** As {@code host-phys-bits-limit} says; 0: none. */
  private int hostPhysicalBitsLimit;

  /** A model by the value of {@code -cpu}, with one core, for the interpreter. */
  public CpuModel(String option) {
    this(option, CpuTopology.single());
  }

  /** A model by the value of {@code -cpu}, for the interpreter. */
  public CpuModel(String option, CpuTopology topology) {
    this(option, topology, SUPPORTED);
  }

  /**
   * As with QEMU, what a model or an option asks for and {@code available} has not is left off with
   * a warning; {@code enforce} makes it an error, {@code check=off} takes the warning away.
   *
   * @param option as QEMU's {@code -cpu}: {@code NAME[,+feature][,-feature][,property=value]}
   * @param available what the engine can do on this host, out of {@link #supported}
   * @throws IllegalArgumentException with a sentence that names what is wrong and the nearest right
   *     name
   */
  public CpuModel(String option, CpuTopology topology, Set<CpuFeature> available) {
    this.topology = topology;
    this.available = Set.copyOf(available);
    String[] parts = option.split(",", -1);
    CpuDefinition base = CpuDefinitions.named(parts[0]);
    name = base.name();
    vendor = base.vendor();
    family = base.family();
    model = base.model();
    stepping = base.stepping();
    level = base.level();
    extendedLevel = base.extendedLevel();
    modelId = base.modelId();
    EnumSet<CpuFeature> wanted = EnumSet.copyOf(base.features(available));
    EnumSet<CpuFeature> asked = EnumSet.noneOf(CpuFeature.class);
    boolean enforce = false;
    boolean check = true;
    boolean hostPhysicalBits = false;
    Set<String> given = new HashSet<>();
    for (int i = 1; i < parts.length; i++) {
      String part = parts[i];
      int equals = part.indexOf('=');
      if (part.startsWith("+")) {
        asked.add(feature(part.substring(1)));
      } else if (part.startsWith("-")) {
        CpuFeature feature = feature(part.substring(1));
        wanted.remove(feature);
        asked.remove(feature);
      } else {
        String key = normal(equals < 0 ? part : part.substring(0, equals));
        String value = equals < 0 ? "on" : part.substring(equals + 1);
        if (key.equals("enforce")) {
          enforce = onOff(key, value);
        } else if (key.equals("check")) {
          check = onOff(key, value);
        } else if (key.equals("host-phys-bits")) {
          hostPhysicalBits = onOff(key, value);
        } else if (IGNORED.contains(key)) {
          onOff(key, value);
        } else if (VALUES.contains(key)) {
          setValue(key, value);
          given.add(key);
        } else {
          CpuFeature feature = feature(key);
          if (onOff(key, value)) {
            asked.add(feature);
          } else {
            wanted.remove(feature);
            asked.remove(feature);
          }
        }
      }
    }
    wanted.addAll(asked);
    EnumSet<CpuFeature> missing = EnumSet.copyOf(wanted);
    missing.removeAll(available);
    wanted.removeAll(missing);
    EnumSet<CpuFeature> dependent = withoutFoundation(wanted);
    wanted.removeAll(dependent);
    dependent.retainAll(asked);
    missing.addAll(dependent);
    if (!missing.isEmpty() && (check || enforce)) {
      if (enforce) {
        throw new IllegalArgumentException(
            "the CPU engine doesn't support requested features: "
                + missing.stream().map(CpuFeature::described).collect(Collectors.joining(", ")));
      }
      for (CpuFeature feature : missing) {
        log.warn(
            "warning: the CPU engine doesn't support requested feature: {}", feature.described());
      }
    }
    if (topology.count() > topology.sockets()) {
      wanted.add(HT);
    }
    if (topology.threads() > 1 && isAmd() && check && !wanted.contains(TOPOEXT)) {
      log.warn(
          "-smp threads={}: guests take an AMD processor's threads for cores without topoext;"
              + " add it: -cpu {},+topoext",
          topology.threads(),
          option);
    }
    features = Collections.unmodifiableSet(wanted);
    physicalAddressBits = physicalBits(hostPhysicalBits);
    if (!given.contains("level")) {
      level = Math.max(level, lastLeaf(0, 0x7fff_ffff));
    }
    if (!given.contains("xlevel")) {
      int last = lastLeaf(0x8000_0000, 0xbfff_ffff);
      extendedLevel =
          last == 0
              ? extendedLevel
              : Integer.compareUnsigned(extendedLevel, last) < 0 ? last : extendedLevel;
    }
  }

  /** The last leaf of a range that one of the features has; 0 for none. */
  private int lastLeaf(int from, int to) {
    int last = 0;
    for (CpuFeature feature : features) {
      int leaf = feature == TOPOEXT ? TOPOLOGY_LEAF : feature.leaf();
      if (Integer.compareUnsigned(leaf, from) >= 0
          && Integer.compareUnsigned(leaf, to) <= 0
          && Integer.compareUnsigned(leaf, last) > 0) {
        last = leaf;
      }
    }
    return last;
  }

  /** The width of physical addresses from what was given: the host's before a number. */
  private int physicalBits(boolean hosts) {
    if (!has(LM)) {
      if (physicalAddressBits != 0) {
        throw new IllegalArgumentException(
            "CPU property 'phys-bits' is for models with 64-bit mode, which " + name + " has not");
      }
      return has(PSE36) || has(PAE) ? 36 : 32;
    }
    if (hosts) {
      int bits = hostPhysicalBits();
      return hostPhysicalBitsLimit == 0 ? bits : Math.min(bits, hostPhysicalBitsLimit);
    }
    return physicalAddressBits == 0 ? DEFAULT_PHYSICAL_BITS : physicalAddressBits;
  }

  private static int hostPhysicalBits() {
    try {
      int bits = HostCpu.get().cpuid(0x8000_0008, 0).eax() & 0xff;
      return Math.clamp(bits, MIN_PHYSICAL_BITS, MAX_PHYSICAL_BITS);
    } catch (IOException e) {
      throw new IllegalArgumentException(
          "CPU property 'host-phys-bits': " + e.getMessage() + "; give phys-bits", e);
    }
  }

  /** Features that make no sense without another one, directly or through a third, or here. */
  private EnumSet<CpuFeature> withoutFoundation(Set<CpuFeature> features) {
    EnumSet<CpuFeature> dropped = EnumSet.noneOf(CpuFeature.class);
    if (!isAmd()) {
      dropped.add(TOPOEXT);
    }
    // In this order a feature's foundation has its turn before it.
    if (!features.contains(XSAVE)) {
      dropped.addAll(List.of(XSAVEOPT, XSAVEC, XGETBV1, AVX));
    }
    if (!features.contains(AVX) || dropped.contains(AVX)) {
      dropped.addAll(List.of(FMA, F16C, AVX2, VAES, VPCLMULQDQ, AVX_VNNI));
    }
    dropped.retainAll(features);
    return dropped;
  }

  /** All features that the interpreter carries out, on every host. */
  public static Set<CpuFeature> supported() {
    return SUPPORTED;
  }

  /** What {@code -cpu help} prints: models, then the names of features that can be switched. */
  public static List<String> help() {
    List<String> lines = new ArrayList<>();
    lines.add("Available CPUs:");
    for (CpuDefinition definition : CpuDefinitions.all()) {
      String what =
          definition.aliasOf() == null
              ? definition.modelId()
              : "(alias of " + definition.aliasOf() + ")";
      lines.add("  %-20s  %s".formatted(definition.name(), what).stripTrailing());
    }
    lines.add("");
    lines.add("Recognized CPUID flags:");
    StringBuilder line = new StringBuilder();
    for (String flag : Stream.of(CpuFeature.values()).map(CpuFeature::qemuName).sorted().toList()) {
      if (line.length() + 1 + flag.length() > HELP_WIDTH) {
        lines.add(line.toString());
        line.setLength(0);
      }
      line.append(line.isEmpty() ? "  " : " ").append(flag);
    }
    lines.add(line.toString());
    return lines;
  }

  /** The names of all models. */
  public static List<String> names() {
    return CpuDefinitions.all().stream().map(CpuDefinition::name).toList();
  }

  /**
   * A model that can be asked for, as management programs see it.
   *
   * @param named the same processor on every host that has what it needs
   * @param unavailable features of the model that a guest here would not get, in CPUID's order
   */
  public record Known(
      String name, Optional<String> aliasOf, boolean named, List<CpuFeature> unavailable) {}

  /** All models, and what the engine of this one lacks of them. */
  public List<Known> known() {
    return CpuDefinitions.all().stream()
        .map(
            definition -> {
              EnumSet<CpuFeature> missing = EnumSet.copyOf(definition.features(available));
              missing.removeAll(available);
              return new Known(
                  definition.name(),
                  Optional.ofNullable(definition.aliasOf()),
                  definition.isNamed(),
                  List.copyOf(missing));
            })
        .toList();
  }

  public String name() {
    return name;
  }

  /** The features that CPUID shows, those that depend on control registers apart. */
  public Set<CpuFeature> features() {
    return features;
  }

  public boolean has(CpuFeature feature) {
    return features.contains(feature);
  }

  public CpuTopology topology() {
    return topology;
  }

  /** Twelve characters. */
  public String vendor() {
    return vendor;
  }

  /** True where AMD's rules apply, false for Intel's. */
  public boolean isAmd() {
    return !LIKE_INTEL.contains(vendor);
  }

  /** The displayed family: base plus extended. */
  int family() {
    return family;
  }

  /** Width of guest-physical addresses in bits. */
  public int physicalAddressBits() {
    return physicalAddressBits;
  }

  private int linearAddressBits() {
    return has(LA57) ? CanonicalForm.BITS_5_LEVELS : CanonicalForm.BITS_4_LEVELS;
  }

  /** True for an address that a register of the processor can hold. */
  public boolean isCanonical(long address) {
    return CanonicalForm.is(address, linearAddressBits());
  }

  /** The bits that XCR0 may have. */
  long xcr0Mask() {
    return 3 | (has(AVX) ? 4 : 0) | (has(PKU) ? XSAVE_PKRU : 0);
  }

  /** The processor signature: leaf 1 EAX, also in EDX after reset. */
  int signature() {
    int baseFamily = Math.min(family, 15);
    int extendedFamily = family - baseFamily;
    return extendedFamily << 20
        | (model >> 4) << 16
        | baseFamily << 8
        | (model & 15) << 4
        | stepping;
  }

  /**
   * The answer of CPUID.
   *
   * @param s control registers that some leaves show
   * @param index the vCPU's number
   * @param apicEnabled bit 11 of IA32_APIC_BASE
   */
  public Leaf cpuid(int leaf, int subleaf, CpuState s, int index, boolean apicEnabled) {
    if (leaf >= 0x4000_0000 && leaf <= HYPERVISOR_MAX && has(HYPERVISOR)) {
      return hypervisor(leaf);
    }
    if (leaf < 0 ? extendedLevel == 0 || leaf > extendedLevel : leaf > level) {
      // AMD: undefined leaves are zero; Intel: those of the highest basic leaf.
      return isAmd() ? Leaf.ZERO : cpuid(level, subleaf, s, index, apicEnabled);
    }
    return switch (leaf) {
      case 0 -> vendorLeaf(level);
      case 1 -> leaf1(s, index, apicEnabled);
      case 2 -> isAmd() ? Leaf.ZERO : new Leaf(0x01, 0, 0x4d, 0x2c307d);
      case 4 -> isAmd() ? Leaf.ZERO : intelCache(subleaf);
      case 5 -> has(MONITOR) ? new Leaf(64, 64, 3, 0) : new Leaf(0, 0, 3, 0);
      case 6 -> new Leaf(bits(6, 0, Register.EAX), 0, 0, 0);
      case 7 ->
          new Leaf(
              subleaf == 0 ? LAST_FEATURE_SUBLEAF : bits(7, subleaf, Register.EAX),
              bits(7, subleaf, Register.EBX),
              bits(7, subleaf, Register.ECX)
                  | (subleaf == 0 && (s.cr4() & ControlRegisters.CR4_PKE) != 0 ? OSPKE : 0),
              bits(7, subleaf, Register.EDX));
      case 0xb -> topologyLeaf(subleaf, index);
      case 0xd -> xsaveLeaf(subleaf, s);
      case 0x15 -> new Leaf(1, 1, (int) TSC_HZ, 0);
      case 0x16 ->
          new Leaf(
              (int) (TSC_HZ / 1_000_000),
              (int) (TSC_HZ / 1_000_000),
              (int) (BUS_HZ / 1_000_000),
              0);
      case 0x8000_0000 -> vendorLeaf(extendedLevel);
      case 0x8000_0001 -> extendedFeatures(s);
      case 0x8000_0002, 0x8000_0003, 0x8000_0004 -> modelIdLeaf(leaf & 7);
      case 0x8000_0005 ->
          isAmd() ? new Leaf(0x01ff_01ff, 0x01ff_01ff, 0x4002_0140, 0x4002_0140) : Leaf.ZERO;
      case 0x8000_0006 ->
          isAmd()
              ? new Leaf(0, 0x4200_4200, 0x0200_8140, 0x0080_8140)
              : new Leaf(0, 0, 0x0200_8140, 0);
      case 0x8000_0007 -> new Leaf(0, 0, 0, bits(leaf, 0, Register.EDX));
      case 0x8000_0008 -> addressSizes();
      case 0x8000_001d -> has(TOPOEXT) ? amdCache(subleaf) : Leaf.ZERO;
      case 0x8000_001e -> has(TOPOEXT) ? amdTopology(index) : Leaf.ZERO;
      default -> Leaf.ZERO;
    };
  }

  private Leaf vendorLeaf(int highest) {
    byte[] v = vendor.getBytes(StandardCharsets.US_ASCII);
    return new Leaf(highest, word(v, 0), word(v, 8), word(v, 4));
  }

  private Leaf leaf1(CpuState s, int index, boolean apicEnabled) {
    int perPackage = topology.cores() * topology.threads();
    int ebx =
        topology.apicId(index) << 24
            | (perPackage > 1 ? perPackage << 16 : 0)
            | (has(CLFLUSH) ? 8 << 8 : 0);
    int ecx = bits(1, 0, Register.ECX);
    if (has(XSAVE) && (s.cr4() & ControlRegisters.CR4_OSXSAVE) != 0) {
      ecx |= OSXSAVE;
    }
    int edx = bits(1, 0, Register.EDX);
    if (!apicEnabled) {
      edx &= ~APIC.mask();
    }
    return new Leaf(signature(), ebx, ecx, edx);
  }

  private Leaf intelCache(int subleaf) {
    int cores = (topology.cores() - 1) << 26;
    int sharedByPackage = ((1 << topology.packageShift()) - 1) << 14;
    int sharedByCore = ((1 << topology.threadBits()) - 1) << 14;
    return switch (subleaf) {
      case 0 -> new Leaf(cores | sharedByCore | 0x121, 7 << 22 | 63, 63, 1);
      case 1 -> new Leaf(cores | sharedByCore | 0x122, 7 << 22 | 63, 63, 1);
      case 2 -> new Leaf(cores | sharedByCore | 0x143, 15 << 22 | 63, 4095, 1);
      case 3 -> new Leaf(cores | sharedByPackage | 0x163, 15 << 22 | 63, 16383, 6);
      default -> Leaf.ZERO;
    };
  }

  /** The caches of leaves 0x80000005 and 0x80000006, and how many APIC ids share each. */
  private Leaf amdCache(int subleaf) {
    int sharedByPackage = ((1 << topology.packageShift()) - 1) << 14;
    int sharedByCore = ((1 << topology.threadBits()) - 1) << 14;
    return switch (subleaf) {
      case 0 -> new Leaf(sharedByCore | 0x121, 1 << 22 | 63, 511, 0);
      case 1 -> new Leaf(sharedByCore | 0x122, 1 << 22 | 63, 511, 0);
      case 2 -> new Leaf(sharedByCore | 0x143, 15 << 22 | 63, 511, 0);
      case 3 -> new Leaf(sharedByPackage | 0x163, 15 << 22 | 63, 16383, 0);
      default -> Leaf.ZERO;
    };
  }

  /** APIC id, core and threads per core, and the package as the only node in it. */
  private Leaf amdTopology(int index) {
    int id = topology.apicId(index);
    int core = index / topology.threads() % topology.cores();
    return new Leaf(id, (topology.threads() - 1) << 8 | core, id >>> topology.packageShift(), 0);
  }

  private Leaf topologyLeaf(int subleaf, int index) {
    int id = topology.apicId(index);
    return switch (subleaf) {
      case 0 -> new Leaf(topology.threadBits(), topology.threads(), 0x100, id);
      case 1 -> new Leaf(topology.packageShift(), topology.cores() * topology.threads(), 0x201, id);
      default -> new Leaf(0, 0, subleaf & 0xff, id);
    };
  }

  private Leaf xsaveLeaf(int subleaf, CpuState s) {
    if (!has(XSAVE)) {
      return Leaf.ZERO;
    }
    long mask = xcr0Mask();
    return switch (subleaf) {
      case 0 ->
          new Leaf(
              (int) mask, xsaveSize(s.u64(CpuLayout.XCR0)), xsaveSize(mask), (int) (mask >>> 32));
      case 1 -> new Leaf(bits(0xd, 1, Register.EAX), compactedSize(s.u64(CpuLayout.XCR0)), 0, 0);
      case 2 -> (mask & 4) != 0 ? new Leaf(256, 576, 0, 0) : Leaf.ZERO;
      case 9 -> (mask & XSAVE_PKRU) != 0 ? new Leaf(8, XSAVE_PKRU_OFFSET, 0, 0) : Leaf.ZERO;
      default -> Leaf.ZERO;
    };
  }

  /** Bytes of an XSAVE area in standard form (Intel SDM vol. 1, 13.4). */
  private static int xsaveSize(long components) {
    if ((components & XSAVE_PKRU) != 0) {
      return XSAVE_PKRU_OFFSET + 8;
    }
    return (components & 4) != 0 ? 576 + 256 : 576;
  }

  /** Bytes of an XSAVE area in compacted form. */
  private int compactedSize(long components) {
    return has(XSAVEC)
        ? 576 + ((components & 4) != 0 ? 256 : 0) + ((components & XSAVE_PKRU) != 0 ? 8 : 0)
        : xsaveSize(components);
  }

  private Leaf extendedFeatures(CpuState s) {
    int edx = bits(0x8000_0001, 0, Register.EDX);
    if (!isAmd()
        && (s.u64(CpuLayout.MISC_ENABLE) & ModelSpecificRegisters.MISC_ENABLE_XD_DISABLE) != 0) {
      edx &= ~NX.mask();
    }
    if (isAmd()) {
      edx |= bits(1, 0, Register.EDX) & REPEATED_EDX;
    }
    int ecx = bits(0x8000_0001, 0, Register.ECX);
    if (isAmd() && topology.cores() * topology.threads() > 1) {
      ecx |= CMP_LEGACY.mask();
    }
    return new Leaf(signature(), 0, ecx, edx);
  }

  private Leaf modelIdLeaf(int part) {
    byte[] text = new byte[48];
    byte[] id = modelId.getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(id, 0, text, 0, Math.min(id.length, 47));
    int at = (part - 2) * 16;
    return new Leaf(word(text, at), word(text, at + 4), word(text, at + 8), word(text, at + 12));
  }

  private Leaf addressSizes() {
    int perPackage = topology.cores() * topology.threads();
    int ecx = isAmd() && perPackage > 1 ? topology.packageShift() << 12 | (perPackage - 1) : 0;
    return new Leaf(
        linearAddressBits() << 8 | physicalAddressBits, bits(0x8000_0008, 0, Register.EBX), ecx, 0);
  }

  private static Leaf hypervisor(int leaf) {
    byte[] v = HYPERVISOR_SIGNATURE.getBytes(StandardCharsets.US_ASCII);
    return switch (leaf) {
      case 0x4000_0000 -> new Leaf(HYPERVISOR_MAX, word(v, 0), word(v, 4), word(v, 8));
      case HYPERVISOR_MAX -> new Leaf((int) (TSC_HZ / 1000), (int) (BUS_HZ / 1000), 0, 0);
      default -> Leaf.ZERO;
    };
  }

  private int bits(int leaf, int subleaf, Register register) {
    int value = 0;
    for (CpuFeature f : features) {
      if (f.leaf() == leaf && f.subleaf() == subleaf && f.register() == register) {
        value |= f.mask();
      }
    }
    return value;
  }

  private static int word(byte[] text, int at) {
    return text[at] & 0xff
        | (text[at + 1] & 0xff) << 8
        | (text[at + 2] & 0xff) << 16
        | text[at + 3] << 24;
  }

  // ---- the option ----

  private void setValue(String key, String value) {
    switch (key) {
      case "vendor" -> {
        if (value.length() != 12 || !value.chars().allMatch(c -> c >= ' ' && c < 127)) {
          throw new IllegalArgumentException(
              "CPU property 'vendor' takes 12 ASCII characters, not '" + value + "'");
        }
        vendor = value;
      }
      case "model-id" -> modelId = value;
      case "family" -> family = number(key, value, 0, 0xff + 0xf);
      case "model" -> model = number(key, value, 0, 0xff);
      case "stepping" -> stepping = number(key, value, 0, 0xf);
      case "level" -> level = number(key, value, 1, 0x1f);
      case "xlevel" -> extendedLevel = number(key, value, 0x8000_0000L, 0x8000_001fL);
      case "phys-bits" -> physicalAddressBits = physicalBits(key, value);
      case "host-phys-bits-limit" -> hostPhysicalBitsLimit = physicalBits(key, value);
      default -> throw new IllegalStateException(key);
    }
  }

  /** A width of physical addresses, or 0 for the default. */
  private static int physicalBits(String key, String value) {
    return value.equals("0") ? 0 : number(key, value, MIN_PHYSICAL_BITS, MAX_PHYSICAL_BITS);
  }

  private static int number(String key, String value, long min, long max) {
    try {
      long number = Long.decode(value);
      if (number >= min && number <= max) {
        return (int) number;
      }
    } catch (NumberFormatException e) {
      // The sentence below says what would be right.
    }
    throw new IllegalArgumentException(
        "CPU property '"
            + key
            + "' takes a number from "
            + min
            + " to "
            + max
            + ", not '"
            + value
            + "'");
  }

  private static boolean onOff(String key, String value) {
    return switch (value) {
      case "on", "yes", "true", "y" -> true;
      case "off", "no", "false", "n" -> false;
      default ->
          throw new IllegalArgumentException(
              "CPU property '" + key + "' takes 'on' or 'off', not '" + value + "'");
    };
  }

  private static String normal(String name) {
    return name.toLowerCase(Locale.ROOT).replace('_', '-').replace('.', '-');
  }

  private static CpuFeature feature(String name) {
    String key = normal(name);
    String wanted = normal(ALIASES.getOrDefault(key, key));
    for (CpuFeature f : CpuFeature.values()) {
      if (normal(f.qemuName()).equals(wanted)) {
        return f;
      }
    }
    List<String> known = new ArrayList<>(VALUES);
    known.addAll(IGNORED);
    known.addAll(List.of("check", "enforce", "host-phys-bits"));
    for (CpuFeature f : CpuFeature.values()) {
      known.add(f.qemuName());
    }
    known.addAll(ALIASES.keySet());
    String hint =
        Suggestions.nearest(name, known).map(n -> "; did you mean \"" + n + "\"?").orElse("");
    throw new IllegalArgumentException("CPU feature '" + name + "' is not known" + hint);
  }
}
