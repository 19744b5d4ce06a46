package dev.pollux.qmp.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.config.StrOrNull;
import dev.pollux.qmp.protocol.QmpException;
import dev.pollux.qmp.schema.QmpType.ArrayType;
import dev.pollux.qmp.schema.QmpType.Builtin;
import dev.pollux.qmp.schema.QmpType.EnumType;
import dev.pollux.qmp.schema.QmpType.EnumValue;
import dev.pollux.qmp.schema.QmpType.IntType;
import dev.pollux.qmp.schema.QmpType.Member;
import dev.pollux.qmp.schema.QmpType.StrOrNullType;
import dev.pollux.qmp.schema.QmpType.StructType;
import dev.pollux.qmp.schema.QmpType.UnionType;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** JSON to Java and back by {@link QmpType}s; what does not fit is refused in QEMU's words. */
public final class JsonMapper {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private final CompatPolicy policy;

  public JsonMapper(CompatPolicy policy) {
    this.policy = policy;
  }

  /** Where a value is; the root is an object without a name. */
  private record Path(Path parent, String name, int index) {
    static final Path ROOT = new Path(null, "", -1);

    Path member(String member) {
      return new Path(this, member, -1);
    }

    Path element(int i) {
      return new Path(this, "null", i);
    }

    @Override
    public String toString() {
      if (index >= 0) {
        return parent + "[" + index + "]";
      }
      return parent == null || parent.equals(ROOT) ? name : parent + "." + name;
    }
  }

  /**
   * Reads the object of a command's arguments.
   *
   * @throws QmpException if it does not fit, for instance with {@code Parameter
   *     'capabilities[0].state' is missing}
   */
  public Object read(StructType type, ObjectNode json) throws QmpException {
    return object(type, json, Path.ROOT, List.of());
  }

  private Object read(QmpType type, JsonNode json, Path path) throws QmpException {
    return switch (type) {
      case Builtin builtin -> builtin(builtin, json, path);
      case IntType integer -> integer(integer, json, path);
      case StrOrNullType _ -> {
        if (!json.isNull() && !json.isTextual()) {
          throw wrongType(path, "StrOrNull");
        }
        yield new StrOrNull(json.isNull() ? "" : json.textValue());
      }
      case EnumType words -> word(words, json, path);
      case ArrayType(QmpType element) -> {
        if (!json.isArray()) {
          throw wrongType(path, "array");
        }
        List<Object> list = new ArrayList<>(json.size());
        for (JsonNode value : json) {
          list.add(read(element, value, path.element(list.size())));
        }
        yield list;
      }
      case StructType struct -> object(struct, asObject(json, path), path, List.of());
      case UnionType union -> union(union, asObject(json, path), path, List.of());
    };
  }

  /**
   * @param outerTags members that unions around this one have read from the same object
   */
  private Object union(UnionType type, ObjectNode object, Path path, List<String> outerTags)
      throws QmpException {
    JsonNode tag = object.get(type.tag());
    Path tagPath = path.member(type.tag());
    if (tag == null) {
      throw missing(tagPath);
    }
    word(type.values(), tag, tagPath);
    List<String> tags = new ArrayList<>(outerTags);
    tags.add(type.tag());
    QmpType variant = type.variants().get(tag.textValue());
    return variant instanceof UnionType inner
        ? union(inner, object, path, tags)
        : object((StructType) variant, object, path, tags);
  }

  private static ObjectNode asObject(JsonNode json, Path path) throws QmpException {
    if (json instanceof ObjectNode object) {
      return object;
    }
    throw wrongType(path, "object");
  }

  private static Object builtin(Builtin type, JsonNode json, Path path) throws QmpException {
    boolean fits =
        switch (type) {
          case STR -> json.isTextual();
          case BOOL -> json.isBoolean();
          case NUMBER -> json.isNumber();
          case NULL -> json.isNull();
          case ANY -> true;
        };
    if (!fits) {
      throw wrongType(path, type.jsonType());
    }
    return switch (type) {
      case STR -> json.textValue();
      case BOOL -> json.booleanValue();
      case NUMBER -> json.doubleValue();
      case NULL, ANY -> json;
    };
  }

  private static Object integer(IntType type, JsonNode json, Path path) throws QmpException {
    if (!json.isIntegralNumber() || (type.signed() && !json.canConvertToLong())) {
      throw type.signed()
          ? wrongType(path, "integer")
          : new QmpException("Parameter '" + path + "' expects uint64");
    }
    // A negative number counts as the unsigned one of the same bits.
    long value = json.isBigInteger() ? json.bigIntegerValue().longValue() : json.longValue();
    int spare = 64 - type.bits();
    long kept = type.signed() ? value << spare >> spare : value << spare >>> spare;
    if (kept != value) {
      throw new QmpException("Parameter '" + path + "' expects " + type.cName());
    }
    return type.signed() && type.bits() == 32 ? (Object) (int) value : (Object) value;
  }

