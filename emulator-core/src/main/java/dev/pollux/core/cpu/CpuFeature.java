package dev.pollux.core.cpu;

/**
 * The feature bits of the CPUID instruction, with the place of each bit and the name that QEMU's
 * {@code -cpu} option uses for it (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E).
 *
 * <p>The list holds the bits that a guest or a host can show, not only those that Pollux can offer:
 * what is offered is the CPU model's decision.
 */
public enum CpuFeature {
  // Leaf 1, EDX.
  FPU(1, 0, Register.EDX, 0, "fpu"),
  VME(1, 0, Register.EDX, 1, "vme"),
  DE(1, 0, Register.EDX, 2, "de"),
  PSE(1, 0, Register.EDX, 3, "pse"),
  TSC(1, 0, Register.EDX, 4, "tsc"),
  MSR(1, 0, Register.EDX, 5, "msr"),
  PAE(1, 0, Register.EDX, 6, "pae"),
  MCE(1, 0, Register.EDX, 7, "mce"),
  CX8(1, 0, Register.EDX, 8, "cx8"),
  APIC(1, 0, Register.EDX, 9, "apic"),
  SEP(1, 0, Register.EDX, 11, "sep"),
  MTRR(1, 0, Register.EDX, 12, "mtrr"),
  PGE(1, 0, Register.EDX, 13, "pge"),
  MCA(1, 0, Register.EDX, 14, "mca"),
  CMOV(1, 0, Register.EDX, 15, "cmov"),
  PAT(1, 0, Register.EDX, 16, "pat"),
  PSE36(1, 0, Register.EDX, 17, "pse36"),
  PN(1, 0, Register.EDX, 18, "pn"),
  CLFLUSH(1, 0, Register.EDX, 19, "clflush"),
  DS(1, 0, Register.EDX, 21, "ds"),
  ACPI(1, 0, Register.EDX, 22, "acpi"),
  MMX(1, 0, Register.EDX, 23, "mmx"),
  FXSR(1, 0, Register.EDX, 24, "fxsr"),
  SSE(1, 0, Register.EDX, 25, "sse"),
  SSE2(1, 0, Register.EDX, 26, "sse2"),
  SS(1, 0, Register.EDX, 27, "ss"),
  HT(1, 0, Register.EDX, 28, "ht"),
  TM(1, 0, Register.EDX, 29, "tm"),
  IA64(1, 0, Register.EDX, 30, "ia64"),
  PBE(1, 0, Register.EDX, 31, "pbe"),

  // Leaf 1, ECX.
  SSE3(1, 0, Register.ECX, 0, "pni"),
  PCLMULQDQ(1, 0, Register.ECX, 1, "pclmulqdq"),
  DTES64(1, 0, Register.ECX, 2, "dtes64"),
  MONITOR(1, 0, Register.ECX, 3, "monitor"),
  DS_CPL(1, 0, Register.ECX, 4, "ds-cpl"),
  VMX(1, 0, Register.ECX, 5, "vmx"),
  SMX(1, 0, Register.ECX, 6, "smx"),
  EST(1, 0, Register.ECX, 7, "est"),
  TM2(1, 0, Register.ECX, 8, "tm2"),
  SSSE3(1, 0, Register.ECX, 9, "ssse3"),
  CID(1, 0, Register.ECX, 10, "cid"),
  FMA(1, 0, Register.ECX, 12, "fma"),
  CX16(1, 0, Register.ECX, 13, "cx16"),
  XTPR(1, 0, Register.ECX, 14, "xtpr"),
  PDCM(1, 0, Register.ECX, 15, "pdcm"),
  PCID(1, 0, Register.ECX, 17, "pcid"),
  DCA(1, 0, Register.ECX, 18, "dca"),
  SSE41(1, 0, Register.ECX, 19, "sse4.1"),
  SSE42(1, 0, Register.ECX, 20, "sse4.2"),
  X2APIC(1, 0, Register.ECX, 21, "x2apic"),
  MOVBE(1, 0, Register.ECX, 22, "movbe"),
  POPCNT(1, 0, Register.ECX, 23, "popcnt"),
  TSC_DEADLINE(1, 0, Register.ECX, 24, "tsc-deadline"),
  AES(1, 0, Register.ECX, 25, "aes"),
  XSAVE(1, 0, Register.ECX, 26, "xsave"),
  AVX(1, 0, Register.ECX, 28, "avx"),
  F16C(1, 0, Register.ECX, 29, "f16c"),
  RDRAND(1, 0, Register.ECX, 30, "rdrand"),
  HYPERVISOR(1, 0, Register.ECX, 31, "hypervisor"),

