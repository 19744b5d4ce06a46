package dev.pollux.devices.storage.ide;

import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import java.util.List;

/**
 * What a disk says of its cylinders, heads and sectors (ATA/ATAPI-6, 6.2): 16 heads of 63 sectors
 * and at least two cylinders, unless a user says otherwise, whatever the disk's size is.
 *
 * @param cylinders 0 where the size says how many there are
 */
record IdeGeometry(int cylinders, int heads, int sectors) {
  static final IdeGeometry DEFAULT = new IdeGeometry(0, 16, 63);

  private static final int MOST_CYLINDERS = 16_383;

  private static final Property<Long> CYLINDERS = part("cyls", "cylinders");
  private static final Property<Long> HEADS = part("heads", "heads");
  private static final Property<Long> SECTORS = part("secs", "sectors of a track");

  static final List<Property<?>> PROPERTIES = List.of(CYLINDERS, HEADS, SECTORS);

  private static Property<Long> part(String name, String what) {
    return Property.unsigned(name, 32, 0, 0, 0xffff_ffffL, what + " that the disk tells of");
  }

  /**
   * The user's, where there is one.
   *
   * @throws dev.pollux.core.config.ConfigException for one that no disk has
   */
  static IdeGeometry of(DeviceContext context) {
    if (PROPERTIES.stream().allMatch(part -> context.get(part).equals(0L))) {
      return DEFAULT;
    }
    return new IdeGeometry(
        checked(context, CYLINDERS, 65_535),
        checked(context, HEADS, 16),
        checked(context, SECTORS, 255));
  }

  private static int checked(DeviceContext context, Property<Long> part, int most) {
    long value = context.get(part);
    if (value < 1 || value > most) {
      throw context.error("%s must be between 1 and %d".formatted(part.name(), most));
    }
    return (int) value;
  }

  /** Cylinders of a disk of so many sectors. */
  int cylinders(long ofDisk) {
    return cylinders > 0
        ? cylinders
        : Math.clamp(ofDisk / ((long) heads * sectors), 2, MOST_CYLINDERS);
  }
}
