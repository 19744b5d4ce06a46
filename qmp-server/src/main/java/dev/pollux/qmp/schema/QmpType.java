package dev.pollux.qmp.schema;

import dev.pollux.core.config.StrOrNull;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/** The types of arguments, replies and event data. */
public sealed interface QmpType {
  /** For people: {@code str}, {@code [MigrationCapabilityStatus]}. */
  String label();

  /** Types that JSON has itself, and any of them. */
  enum Builtin implements QmpType {
    STR("str", "string"),
    NUMBER("number", "number"),
    BOOL("bool", "boolean"),
    NULL("null", "null"),
    ANY("any", "value");

    private final String word;
    private final String jsonType;

    Builtin(String word, String jsonType) {
      this.word = word;
      this.jsonType = jsonType;
    }

    @Override
    public String label() {
      return word;
    }

    /** As {@code query-qmp-schema} has it. */
    String jsonType() {
      return jsonType;
    }
  }

  /**
   * A whole number.
   *
   * @param bits 8, 16, 32 or 64
   */
  record IntType(int bits, boolean signed) implements QmpType {
    /** What introspection calls all of them. */
    static final String ANY_INT = "int";

    @Override
    public String label() {
      return signed && bits == 64 ? ANY_INT : cName();
    }

    String cName() {
      return "%sint%d_t".formatted(signed ? "" : "u", bits);
    }
  }

  /** A list; Java sees {@link List}. */
  record ArrayType(QmpType element) implements QmpType {
    @Override
    public String label() {
      return "[" + element.label() + "]";
    }
  }

  /**
   * @param value what Java sees
   */
  record EnumValue(String name, Object value, Features features, String doc) {}

  /** One of some words. */
  record EnumType(String label, List<EnumValue> values, String doc) implements QmpType {}

  /**
   * @param optional may be absent; Java sees {@link Optional}
   * @param get takes it out of the Java object
   */
  record Member(
      String name,
      QmpType type,
      boolean optional,
      Features features,
      String doc,
      Function<Object, Object> get) {}

  /**
   * An object of members.
   *
   * @param open takes further members of any name; Java sees them as an object behind the others
   * @param make builds the Java object of the members' values in order
   */
  record StructType(
      String label, List<Member> members, boolean open, Function<Object[], Object> make, String doc)
      implements QmpType {
    /** Each is made once; its members may lead back to it. */
    @Override
    public boolean equals(Object other) {
      return this == other;
    }

    @Override
    public int hashCode() {
      return System.identityHashCode(this);
    }
  }

  /**
   * An object one of whose members says which others there are.
   *
   * @param tag the name of that member
   * @param variants by its values: structs, or unions with a tag of their own
   * @param variantOf the value for a Java object
   */
  record UnionType(
      String label,
      String tag,
      EnumType values,
      Map<String, QmpType> variants,
      Function<Object, String> variantOf,
      String doc)
      implements QmpType {}

  /** A string, or null for none; Java sees {@link StrOrNull}. */
  record StrOrNullType() implements QmpType {
    @Override
    public String label() {
      return "StrOrNull";
    }
  }
}
