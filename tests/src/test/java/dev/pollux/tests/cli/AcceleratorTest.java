package dev.pollux.tests.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.harness.JavaCommand;
import dev.pollux.tests.harness.PolluxProcess;
import dev.pollux.tests.harness.TinyKernel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which engine runs the guest, as {@code -accel} and the host decide. */
class AcceleratorTest {
  private static final Duration PATIENCE = Duration.ofMinutes(1);
  private static final int DEBUG_EXIT = 0x501;
  private static final int STATUS = 5;

  @TempDir private Path folder;

  /** Runs a kernel that ends with status 2 * 5 + 1. */
  private PolluxProcess run(List<String> jvmOptions, String... options) {
    return run(jvmOptions, new TinyKernel().out(DEBUG_EXIT, STATUS), options);
  }

  private PolluxProcess run(List<String> jvmOptions, TinyKernel code, String... options) {
    List<String> command = JavaCommand.pollux(jvmOptions.toArray(String[]::new));
    command.addAll(List.of("run", "-m", "64", "-nographic", "-device", "isa-debug-exit"));
    Path kernel = code.halt().write(folder.resolve("kernel"));
    command.addAll(List.of("-kernel", kernel.toString()));
    command.addAll(List.of(options));
    return PolluxProcess.run(new ProcessBuilder(command));
  }

  private static void assertRan(PolluxProcess vm, String errors) {
    assertEquals(2 * STATUS + 1, vm.await(PATIENCE), vm.errors());
    assertEquals(errors, vm.errors());
  }

  /** Takes the host for one with another processor. */
  private static final List<String> FOREIGN = List.of("-Dpollux.host.arch=riscv64");

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-accel tcg",
        "-accel tcg,thread=multi,tb-size=16",
        "-accel kvm,kernel-irqchip=on -accel interp",
        "-accel interp,thread=single",
        "-machine pc,accel=kvm:tcg",
        "-accel tcg,tb-size=0",
        "-accel tcg,split-wx=on -cpu max",
        "-cpu host -accel tcg",
        "-cpu Haswell,check=off"
      })
  void acceptedHere(String options) {
    try (PolluxProcess vm = run(List.of(), options.split(" "))) {
      assertRan(vm, "");
    }
  }

  @Test
  void anotherHostInterpretsWithOneNotice() {
    try (PolluxProcess vm = run(FOREIGN)) {
      assertRan(
          vm,
          "pollux: this host runs no generated code, so the guest is interpreted:"
              + " the host's processor is riscv64, not x86-64\n");
    }
  }

  @Test
  void anotherHostFallsThroughSilently() {
    try (PolluxProcess vm = run(FOREIGN, "-accel", "jit", "-accel", "interp", "-cpu", "max")) {
      assertRan(vm, "");
    }
  }

  /** Of division they are undefined: the processor's own only where the host executes it. */
  @Test
  void anotherHostKeepsTheFlagsOfDivisions() {
    TinyKernel kernel =
        new TinyKernel()
            // mov eax, ZF << 8 | 5; sahf; mov ecx, 2; mov edx, 0; div ecx; lahf; mov al, ah
            .code("b805400000 9e b902000000 ba00000000 f7f1 9f 88e0")
            .code("66ba0105 ee"); // mov dx, DEBUG_EXIT; out dx, al
    try (PolluxProcess vm = run(FOREIGN, kernel, "-accel", "interp")) {
      assertEquals(2 * 0x42 + 1, vm.await(PATIENCE), vm.errors());
    }
  }

  @Test
  void whatAnotherHostCannotDoIsAnError() {
    for (String options : List.of("-accel jit", "-accel interp -cpu host")) {
      try (PolluxProcess vm = run(FOREIGN, options.split(" "))) {
        assertEquals(1, vm.await(PATIENCE));
        assertEquals(1, vm.errors().lines().count(), vm.errors());
        assertTrue(vm.errors().contains("riscv64, not x86-64; use "), vm.errors());
      }
    }
  }

  @Test
  void missingFeaturesAreNamedOneByOne() {
    try (PolluxProcess vm = run(List.of(), "-cpu", "Haswell")) {
      assertRan(
          vm,
          "pollux: warning: the CPU engine doesn't support requested feature: CPUID.07H:EBX.hle"
              + " [bit 4]\n"
              + "pollux: warning: the CPU engine doesn't support requested feature:"
              + " CPUID.07H:EBX.rtm [bit 11]\n");
    }
  }
}
