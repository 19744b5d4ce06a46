package dev.pollux.devices.storage.ide;

import dev.pollux.devices.model.DeviceContext;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.storage.DriveProperties;
import java.util.List;

/**
 * What a drive says of itself (ATA/ATAPI-7, 6.17).
 *
 * @param serial at most 20 characters are told
 * @param model at most 40 characters
 * @param version of its firmware, at most 8 characters
 * @param worldWideName 0 for none
 */
record DriveIdentity(String serial, String model, String version, long worldWideName) {
  static final String VERSION = "1.0";

  private static final Property<String> MODEL = Property.text("model", "model, 40 characters");
  private static final Property<String> FIRMWARE =
      Property.text("ver", "version of the firmware, 8 characters");
  private static final Property<Long> WORLD_WIDE_NAME =
      Property.unsigned("wwn", 64, 0, 0, Long.MAX_VALUE, "world-wide name");

  static final List<Property<?>> PROPERTIES = List.of(MODEL, FIRMWARE, WORLD_WIDE_NAME);

  // Words, and their bits.
  private static final int SUPPORTED = 84;
  private static final int IN_USE = 87;
  private static final int HAS_NAME = 1 << 8;
  private static final int NAME = 108;

  /**
   * As the user says.
   *
   * @param number of the drive, for a serial number where none is given
   * @param kind the model where none is given
   */
  static DriveIdentity of(DeviceContext context, int number, String kind) {
    return new DriveIdentity(
        given(context, DriveProperties.SERIAL, "QM%05d".formatted(number)),
        given(context, MODEL, kind),
        given(context, FIRMWARE, VERSION),
        context.get(WORLD_WIDE_NAME));
  }

  private static String given(DeviceContext context, Property<String> property, String otherwise) {
    String text = context.get(property);
    return text.isEmpty() ? otherwise : text;
  }

  /** Puts it among the words, after those of which it changes bits. */
  void describe(IdentifyData data) {
    data.text(10, 20, serial).text(23, 8, version).text(27, 40, model);
    if (worldWideName != 0) {
      data.add(SUPPORTED, HAS_NAME).add(IN_USE, HAS_NAME);
      for (int i = 0; i < 4; i++) {
        data.word(NAME + i, (int) (worldWideName >>> 48 - 16 * i));
      }
    }
  }
}
