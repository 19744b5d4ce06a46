package dev.pollux.cli;

import picocli.CommandLine.Option;

/** The option that every command has. */
final class HelpOption {
  @Option(
      names = {"-help", "--help", "-h"},
      usageHelp = true,
      description = "Show this text.")
  boolean requested;
}
