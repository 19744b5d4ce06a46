package dev.pollux.migration;

import java.lang.reflect.RecordComponent;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Requests that change some parameters. */
final class TestParameters {
  private TestParameters() {}

  static MigrationParameters of(long bandwidth, long downtime) {
    return of(Map.of("maxBandwidth", bandwidth, "downtimeLimit", downtime));
  }

  /** By the names of the record's components. */
  static MigrationParameters of(Map<String, ?> values) {
    RecordComponent[] components = MigrationParameters.class.getRecordComponents();
    Object[] arguments =
        Stream.of(components).map(c -> Optional.ofNullable(values.get(c.getName()))).toArray();
    Class<?>[] types = Stream.of(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
    try {
      return MigrationParameters.class.getDeclaredConstructor(types).newInstance(arguments);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }
}
