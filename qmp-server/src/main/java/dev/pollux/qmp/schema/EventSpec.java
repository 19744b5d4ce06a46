package dev.pollux.qmp.schema;

import dev.pollux.qmp.schema.QmpType.StructType;
import java.util.Optional;

/**
 * An event as clients see it.
 *
 * @param limitedPer empty where all are sent; else the member for each value of which there is at
 *     most one a second, or ""
 */
public record EventSpec(
    String name, StructType data, Features features, Optional<String> limitedPer, String doc) {
  /**
   * Reads a declaration.
   *
   * @param record its components are the data
   */
  public static EventSpec of(TypeCatalog types, Class<?> record) {
    return new EventSpec(
        Names.event(record),
        types.struct(record),
        Features.of(record),
        Optional.ofNullable(record.getAnnotation(Qmp.RateLimited.class)).map(Qmp.RateLimited::per),
        Names.doc(record));
  }
}
