package dev.pollux.qmp.schema;

import dev.pollux.qmp.schema.QmpType.StructType;
import java.lang.reflect.RecordComponent;

/**
 * A command as clients see it.
 *
 * @param outOfBand may be sent with {@code exec-oob}
 */
public record CommandSpec(
    String name,
    StructType arguments,
    QmpType reply,
    boolean outOfBand,
    Features features,
    String doc) {
  /**
   * Reads a declaration.
   *
   * @param record its components are the arguments
   * @param reply what it returns
   */
  public static CommandSpec of(TypeCatalog types, Class<?> record, QmpType reply) {
    return new CommandSpec(
        Names.kebab(record, record.getSimpleName()),
        arguments(types, record),
        reply,
        record.isAnnotationPresent(Qmp.OutOfBand.class),
        Features.of(record),
        Names.doc(record));
  }

  private static StructType arguments(TypeCatalog types, Class<?> record) {
    RecordComponent[] components = record.getRecordComponents();
    StructType own = types.struct(record);
    if (components.length != 1 || !components[0].isAnnotationPresent(Qmp.Boxed.class)) {
      return own;
    }
    StructType boxed = types.struct(components[0].getType());
    return new StructType(
        boxed.label(),
        boxed.members(),
        boxed.open(),
        values -> own.make().apply(new Object[] {boxed.make().apply(values)}),
        boxed.doc());
  }
}
