package dev.pollux.devices.boot;

import java.nio.file.Path;
import java.util.List;

/**
 * What a machine boots.
 *
 * @param initrds the initial RAM disk, or the modules of a multiboot kernel, each a path that may
 *     be followed by a space and arguments
 * @param commandLine the kernel's arguments, may be empty
 */
public record KernelFiles(Path kernel, List<String> initrds, String commandLine) {
  public KernelFiles {
    initrds = List.copyOf(initrds);
  }
}