  // Leaf 6, EAX.
  ARAT(6, 0, Register.EAX, 2, "arat"),

  // Leaf 7, subleaf 0, EBX.
  FSGSBASE(7, 0, Register.EBX, 0, "fsgsbase"),
  TSC_ADJUST(7, 0, Register.EBX, 1, "tsc-adjust"),
  SGX(7, 0, Register.EBX, 2, "sgx"),
  BMI1(7, 0, Register.EBX, 3, "bmi1"),
  HLE(7, 0, Register.EBX, 4, "hle"),
  AVX2(7, 0, Register.EBX, 5, "avx2"),
  SMEP(7, 0, Register.EBX, 7, "smep"),
  BMI2(7, 0, Register.EBX, 8, "bmi2"),
  ERMS(7, 0, Register.EBX, 9, "erms"),
  INVPCID(7, 0, Register.EBX, 10, "invpcid"),
  RTM(7, 0, Register.EBX, 11, "rtm"),
  MPX(7, 0, Register.EBX, 14, "mpx"),
  AVX512F(7, 0, Register.EBX, 16, "avx512f"),
  AVX512DQ(7, 0, Register.EBX, 17, "avx512dq"),
  RDSEED(7, 0, Register.EBX, 18, "rdseed"),
  ADX(7, 0, Register.EBX, 19, "adx"),
  SMAP(7, 0, Register.EBX, 20, "smap"),
  AVX512IFMA(7, 0, Register.EBX, 21, "avx512ifma"),
  PCOMMIT(7, 0, Register.EBX, 22, "pcommit"),
  CLFLUSHOPT(7, 0, Register.EBX, 23, "clflushopt"),
  CLWB(7, 0, Register.EBX, 24, "clwb"),
  INTEL_PT(7, 0, Register.EBX, 25, "intel-pt"),
  AVX512PF(7, 0, Register.EBX, 26, "avx512pf"),
  AVX512ER(7, 0, Register.EBX, 27, "avx512er"),
  AVX512CD(7, 0, Register.EBX, 28, "avx512cd"),
  SHA(7, 0, Register.EBX, 29, "sha-ni"),
  AVX512BW(7, 0, Register.EBX, 30, "avx512bw"),
  AVX512VL(7, 0, Register.EBX, 31, "avx512vl"),

  // Leaf 7, subleaf 0, ECX.
  AVX512VBMI(7, 0, Register.ECX, 1, "avx512vbmi"),
  UMIP(7, 0, Register.ECX, 2, "umip"),
  PKU(7, 0, Register.ECX, 3, "pku"),
  OSPKE(7, 0, Register.ECX, 4, "ospke"),
  WAITPKG(7, 0, Register.ECX, 5, "waitpkg"),
  AVX512VBMI2(7, 0, Register.ECX, 6, "avx512vbmi2"),
  GFNI(7, 0, Register.ECX, 8, "gfni"),
  VAES(7, 0, Register.ECX, 9, "vaes"),
  VPCLMULQDQ(7, 0, Register.ECX, 10, "vpclmulqdq"),
  AVX512VNNI(7, 0, Register.ECX, 11, "avx512vnni"),
  AVX512BITALG(7, 0, Register.ECX, 12, "avx512bitalg"),
  AVX512_VPOPCNTDQ(7, 0, Register.ECX, 14, "avx512-vpopcntdq"),
  LA57(7, 0, Register.ECX, 16, "la57"),
  RDPID(7, 0, Register.ECX, 22, "rdpid"),
  BUS_LOCK_DETECT(7, 0, Register.ECX, 24, "bus-lock-detect"),
  CLDEMOTE(7, 0, Register.ECX, 25, "cldemote"),
  MOVDIRI(7, 0, Register.ECX, 27, "movdiri"),
  MOVDIR64B(7, 0, Register.ECX, 28, "movdir64b"),
  PKS(7, 0, Register.ECX, 31, "pks"),

