package dev.pollux.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.block.graph.BlockOptions;
import dev.pollux.backend.block.graph.DriveSpec;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.qmp.command.FlatJson;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The disks of the command line.
 *
 * @param nodes what {@code -blockdev} makes, in order
 * @param drives what {@code -drive} and its short forms make
 */
record DiskConfig(List<BlockOptions> nodes, List<Drive> drives) {
  /**
   * A drive with its name and place.
   *
   * @param number its place on its kind of bus
   */
  record Drive(String name, int number, DriveSpec spec) {}

  static DiskConfig of(RunOptions.Disks disks) {
    List<BlockOptions> nodes = disks.blockdev.stream().map(DiskConfig::blockdev).toList();
    List<DriveSpec> specs = new ArrayList<>();
    List<String> files = new ArrayList<>();
    files.add(disks.hda);
    files.add(disks.hdb);
    files.add(disks.hdc);
    files.add(disks.hdd);
    for (int i = 0; i < files.size(); i++) {
      if (files.get(i) != null) {
        String option = "-hd" + (char) ('a' + i);
        specs.add(DriveSpec.shortForm(option, files.get(i), i, false, disks.snapshot));
      }
    }
    if (disks.cdrom != null) {
      specs.add(DriveSpec.shortForm("-cdrom", disks.cdrom, 2, true, disks.snapshot));
    }
    if (disks.fda != null) {
      specs.add(DriveSpec.floppy("-fda", disks.fda, 0, disks.snapshot));
    }
    if (disks.fdb != null) {
      specs.add(DriveSpec.floppy("-fdb", disks.fdb, 1, disks.snapshot));
    }
    for (String drive : disks.drive) {
      specs.add(DriveSpec.parse(drive, DriveSpec.Interface.IDE, disks.snapshot));
    }
    return new DiskConfig(nodes, place(specs));
  }

  /** Gives every drive its place and name. */
  private static List<Drive> place(List<DriveSpec> specs) {
    Map<DriveSpec.Interface, Set<Integer>> taken = new EnumMap<>(DriveSpec.Interface.class);
    List<Drive> drives = new ArrayList<>();
    for (DriveSpec spec : specs) {
      Set<Integer> places = taken.computeIfAbsent(spec.bus(), _ -> new HashSet<>());
      int number = spec.number();
      if (number < 0) {
        number = 0;
        while (places.contains(number)) {
          number++;
        }
      }
      if (!places.add(number) && spec.bus() != DriveSpec.Interface.NONE) {
        throw new ConfigException(
            "drive with bus=%d, unit=%d (index=%d) exists"
                .formatted(busOf(spec, number), unitOf(spec, number), number));
      }
      drives.add(new Drive(spec.nameOr(number), number, spec));
    }
    return drives;
  }

  private static int busOf(DriveSpec spec, int number) {
    return spec.bus().perBus() == 0 ? 0 : number / spec.bus().perBus();
  }

  private static int unitOf(DriveSpec spec, int number) {
    return spec.bus().perBus() == 0 ? number : number % spec.bus().perBus();
  }

  private static BlockOptions blockdev(String text) {
    Map<String, String> values = new LinkedHashMap<>();
    if (text.stripLeading().startsWith("{")) {
      try {
        values.putAll(FlatJson.of(new ObjectMapper().readTree(text)));
      } catch (JsonProcessingException e) {
        throw new ConfigException("-blockdev " + text + ": " + e.getOriginalMessage(), e);
      }
    } else {
      DeviceOptions options = DeviceOptions.parse("-blockdev", text, "driver");
      options.keys().forEach(key -> values.put(key, options.string(key, "")));
    }
    return BlockOptions.of("-blockdev " + text, values);
  }

  /** Opens everything, nodes first. */
  void open(BlockGraph graph) {
    for (BlockOptions node : nodes) {
      try {
        graph.add(node);
      } catch (IOException e) {
        throw new ConfigException(node.context() + ": " + e.getMessage(), e);
      }
    }
    for (Drive drive : drives) {
      drive.spec.open(graph, drive.name);
    }
  }
}
