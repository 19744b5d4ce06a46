package dev.pollux.qmp.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.qmp.schema.QmpType.ArrayType;
import dev.pollux.qmp.schema.QmpType.Builtin;
import dev.pollux.qmp.schema.QmpType.EnumType;
import dev.pollux.qmp.schema.QmpType.EnumValue;
import dev.pollux.qmp.schema.QmpType.IntType;
import dev.pollux.qmp.schema.QmpType.Member;
import dev.pollux.qmp.schema.QmpType.StrOrNullType;
import dev.pollux.qmp.schema.QmpType.StructType;
import dev.pollux.qmp.schema.QmpType.UnionType;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What {@code query-qmp-schema} returns. Types are numbered in the order in which they are met, so
 * that nobody relies on their names; "0" is the object without members.
 */
public final class Introspection {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final String META_TYPE = "meta-type";
  private static final String EMPTY = "0";

  private final Map<Object, String> names = new HashMap<>();
  private final ArrayDeque<QmpType> toDescribe = new ArrayDeque<>();
  private final List<JsonNode> entries = new ArrayList<>();

  private Introspection() {}

  /** Describes commands and events, and all types they need. */
  public static List<JsonNode> of(Iterable<CommandSpec> commands, Iterable<EventSpec> events) {
    Introspection introspection = new Introspection();
    commands.forEach(introspection::command);
    events.forEach(introspection::event);
    introspection.types();
    return List.copyOf(introspection.entries);
  }

  private void command(CommandSpec command) {
    ObjectNode entry = entry(command.name(), "command");
    entry.put("arg-type", use(command.arguments()));
    entry.put("ret-type", use(command.reply()));
    if (command.outOfBand()) {
      entry.put("allow-oob", true);
    }
    features(entry, command.features());
  }

  private void event(EventSpec event) {
    ObjectNode entry = entry(event.name(), "event");
    entry.put("arg-type", use(event.data()));
    features(entry, event.features());
  }

  private void types() {
    entry(EMPTY, "object").putArray("members");
    while (!toDescribe.isEmpty()) {
      QmpType type = toDescribe.poll();
      String name = use(type);
      switch (type) {
        case Builtin builtin -> entry(name, "builtin").put("json-type", builtin.jsonType());
        case IntType _ -> entry(name, "builtin").put("json-type", "int");
        case ArrayType(QmpType element) -> entry(name, "array").put("element-type", use(element));
        case EnumType words -> enumeration(entry(name, "enum"), words);
        case StrOrNullType _ -> {
          ArrayNode members = entry(name, "alternate").putArray("members");
          members.addObject().put("type", use(Builtin.STR));
          members.addObject().put("type", use(Builtin.NULL));
        }
        case StructType struct -> members(entry(name, "object").putArray("members"), struct);
        case UnionType union -> union(entry(name, "object"), union);
      }
    }
  }

  private static void enumeration(ObjectNode entry, EnumType words) {
    ArrayNode members = entry.putArray("members");
    ArrayNode values = entry.putArray("values");
    for (EnumValue value : words.values()) {
      features(members.addObject().put("name", value.name()), value.features());
      values.add(value.name());
    }
  }

  private void members(ArrayNode members, StructType struct) {
    for (Member member : struct.members()) {
      ObjectNode entry =
          members.addObject().put("name", member.name()).put("type", use(member.type()));
      if (member.optional()) {
        entry.putNull("default");
      }
      features(entry, member.features());
    }
  }

  private void union(ObjectNode entry, UnionType union) {
    entry.putArray("members").addObject().put("name", union.tag()).put("type", use(union.values()));
    entry.put("tag", union.tag());
    ArrayNode variants = entry.putArray("variants");
    union
        .variants()
        .forEach((name, struct) -> variants.addObject().put("case", name).put("type", use(struct)));
  }

  /** The name of a type, which will be described. */
  private String use(QmpType type) {
    Object key = type instanceof IntType ? IntType.ANY_INT : type;
    String known = names.get(key);
    if (known != null) {
      return known;
    }
    String name =
        switch (type) {
          case Builtin builtin -> builtin.label();
          case IntType _ -> IntType.ANY_INT;
          case ArrayType(QmpType element) -> "[" + use(element) + "]";
          case StructType struct when struct.members().isEmpty() -> EMPTY;
          case EnumType _, StructType _, UnionType _, StrOrNullType _ ->
              String.valueOf(names.size() + 1);
        };
    names.put(key, name);
    if (!name.equals(EMPTY)) {
      toDescribe.add(type);
    }
    return name;
  }

  private ObjectNode entry(String name, String metaType) {
    ObjectNode entry = NODES.objectNode().put("name", name).put(META_TYPE, metaType);
    entries.add(entry);
    return entry;
  }

  private static void features(ObjectNode entry, Features features) {
    if (!features.names().isEmpty()) {
      ArrayNode names = entry.putArray("features");
      features.names().forEach(names::add);
    }
  }
}
