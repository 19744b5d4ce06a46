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
    return MigrationParameters.of(arguments);
  }
}