  private Object word(EnumType type, JsonNode json, Path path) throws QmpException {
    if (!json.isTextual()) {
      throw wrongType(path, "string");
    }
    for (EnumValue value : type.values()) {
      if (value.name().equals(json.textValue())) {
        policy.check(value.features(), "value", value.name());
        return value.value();
      }
    }
    throw new QmpException(
        "Parameter '" + path.name() + "' does not accept value '" + json.textValue() + "'");
  }

  private Object object(StructType type, ObjectNode json, Path path, List<String> tags)
      throws QmpException {
    int count = type.members().size();
    Object[] values = new Object[type.open() ? count + 1 : count];
    int given = tags.size();
    for (int i = 0; i < count; i++) {
      Member member = type.members().get(i);
      JsonNode value = json.get(member.name());
      Path at = path.member(member.name());
      if (value != null) {
        given++;
        policy.check(member.features(), "parameter", member.name());
        Object read = read(member.type(), value, at);
        values[i] = member.optional() ? Optional.of(read) : read;
      } else if (member.optional()) {
        values[i] = Optional.empty();
      } else {
        throw missing(at);
      }
    }
    if (type.open()) {
      values[count] = rest(type, json, tags);
    } else if (given < json.size()) {
      throw unexpected(type, json, path, tags);
    }
    return type.make().apply(values);
  }

  /** The members that have no place of their own. */
  private static ObjectNode rest(StructType type, ObjectNode json, List<String> tags) {
    ObjectNode rest = json.deepCopy();
    rest.remove(tags);
    type.members().forEach(member -> rest.remove(member.name()));
    return rest;
  }

  private static QmpException unexpected(
      StructType type, ObjectNode json, Path path, List<String> tags) {
    List<String> names = new ArrayList<>();
    json.fieldNames().forEachRemaining(names::add);
    names.removeAll(tags);
    type.members().forEach(member -> names.remove(member.name()));
    return new QmpException("Parameter '" + path.member(names.getFirst()) + "' is unexpected");
  }

  private static QmpException missing(Path path) {
    return new QmpException("Parameter '" + path + "' is missing");
  }

  private static QmpException wrongType(Path path, String expected) {
    return new QmpException("Invalid parameter type for '" + path + "', expected: " + expected);
  }

  /** Writes a value; members that policy hides are left out. */
  public JsonNode write(QmpType type, Object value) {
    return switch (type) {
      case Builtin builtin ->
          switch (builtin) {
            case STR -> NODES.textNode((String) value);
            case BOOL -> NODES.booleanNode((Boolean) value);
            case NUMBER -> NODES.numberNode(((Number) value).doubleValue());
            case NULL -> NODES.nullNode();
            case ANY -> (JsonNode) value;
          };
      case IntType integer -> number(integer, ((Number) value).longValue());
      case StrOrNullType _ -> NODES.textNode(((StrOrNull) value).value());
      case EnumType words -> NODES.textNode(wordFor(words, value));
      case ArrayType(QmpType element) -> {
        ArrayNode array = NODES.arrayNode();
        for (Object item : (List<?>) value) {
          array.add(write(element, item));
        }
        yield array;
      }
      case StructType struct -> members(struct, value, NODES.objectNode());
      case UnionType union -> members(union, value, NODES.objectNode());
    };
  }

  private static JsonNode number(IntType type, long value) {
    return type.signed() || value >= 0
        ? NODES.numberNode(value)
        : NODES.numberNode(new BigInteger(Long.toUnsignedString(value)));
  }

  private static String wordFor(EnumType type, Object value) {
    for (EnumValue word : type.values()) {
      if (word.value().equals(value)) {
        return word.name();
      }
    }
    throw new IllegalStateException(value + " is no " + type.label());
  }

  private ObjectNode members(UnionType type, Object value, ObjectNode object) {
    String name = type.variantOf().apply(value);
    object.put(type.tag(), name);
    return switch (type.variants().get(name)) {
      case UnionType inner -> members(inner, value, object);
      case QmpType struct -> members((StructType) struct, value, object);
    };
  }

  private ObjectNode members(StructType type, Object value, ObjectNode object) {
    for (Member member : type.members()) {
      Object of = member.get().apply(value);
      Object present = member.optional() ? ((Optional<?>) of).orElse(null) : of;
      if (present != null && policy.shows(member.features())) {
        object.set(member.name(), write(member.type(), present));
      }
    }
    return object;
  }
}
