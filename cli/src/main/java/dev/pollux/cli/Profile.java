package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.cpu.GuestProfiler;
import dev.pollux.core.cpu.SymbolTable;
import dev.pollux.core.machine.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A profile of the guest from the machine's start to its end, which writes it to a file. */
final class Profile implements AutoCloseable {
  private final GuestProfiler profiler;
  private final Path file;

  private Profile(GuestProfiler profiler, Path file) {
    this.profiler = profiler;
    this.file = file;
  }

  /**
   * Begins the profile that the options ask for.
   *
   * @return null if they ask for none
   * @throws ConfigException if a file cannot be read or written
   */
  static Profile start(RunOptions.Logs options, Machine machine) {
    if (options.profile == null) {
      if (options.profileSymbols != null) {
        throw new ConfigException("-profile-symbols needs -profile");
      }
      return null;
    }
    try {
      Files.writeString(options.profile, "");
    } catch (IOException e) {
      throw new ConfigException(
          "-profile " + options.profile + ": cannot be written: " + e.getMessage(), e);
    }
    SymbolTable symbols = null;
    if (options.profileSymbols != null) {
      try {
        symbols = SymbolTable.read(options.profileSymbols);
      } catch (IOException e) {
        throw new ConfigException("-profile-symbols: " + e.getMessage(), e);
      }
    }
    return new Profile(new GuestProfiler(machine.vcpus(), symbols), options.profile);
  }

  @Override
  public void close() throws IOException {
    profiler.close();
    Files.writeString(file, profiler.report());
  }
}
