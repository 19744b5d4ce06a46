package dev.pollux.qmp.schema;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.StrOrNull;
import dev.pollux.qmp.schema.QmpType.ArrayType;
import dev.pollux.qmp.schema.QmpType.Builtin;
import dev.pollux.qmp.schema.QmpType.EnumType;
import dev.pollux.qmp.schema.QmpType.EnumValue;
import dev.pollux.qmp.schema.QmpType.IntType;
import dev.pollux.qmp.schema.QmpType.Member;
import dev.pollux.qmp.schema.QmpType.StrOrNullType;
import dev.pollux.qmp.schema.QmpType.StructType;
import dev.pollux.qmp.schema.QmpType.UnionType;
import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The QMP types of Java declarations. Java classes outside this module get a type by {@link
 * #define}. Not thread-safe while it is filled; complete and constant afterwards.
 */
public final class TypeCatalog {
  private final Map<Class<?>, QmpType> types = new HashMap<>();

  /** Gives a class that is not declared with annotations its type. */
  public void define(Class<?> javaClass, QmpType type) {
    types.put(javaClass, type);
  }

  /** The type of a class. */
  public QmpType of(Type javaType) {
    return of(javaType, javaType instanceof Class<?> c ? c : List.class);
  }

  /** The type of the record that a command's arguments or an event's data are. */
  public StructType struct(Class<?> record) {
    return (StructType) of(record);
  }

  private QmpType of(Type javaType, AnnotatedElement use) {
    if (javaType instanceof ParameterizedType generic) {
      if (generic.getRawType() != List.class) {
        throw new IllegalStateException("no QMP type for " + javaType);
      }
      return new ArrayType(of(generic.getActualTypeArguments()[0], List.class));
    }
    Class<?> c = (Class<?>) javaType;
    if (c == int.class || c == long.class || c == Integer.class || c == Long.class) {
      Api.Unsigned unsigned = use.getAnnotation(Api.Unsigned.class);
      return unsigned == null
          ? new IntType(c == int.class || c == Integer.class ? 32 : 64, true)
          : new IntType(unsigned.bits(), false);
    }
    QmpType known = types.get(c);
    if (known == null) {
      known = make(c);
      types.put(c, known);
    }
    return known;
  }

  private QmpType make(Class<?> c) {
    if (c == String.class) {
      return Builtin.STR;
    } else if (c == boolean.class || c == Boolean.class) {
      return Builtin.BOOL;
    } else if (c == double.class || c == Double.class) {
      return Builtin.NUMBER;
    } else if (c == JsonNode.class) {
      return Builtin.ANY;
    } else if (c == StrOrNull.class) {
      return new StrOrNullType();
    } else if (c == Void.class) {
      return new StructType("", List.of(), false, _ -> null, "");
    } else if (c.isEnum()) {
      return enumeration(c);
    } else if (c.isRecord()) {
      return struct(c, Names.type(c), true);
    } else if (c.isAnnotationPresent(Api.Union.class)) {
      return union(c, c.getAnnotation(Api.Union.class));
    }
    throw new IllegalStateException("no QMP type for " + c);
  }

  private static EnumType enumeration(Class<?> c) {
    List<EnumValue> values = new ArrayList<>();
    for (Object constant : c.getEnumConstants()) {
      String javaName = ((Enum<?>) constant).name();
      Field field = fieldOf(c, javaName);
      values.add(
          new EnumValue(
              Names.constant(field, javaName), constant, Features.of(field), Names.doc(field)));
    }
    return new EnumType(Names.type(c), values, Names.doc(c));
  }

  private static Field fieldOf(Class<?> c, String name) {
    try {
      return c.getField(name);
    } catch (NoSuchFieldException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * @param known entered before its members are looked at, which may be of the same type again
   */
  private StructType struct(Class<?> c, String name, boolean known) {
    RecordComponent[] components = c.getRecordComponents();
    List<Member> members = new ArrayList<>();
    boolean open = Stream.of(components).anyMatch(each -> each.isAnnotationPresent(Qmp.Rest.class));
    Constructor<?> constructor;
    try {
      constructor =
          c.getDeclaredConstructor(
              Stream.of(components).map(RecordComponent::getType).toArray(Class<?>[]::new));
      constructor.setAccessible(true);
    } catch (NoSuchMethodException e) {
      throw new IllegalStateException(e);
    }
    StructType struct =
        new StructType(
            name,
            members,
            open,
            values -> call(() -> constructor.newInstance(values)),
            Names.doc(c));
    if (known) {
      types.put(c, struct);
    }
    for (RecordComponent component : components) {
      if (!component.isAnnotationPresent(Qmp.Rest.class)) {
        members.add(member(component));
      }
    }
    return struct;
  }

  private Member member(RecordComponent component) {
    Type type = component.getGenericType();
    boolean optional = component.getType() == Optional.class;
    if (optional) {
      type = ((ParameterizedType) type).getActualTypeArguments()[0];
    }
    Method accessor = component.getAccessor();
    accessor.setAccessible(true);
    return new Member(
        Names.kebab(component, component.getName()),
        of(type, component),
        optional,
        Features.of(component),
        Names.doc(component),
        object -> call(() -> accessor.invoke(object)));
  }

  private UnionType union(Class<?> c, Api.Union union) {
    Map<String, QmpType> variants = new LinkedHashMap<>();
    Map<Class<?>, String> names = new LinkedHashMap<>();
    for (Class<?> variant : c.getPermittedSubclasses()) {
      String name = Names.kebab(variant, variant.getSimpleName());
      names.put(variant, name);
      variants.put(
          name,
          variant.isRecord() ? struct(variant, Names.type(c) + "-" + name, false) : of(variant));
    }
    EnumType values = (EnumType) of(union.values());
    for (EnumValue value : values.values()) {
      variants.computeIfAbsent(
          value.name(),
          name -> {
            throw new IllegalStateException(c + " lacks a record for " + name);
          });
    }
    return new UnionType(
        Names.type(c),
        union.tag(),
        values,
        variants,
        value -> variantOf(names, value),
        Names.doc(c));
  }

  private static String variantOf(Map<Class<?>, String> names, Object value) {
    for (Map.Entry<Class<?>, String> variant : names.entrySet()) {
      if (variant.getKey().isInstance(value)) {
        return variant.getValue();
      }
    }
    throw new IllegalStateException("no variant for " + value);
  }

  @FunctionalInterface
  private interface Reflective {
    Object run() throws ReflectiveOperationException;
  }

  private static Object call(Reflective work) {
    try {
      return work.run();
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