  // Leaf 7, subleaf 0, EDX.
  AVX512_4VNNIW(7, 0, Register.EDX, 2, "avx512-4vnniw"),
  AVX512_4FMAPS(7, 0, Register.EDX, 3, "avx512-4fmaps"),
  FSRM(7, 0, Register.EDX, 4, "fsrm"),
  AVX512_VP2INTERSECT(7, 0, Register.EDX, 8, "avx512-vp2intersect"),
  MD_CLEAR(7, 0, Register.EDX, 10, "md-clear"),
  SERIALIZE(7, 0, Register.EDX, 14, "serialize"),
  TSX_LDTRK(7, 0, Register.EDX, 16, "tsx-ldtrk"),
  ARCH_LBR(7, 0, Register.EDX, 19, "arch-lbr"),
  AMX_BF16(7, 0, Register.EDX, 22, "amx-bf16"),
  AVX512_FP16(7, 0, Register.EDX, 23, "avx512-fp16"),
  AMX_TILE(7, 0, Register.EDX, 24, "amx-tile"),
  AMX_INT8(7, 0, Register.EDX, 25, "amx-int8"),
  SPEC_CTRL(7, 0, Register.EDX, 26, "spec-ctrl"),
  STIBP(7, 0, Register.EDX, 27, "stibp"),
  ARCH_CAPABILITIES(7, 0, Register.EDX, 29, "arch-capabilities"),
  CORE_CAPABILITY(7, 0, Register.EDX, 30, "core-capability"),
  SSBD(7, 0, Register.EDX, 31, "ssbd"),

  // Leaf 7, subleaf 1, EAX.
  SHA512(7, 1, Register.EAX, 0, "sha512"),
  SM3(7, 1, Register.EAX, 1, "sm3"),
  SM4(7, 1, Register.EAX, 2, "sm4"),
  AVX_VNNI(7, 1, Register.EAX, 4, "avx-vnni"),
  AVX512_BF16(7, 1, Register.EAX, 5, "avx512-bf16"),
  CMPCCXADD(7, 1, Register.EAX, 7, "cmpccxadd"),
  FZRM(7, 1, Register.EAX, 10, "fzrm"),
  FSRS(7, 1, Register.EAX, 11, "fsrs"),
  FSRC(7, 1, Register.EAX, 12, "fsrc"),
  AMX_FP16(7, 1, Register.EAX, 21, "amx-fp16"),
  AVX_IFMA(7, 1, Register.EAX, 23, "avx-ifma"),
  LAM(7, 1, Register.EAX, 26, "lam"),

  // Leaf 7, subleaf 1, EDX.
  AVX_VNNI_INT8(7, 1, Register.EDX, 4, "avx-vnni-int8"),
  AVX_NE_CONVERT(7, 1, Register.EDX, 5, "avx-ne-convert"),
  AVX_VNNI_INT16(7, 1, Register.EDX, 10, "avx-vnni-int16"),
  PREFETCHITI(7, 1, Register.EDX, 14, "prefetchiti"),
  AVX10(7, 1, Register.EDX, 19, "avx10"),

  // Leaf 7, subleaf 2, EDX.
  INTEL_PSFD(7, 2, Register.EDX, 0, "intel-psfd"),
  IPRED_CTRL(7, 2, Register.EDX, 1, "ipred-ctrl"),
  RRSBA_CTRL(7, 2, Register.EDX, 2, "rrsba-ctrl"),
  DDPD_U(7, 2, Register.EDX, 3, "ddpd-u"),
  BHI_CTRL(7, 2, Register.EDX, 4, "bhi-ctrl"),
  MCDT_NO(7, 2, Register.EDX, 5, "mcdt-no"),

