package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import java.util.List;
import picocli.CommandLine.Option;

/**
 * Options that choose hardware which this machine does not have. Test harnesses and managers pass
 * them to leave it out, which is done already; to ask for it is an error.
 */
final class AbsentHardware {
  private static final String NONE = "none";

  @Option(names = "-audio", paramLabel = "none", description = "Sound; only none so far.")
  String audio;

  @Option(
      names = "-audiodev",
      paramLabel = "none,id=<id>",
      description = "A back end for sound; only none so far.")
  List<String> audiodev = List.of();

  @Option(names = "-parallel", paramLabel = "none", description = "Parallel port; none so far.")
  List<String> parallel = List.of();

  @Option(
      names = {"-virtfs", "-fsdev"},
      paramLabel = "<...>",
      description = "Refused: folders are shared with -device virtio-fs-pci,tag=,path=.")
  List<String> folders = List.of();

  /**
   * Refuses what is asked for.
   *
   * @throws ConfigException where that is not nothing
   */
  void check() {
    checkDriver("-audio", audio);
    for (String device : audiodev) {
      DeviceOptions options = DeviceOptions.parse("-audiodev", device, "driver");
      options.required("id");
      checkDriver("-audiodev", options.required("driver"));
    }
    parallel.forEach(port -> checkNone("-parallel", port));
    if (!folders.isEmpty()) {
      throw new ConfigException(
          "-virtfs %s: there is no 9p; give -device virtio-fs-pci,tag=TAG,path=FOLDER and mount it"
                  .formatted(folders.getFirst())
              + " in the guest with: mount -t virtiofs TAG /mnt");
    }
  }

  /** {@code none}, or {@code driver=none}. */
  private static void checkDriver(String option, String text) {
    if (text != null) {
      checkNone(option, DeviceOptions.parse(option, text, "driver").required("driver"));
    }
  }

  private static void checkNone(String option, String value) {
    if (value != null && !value.equals(NONE)) {
      throw new ConfigException(
          "%s %s: the machine has no such hardware yet; give none or leave it out"
              .formatted(option, value));
    }
  }
}
