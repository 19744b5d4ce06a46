package dev.pollux.qmp.schema;

import dev.pollux.qmp.schema.QmpType.ArrayType;
import dev.pollux.qmp.schema.QmpType.EnumType;
import dev.pollux.qmp.schema.QmpType.EnumValue;
import dev.pollux.qmp.schema.QmpType.Member;
import dev.pollux.qmp.schema.QmpType.StructType;
import dev.pollux.qmp.schema.QmpType.UnionType;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** The pages of {@code docs/} that are made from the declarations. */
final class ReferencePages {
  private final List<CommandSpec> commands;
  private final Collection<EventSpec> events;
  private final Map<String, QmpType> types = new TreeMap<>();
  private final Map<String, String> sections = new TreeMap<>();
  private final StringBuilder page = new StringBuilder();

  ReferencePages(List<CommandSpec> commands, Collection<EventSpec> events) {
    this.commands = commands.stream().sorted(Comparator.comparing(CommandSpec::name)).toList();
    this.events = events.stream().sorted(Comparator.comparing(EventSpec::name)).toList();
  }

  /** {@code qmp-reference.md}. */
  String reference() {
    page.append(
        """
        # QMP reference

        Made from the declarations in `qmp-server` and `colo-migration`; a test keeps it equal to them.
        A question mark follows members that may be absent. How the protocol works, [qmp.md](qmp.md) tells.

        ## Commands
        """);
    for (CommandSpec command : commands) {
      heading(command.name(), command.features());
      page.append(command.doc()).append('\n');
      if (command.outOfBand()) {
        page.append("\nMay be sent with `exec-oob`.\n");
      }
      members("Arguments", command.arguments());
      if (!(command.reply() instanceof StructType struct && struct.members().isEmpty())) {
        page.append("\nReturns: ").append(use(command.reply())).append('\n');
      }
    }
    page.append("\n## Events\n");
    for (EventSpec event : events) {
      heading(event.name(), event.features());
      page.append(event.doc()).append('\n');
      if (event.limitedPer().isPresent()) {
        page.append("\nAt most one a second.\n");
      }
      members("Data", event.data());
    }
    page.append("\n## Types\n");
    TreeSet<String> done = new TreeSet<>();
    while (done.size() < types.size()) {
      String name =
          types.keySet().stream().filter(n -> !done.contains(n)).findFirst().orElseThrow();
      int at = page.length();
      describe(name, types.get(name));
      done.add(name);
      sections.put(name, page.substring(at));
      page.setLength(at);
    }
    sections.values().forEach(page::append);
    return page.toString();
  }

  private void heading(String name, Features features) {
    page.append("\n### ").append(name).append('\n').append(features(features)).append('\n');
  }

  private static String features(Features features) {
    StringBuilder text = new StringBuilder();
    features
        .obsolete()
        .ifPresent(o -> text.append(" *deprecated since ").append(o.since()).append("*"));
    if (features.unstable()) {
      text.append(" *unstable*");
    }
    return text.isEmpty() ? "" : text.substring(1) + "\n";
  }

  private void members(String title, StructType struct) {
    if (!struct.members().isEmpty()) {
      page.append('\n').append(title).append(":\n\n");
      struct.members().forEach(this::member);
    }
  }

  private void member(Member member) {
    page.append("- `")
        .append(member.name())
        .append(member.optional() ? "`?: " : "`: ")
        .append(use(member.type()));
    if (!member.doc().isEmpty()) {
      page.append(" – ").append(member.doc());
    }
    String features = features(member.features()).strip();
    page.append(features.isEmpty() ? "" : "; " + features).append('\n');
  }

  private String use(QmpType type) {
    return switch (type) {
      case ArrayType(QmpType element) -> "list of " + use(element);
      case EnumType _, StructType _, UnionType _ -> {
        types.put(type.label(), type);
        yield "[" + type.label() + "](#" + type.label().toLowerCase(Locale.ROOT) + ")";
      }
      default -> "`" + type.label() + "`";
    };
  }

  private void describe(String name, QmpType type) {
    page.append("\n### ").append(name).append('\n');
    switch (type) {
      case EnumType words -> {
        intro(words.doc());
        page.append("\nOne of:\n\n");
        words.values().forEach(this::value);
      }
      case StructType struct -> {
        intro(struct.doc());
        members("Members", struct);
      }
      case UnionType union -> {
        intro(union.doc());
        page.append("\n- `")
            .append(union.tag())
            .append("`: ")
            .append(use(union.values()))
            .append('\n');
        union
            .variants()
            .forEach(
                (variant, of) -> {
                  if (of instanceof StructType struct) {
                    members("With `" + union.tag() + "` " + variant, struct);
                  } else {
                    page.append(
                        "\nWith `%s` %s: the members of %s\n"
                            .formatted(union.tag(), variant, use(of)));
                  }
                });
      }
      default -> throw new IllegalStateException(name);
    }
  }

  private void intro(String doc) {
    if (!doc.isEmpty()) {
      page.append('\n').append(doc).append('\n');
    }
  }

  private void value(EnumValue value) {
    page.append("- `").append(value.name()).append('`');
    if (!value.doc().isEmpty()) {
      page.append(" – ").append(value.doc());
    }
    String features = features(value.features()).strip();
    page.append(features.isEmpty() ? "" : "; " + features).append('\n');
  }

  /** {@code deprecated-features.md}. */
  String deprecated() {
    Map<String, Features> all = new TreeMap<>();
    for (CommandSpec command : commands) {
      all.put("command `%s`".formatted(command.name()), command.features());
      inside(command.arguments(), "command `" + command.name() + "`", all, new HashSet<>());
      inside(command.reply(), "reply of `" + command.name() + "`", all, new HashSet<>());
    }
    for (EventSpec event : events) {
      all.put("event `%s`".formatted(event.name()), event.features());
      inside(event.data(), "event `" + event.name() + "`", all, new HashSet<>());
    }
    page.append(
        """
        # Deprecated features

        What programs should stop using, made from the declarations; a test keeps it equal to them.
        `-compat deprecated-input=reject` and `-compat deprecated-output=hide` show whether a program still does, and
        `query-qmp-schema` marks these with the feature `deprecated`. The versions are those of QEMU's interface.

        | what | since | why | what instead |
        | --- | --- | --- | --- |
        """);
    all.forEach(
        (what, features) ->
            features
                .obsolete()
                .ifPresent(
                    o ->
                        page.append(
                            "| %s | %s | %s | %s |\n"
                                .formatted(what, o.since(), o.reason(), o.instead()))));
    page.append(
        """

        Switching on the capability `x-colo` prints `warning: COLO migration framework is deprecated` to standard error,
        `zero-blocks` prints `warning: zero-blocks capability is deprecated`.
        """);
    return page.toString();
  }

  private static void inside(
      QmpType type, String where, Map<String, Features> all, Set<QmpType> seen) {
    if (!seen.add(type)) {
      return;
    }
    switch (type) {
      case ArrayType(QmpType element) -> inside(element, where, all, seen);
      case EnumType words ->
          words
              .values()
              .forEach(v -> all.put("%s `%s`".formatted(words.label(), v.name()), v.features()));
      case StructType struct ->
          struct
              .members()
              .forEach(
                  m -> {
                    if (m.features().isDeprecated()) {
                      all.put("%s, member `%s`".formatted(where, m.name()), m.features());
                    }
                    inside(m.type(), where, all, seen);
                  });
      case UnionType union -> {
        inside(union.values(), where, all, seen);
        union.variants().values().forEach(v -> inside(v, where, all, seen));
      }
      default -> {}
    }
  }
}