  // Leaf 0xD, subleaf 1, EAX.
  XSAVEOPT(0xD, 1, Register.EAX, 0, "xsaveopt"),
  XSAVEC(0xD, 1, Register.EAX, 1, "xsavec"),
  XGETBV1(0xD, 1, Register.EAX, 2, "xgetbv1"),
  XSAVES(0xD, 1, Register.EAX, 3, "xsaves"),
  XFD(0xD, 1, Register.EAX, 4, "xfd"),

  // Leaf 0x24, EBX.
  AVX10_128(0x24, 0, Register.EBX, 16, "avx10-128"),
  AVX10_256(0x24, 0, Register.EBX, 17, "avx10-256"),
  AVX10_512(0x24, 0, Register.EBX, 18, "avx10-512"),

  // Leaf 0x80000001, EDX (the bits that repeat leaf 1 are left out).
  SYSCALL(0x80000001, 0, Register.EDX, 11, "syscall"),
  NX(0x80000001, 0, Register.EDX, 20, "nx"),
  MMXEXT(0x80000001, 0, Register.EDX, 22, "mmxext"),
  FXSR_OPT(0x80000001, 0, Register.EDX, 25, "fxsr-opt"),
  PDPE1GB(0x80000001, 0, Register.EDX, 26, "pdpe1gb"),
  RDTSCP(0x80000001, 0, Register.EDX, 27, "rdtscp"),
  LM(0x80000001, 0, Register.EDX, 29, "lm"),
  AMD_3DNOWEXT(0x80000001, 0, Register.EDX, 30, "3dnowext"),
  AMD_3DNOW(0x80000001, 0, Register.EDX, 31, "3dnow"),

  // Leaf 0x80000001, ECX.
  LAHF_LM(0x80000001, 0, Register.ECX, 0, "lahf-lm"),
  CMP_LEGACY(0x80000001, 0, Register.ECX, 1, "cmp-legacy"),
  SVM(0x80000001, 0, Register.ECX, 2, "svm"),
  EXTAPIC(0x80000001, 0, Register.ECX, 3, "extapic"),
  CR8LEGACY(0x80000001, 0, Register.ECX, 4, "cr8legacy"),
  ABM(0x80000001, 0, Register.ECX, 5, "abm"),
  SSE4A(0x80000001, 0, Register.ECX, 6, "sse4a"),
  MISALIGNSSE(0x80000001, 0, Register.ECX, 7, "misalignsse"),
  AMD_PREFETCHW(0x80000001, 0, Register.ECX, 8, "3dnowprefetch"),
  OSVW(0x80000001, 0, Register.ECX, 9, "osvw"),
  IBS(0x80000001, 0, Register.ECX, 10, "ibs"),
  XOP(0x80000001, 0, Register.ECX, 11, "xop"),
  SKINIT(0x80000001, 0, Register.ECX, 12, "skinit"),
  WDT(0x80000001, 0, Register.ECX, 13, "wdt"),
  LWP(0x80000001, 0, Register.ECX, 15, "lwp"),
  FMA4(0x80000001, 0, Register.ECX, 16, "fma4"),
  TCE(0x80000001, 0, Register.ECX, 17, "tce"),
  NODEID_MSR(0x80000001, 0, Register.ECX, 19, "nodeid-msr"),
  TBM(0x80000001, 0, Register.ECX, 21, "tbm"),
  TOPOEXT(0x80000001, 0, Register.ECX, 22, "topoext"),
  PERFCTR_CORE(0x80000001, 0, Register.ECX, 23, "perfctr-core"),
  PERFCTR_NB(0x80000001, 0, Register.ECX, 24, "perfctr-nb"),

  // Leaf 0x80000007, EDX.
  INVTSC(0x80000007, 0, Register.EDX, 8, "invtsc"),

