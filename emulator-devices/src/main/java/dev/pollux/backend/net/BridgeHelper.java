package dev.pollux.backend.net;

import dev.pollux.core.host.DescriptorHelper;
import java.io.IOException;
import java.util.List;

/**
 * The program that may make TAP interfaces in bridges for users who may not: QEMU's {@code
 * qemu-bridge-helper}, which asks {@code /etc/qemu/bridge.conf}.
 */
final class BridgeHelper {
  static final String DEFAULT_BRIDGE = "br0";
  static final String DEFAULT_PROGRAM = "/usr/lib/qemu/qemu-bridge-helper";

  private static final int SECONDS = 30;

  private BridgeHelper() {}

  /**
   * Runs it.
   *
   * @param program a path, or a command line with blanks, which the shell runs
   * @return the descriptor of an interface with headers
   * @throws IOException if it fails
   */
  static int open(String program, String bridge) throws IOException {
    String descriptor = "--fd=" + DescriptorHelper.CHILD_FD;
    String to = "--br=" + bridge;
    List<String> command = List.of(program, "--use-vnet", descriptor, to);
    if (program.contains(" ")) {
      String line = "%s --use-vnet %s".formatted(program, descriptor);
      command = List.of("/bin/sh", "-c", program.contains("--br=") ? line : line + " " + to);
    }
    return DescriptorHelper.open(command, SECONDS);
  }
}
