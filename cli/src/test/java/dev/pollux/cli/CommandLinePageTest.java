package dev.pollux.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.pollux.devices.board.Devices;
import dev.pollux.devices.model.DeviceCategory;
import dev.pollux.devices.model.DeviceType;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.model.Property;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/** {@code docs/command-line.md} is made from the declarations, so nothing is missing there. */
class CommandLinePageTest {
  private static final boolean UPDATE = Boolean.getBoolean("pollux.docs.update");

  private final StringBuilder page = new StringBuilder();

  @Test
  void theReferenceIsUpToDate() throws IOException {
    Path folder = Path.of("").toAbsolutePath();
    while (!Files.isDirectory(folder.resolve("docs"))) {
      folder = folder.getParent();
    }
    Path file = folder.resolve("docs/command-line.md");
    String expected = page();
    if (UPDATE) {
      Files.writeString(file, expected);
    }
    assertEquals(
        expected,
        Files.readString(file),
        "docs/command-line.md is out of date: run this test with -Dpollux.docs.update=true");
  }

  @Test
  void everythingSaysWhatItIs() {
    List<String> silent = new ArrayList<>();
    for (DeviceType<?> type : Devices.CATALOG.types()) {
      if (type.userCreatable()) {
        type.allProperties().forEach(property -> noteSilent(silent, type.name(), property));
      }
    }
    for (ObjectType type : DeviceRequests.OBJECT_TYPES) {
      type.properties().forEach(property -> noteSilent(silent, type.name(), property));
    }
    assertEquals(List.of(), silent);
    assertFalse(page().contains("|  |\n"), "an option without a description");
  }

  private static void noteSilent(List<String> silent, String type, Property<?> property) {
    if (property.description().isEmpty()) {
      silent.add(type + "." + property.name());
    }
  }

  private String page() {
    page.setLength(0);
    page.append(
        """
        # Options of `pollux run`, devices and objects

        Made from the declarations; a test keeps it equal to them. Names and meaning are QEMU's. Disks are described in [block layer](block-layer.md),
        networks in [networks](networks.md), USB in [USB](usb.md), processors in [CPU models](cpu-models.md), machines and objects in [device model](device-model.md).

        ## Options
        """);
    CommandLine run = new CommandLine(new RunCommand());
    run.getCommandSpec().argGroups().forEach(this::options);
    page.append("\n## Devices: `-device`, `device_add`, `-global`\n");
    for (DeviceCategory category : DeviceCategory.values()) {
      Devices.CATALOG.types().stream()
          .filter(type -> type.userCreatable() && type.category() == category)
          .forEach(this::device);
    }
    page.append("\n## Objects: `-object`, `object-add`\n");
    DeviceRequests.OBJECT_TYPES.stream()
        .sorted(Comparator.comparing(ObjectType::name))
        .forEach(this::object);
    return page.toString();
  }

  private void options(ArgGroupSpec group) {
    String heading = group.heading().replace("%n", "").replace(":", "");
    page.append("\n### ").append(heading).append("\n\n| | |\n| --- | --- |\n");
    for (ArgSpec arg : group.args()) {
      String names =
          arg instanceof OptionSpec option ? String.join("`, `", option.names()) : "IMAGE";
      boolean bare = !(arg instanceof OptionSpec option) || option.arity().max() == 0;
      String words = bare ? "" : " " + arg.paramLabel();
      row(
          "`%s%s`".formatted(names, words).replace("|", "\\|"),
          text(String.join(" ", arg.description())));
    }
  }

  private void device(DeviceType<?> type) {
    page.append("\n### ").append(type.name()).append("\n\n");
    if (!type.description().isEmpty()) {
      page.append(sentence(type.description())).append(' ');
    }
    page.append("Bus ").append(type.bus().name());
    if (!type.aliases().isEmpty()) {
      page.append("; also called `").append(String.join("`, `", type.aliases())).append('`');
    }
    page.append(".\n");
    properties(type.allProperties());
  }

  private void object(ObjectType type) {
    page.append("\n### ").append(type.name()).append("\n\n");
    page.append(sentence(type.description())).append('\n');
    properties(type.properties());
  }

  private static String sentence(String text) {
    return Character.toUpperCase(text.charAt(0)) + text.substring(1) + ".";
  }

  private void properties(List<Property<?>> properties) {
    if (properties.isEmpty()) {
      return;
    }
    page.append("\n| property | type | default | |\n| --- | --- | --- | --- |\n");
    properties.stream()
        .sorted(Comparator.comparing(Property::name))
        .forEach(
            property ->
                row(
                    "`" + property.name() + "`",
                    text(property.type()),
                    text(property.defaultText()),
                    text(property.description())));
  }

  private static String text(String words) {
    return words.replace("|", "\\|").replace("<", "\\<");
  }

  private void row(String... cells) {
    page.append("| ").append(String.join(" | ", cells)).append(" |\n");
  }
}