  // Leaf 0x80000008, EBX.
  CLZERO(0x80000008, 0, Register.EBX, 0, "clzero"),
  XSAVEERPTR(0x80000008, 0, Register.EBX, 2, "xsaveerptr"),
  WBNOINVD(0x80000008, 0, Register.EBX, 9, "wbnoinvd"),
  IBPB(0x80000008, 0, Register.EBX, 12, "ibpb"),
  IBRS(0x80000008, 0, Register.EBX, 14, "ibrs"),
  AMD_STIBP(0x80000008, 0, Register.EBX, 15, "amd-stibp"),
  STIBP_ALWAYS_ON(0x80000008, 0, Register.EBX, 17, "stibp-always-on"),
  AMD_SSBD(0x80000008, 0, Register.EBX, 24, "amd-ssbd"),
  VIRT_SSBD(0x80000008, 0, Register.EBX, 25, "virt-ssbd"),
  AMD_NO_SSB(0x80000008, 0, Register.EBX, 26, "amd-no-ssb"),
  AMD_PSFD(0x80000008, 0, Register.EBX, 28, "amd-psfd"),

  // Leaf 0x8000000A, EDX.
  NPT(0x8000000a, 0, Register.EDX, 0, "npt"),
  NRIP_SAVE(0x8000000a, 0, Register.EDX, 3, "nrip-save"),
  VNMI(0x8000000a, 0, Register.EDX, 25, "vnmi"),
  SVME_ADDR_CHK(0x8000000a, 0, Register.EDX, 28, "svme-addr-chk"),

  // Leaf 0x80000021, EAX.
  NO_NESTED_DATA_BP(0x80000021, 0, Register.EAX, 0, "no-nested-data-bp"),
  LFENCE_ALWAYS_SERIALIZING(0x80000021, 0, Register.EAX, 2, "lfence-always-serializing"),
  NULL_SEL_CLR_BASE(0x80000021, 0, Register.EAX, 6, "null-sel-clr-base"),
  AUTO_IBRS(0x80000021, 0, Register.EAX, 8, "auto-ibrs"),

  // Leaf 0xC0000001, EDX: Zhaoxin's.
  XSTORE(0xc0000001, 0, Register.EDX, 2, "xstore"),
  XSTORE_EN(0xc0000001, 0, Register.EDX, 3, "xstore-en"),
  XCRYPT(0xc0000001, 0, Register.EDX, 6, "xcrypt"),
  XCRYPT_EN(0xc0000001, 0, Register.EDX, 7, "xcrypt-en"),
  ACE2(0xc0000001, 0, Register.EDX, 8, "ace2"),
  PHE(0xc0000001, 0, Register.EDX, 10, "phe"),
  PHE_EN(0xc0000001, 0, Register.EDX, 11, "phe-en"),
  PMM(0xc0000001, 0, Register.EDX, 12, "pmm"),
  PMM_EN(0xc0000001, 0, Register.EDX, 13, "pmm-en");

  /** The register in which CPUID returns a bit. */
  public enum Register {
    EAX,
    EBX,
    ECX,
    EDX
  }

  private final int leaf;
  private final int subleaf;
  private final Register register;
  private final int bit;
  private final String qemuName;

  CpuFeature(int leaf, int subleaf, Register register, int bit, String qemuName) {
    this.leaf = leaf;
    this.subleaf = subleaf;
    this.register = register;
    this.bit = bit;
    this.qemuName = qemuName;
  }

  /** The value of EAX that selects the leaf. */
  public int leaf() {
    return leaf;
  }

  /** The value of ECX that selects the subleaf; 0 where the leaf has none. */
  public int subleaf() {
    return subleaf;
  }

  /** A feature and its place as QEMU's messages write them. */
  public String described() {
    return "CPUID.%02XH:%s.%s [bit %d]".formatted(leaf, register, qemuName, bit);
  }

  /** The register that holds the bit. */
  public Register register() {
    return register;
  }

  /** The bit's number, 0 to 31. */
  public int bit() {
    return bit;
  }

  /** The bit as a mask in its register. */
  public int mask() {
    return 1 << bit;
  }

  /** The name in QEMU's {@code -cpu} option, for instance {@code sse4.1}. */
  public String qemuName() {
    return qemuName;
  }
}
