package dev.pollux.devices.acpi;

import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.PropertyValues;
import java.util.List;

/**
 * The states of sleep that guests are told of, beside being off: properties of the part of a board
 * that manages power.
 *
 * @param ram S3
 * @param disk S4
 */
public record SleepStates(boolean ram, boolean disk) {
  public static final SleepStates ALL = new SleepStates(true, true);

  private static final Property<Long> NO_RAM =
      Property.unsigned("disable_s3", 8, 0, 0, 1, "1 so that guests do not sleep in RAM");
  private static final Property<Long> NO_DISK =
      Property.unsigned("disable_s4", 8, 0, 0, 1, "1 so that guests do not sleep on disk");

  public static final List<Property<?>> PROPERTIES = List.of(NO_RAM, NO_DISK);

  public static SleepStates of(PropertyValues values) {
    return new SleepStates(values.get(NO_RAM) == 0, values.get(NO_DISK) == 0);
  }
}
