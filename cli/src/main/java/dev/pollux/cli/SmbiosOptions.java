package dev.pollux.cli;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.board.MachineType;
import dev.pollux.devices.boot.Smbios;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** Reads {@code -smbios type=N,key=value}. */
final class SmbiosOptions {
  private static final int MOST_NUMBER = 0xffff;
  private static final int LONGEST_FILE = 1 << 16;
  private static final int MOST_STRINGS = 255;

  private SmbiosOptions() {}

  /**
   * What the options say.
   *
   * @param uuid the machine's, where it has one
   * @return empty where there are none: then firmware makes tables of its own
   */
  static Optional<Smbios> of(List<String> texts, MachineType machine, Optional<UUID> uuid) {
    if (texts.isEmpty()) {
      return Optional.empty();
    }
    Map<Integer, Map<String, String>> values = new HashMap<>();
    List<String> oem = new ArrayList<>();
    uuid.ifPresent(id -> values.put(1, new HashMap<>(Map.of("uuid", id.toString()))));
    for (String text : texts) {
      DeviceOptions options = DeviceOptions.parse("-smbios", text, "");
      if (options.has("file")) {
        throw options.error("tables from a file are not there; give type= and its keys");
      }
      int type = (int) options.number("type", -1, 0, 127);
      List<String> keys = Smbios.KEYS.get(type);
      if (keys == null) {
        throw options.error(
            "type=%d is none of the types that can be given: %s"
                .formatted(type, Smbios.KEYS.keySet().stream().sorted().toList()));
      }
      if (type == 11) {
        oem.addAll(options.list("value"));
        options.list("path").forEach(path -> oem.add(content(options, path)));
      } else {
        Map<String, String> own = values.computeIfAbsent(type, _ -> new HashMap<>());
        keys.forEach(key -> options.string(key).ifPresent(v -> own.put(key, check(options, key))));
      }
      options.rejectUnknown();
    }
    oem.removeIf(String::isEmpty); // which would end the structure
    if (oem.size() > MOST_STRINGS) {
      throw new ConfigException(
          "-smbios type=11: %d strings; there is room for %d".formatted(oem.size(), MOST_STRINGS));
    }
    return Optional.of(new Smbios(machine.description(), machine.name(), values, oem));
  }

  /** The value of a key, in the form that tables are made from. */
  private static String check(DeviceOptions options, String key) {
    String value = options.required(key);
    switch (key) {
      case "uefi" -> {
        return options.bool(key, false) ? "on" : "off";
      }
      case "release" -> {
        if (!value.matches("(25[0-5]|2[0-4]\\d|1?\\d?\\d)\\.(25[0-5]|2[0-4]\\d|1?\\d?\\d)")) {
          throw options.error("release=%s is not two numbers up to 255, as 1.2".formatted(value));
        }
      }
      case "max-speed", "current-speed", "speed" -> {
        return Long.toString(options.number(key, 0, 0, MOST_NUMBER));
      }
      case "processor-id" -> {
        return Long.toString(options.number(key, 0, 0, Long.MAX_VALUE));
      }
      case "uuid" -> {
        if (!value.matches("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")) {
          throw options.error("Invalid UUID");
        }
      }
      default -> {}
    }
    return value;
  }

  private static String content(DeviceOptions options, String path) {
    try {
      if (Files.size(Path.of(path)) > LONGEST_FILE) {
        throw options.error("path=%s: more than %d bytes".formatted(path, LONGEST_FILE));
      }
      String content = Files.readString(Path.of(path), StandardCharsets.UTF_8);
      if (content.indexOf('\0') >= 0) {
        throw options.error("NUL in OEM strings value in " + path);
      }
      return content;
    } catch (IOException e) {
      throw new ConfigException(options.error("path=" + path).getMessage() + ": " + e, e);
    }
  }
}
