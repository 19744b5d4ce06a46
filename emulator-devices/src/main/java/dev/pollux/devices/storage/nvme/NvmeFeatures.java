package dev.pollux.devices.storage.nvme;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.core.state.StateDescriptor;
import java.util.Set;

/** What drivers can ask for and set (5.14, 5.21). Machine lock held. */
final class NvmeFeatures {
  static final int ARBITRATION = 0x01;
  static final int POWER = 0x02;
  static final int TEMPERATURE = 0x04;
  static final int ERROR_RECOVERY = 0x05;
  static final int WRITE_CACHE = 0x06;
  static final int QUEUES = 0x07;
  static final int COALESCING = 0x08;
  static final int VECTOR = 0x09;
  static final int ATOMICITY = 0x0a;
  static final int EVENTS = 0x0b;

  private static final Set<Integer> ALL =
      Set.of(
          ARBITRATION,
          POWER,
          TEMPERATURE,
          ERROR_RECOVERY,
          WRITE_CACHE,
          QUEUES,
          COALESCING,
          VECTOR,
          ATOMICITY,
          EVENTS);
  private static final Set<Integer> CHANGEABLE =
      Set.of(TEMPERATURE, ERROR_RECOVERY, WRITE_CACHE, QUEUES, EVENTS);

  /** Of the controller, in kelvins; it is always the same. */
  static final int KELVINS = 323;

  /** In kelvins. */
  static final int WARNING_KELVINS = 343;

  private static final int NO_BURST_LIMIT = 7;
  private static final int NO_COALESCING = 1 << 16;
  private static final int TEMPERATURE_EVENTS = 1 << 1;
  private static final int NAMESPACE_EVENTS = 1 << 8;

  static final StateDescriptor<NvmeFeatures> STATE =
      StateDescriptor.of(NvmeFeatures.class, "nvme-features", 1)
          .u16("over", f -> f.over, (f, v) -> f.over = v)
          .u16("under", f -> f.under, (f, v) -> f.under = v)
          .u16("recovery", f -> f.recovery, (f, v) -> f.recovery = v)
          .u32("events", f -> f.events, (f, v) -> f.events = v)
          .bool("write-cache", f -> f.backend.writeCache(), (f, v) -> f.backend.setWriteCache(v));

  private final BlockBackend backend;
  private final int queues;
  private final int vectors;
  private int over = WARNING_KELVINS;
  private int under;
  private int recovery;
  private int events;

  /**
   * @param queues pairs of queues apart from the first
   * @param vectors interrupts
   */
  NvmeFeatures(BlockBackend backend, int queues, int vectors) {
    this.backend = backend;
    this.queues = queues;
    this.vectors = vectors;
  }

  void reset() {
    over = WARNING_KELVINS;
    under = 0;
    recovery = 0;
    events = 0;
  }

  static boolean exists(int feature) {
    return ALL.contains(feature);
  }

  static boolean isChangeable(int feature) {
    return CHANGEABLE.contains(feature);
  }

  boolean isTooHot() {
    return over <= KELVINS;
  }

  private boolean isTooCold() {
    return under >= KELVINS;
  }

  /** Whether the driver wants to hear that the temperature has passed a threshold, as it has. */
  boolean tellsTemperature() {
    return (events & TEMPERATURE_EVENTS) != 0 && (isTooHot() || isTooCold());
  }

  boolean tellsNamespaces() {
    return (events & NAMESPACE_EVENTS) != 0;
  }

  /** Whether there is such a part of a feature: of its sensors, of its vectors. */
  boolean accepts(int feature, int argument) {
    return switch (feature) {
      case TEMPERATURE -> (argument >> 16 & 0xf) == 0 && (argument >> 20 & 3) <= 1;
      case VECTOR -> (argument & 0xffff) < vectors;
      default -> true;
    };
  }

  /** The present value. */
  int get(int feature, int argument) {
    return switch (feature) {
      case TEMPERATURE -> isUnder(argument) ? under : over;
      case ERROR_RECOVERY -> recovery;
      case WRITE_CACHE -> backend.writeCache() ? 1 : 0;
      case EVENTS -> events;
      default -> usual(feature, argument);
    };
  }

  /** The value after a reset. */
  int usual(int feature, int argument) {
    return switch (feature) {
      case ARBITRATION -> NO_BURST_LIMIT;
      case TEMPERATURE -> isUnder(argument) ? 0 : WARNING_KELVINS;
      case WRITE_CACHE -> 1;
      case QUEUES -> queues - 1 | queues - 1 << 16;
      case VECTOR -> argument & 0xffff | NO_COALESCING;
      default -> 0;
    };
  }

  private static boolean isUnder(int argument) {
    return (argument >> 20 & 3) == 1;
  }

  /**
   * Sets a value.
   *
   * @return what the command's result says
   */
  int set(int feature, int value) {
    switch (feature) {
      case TEMPERATURE -> {
        if (isUnder(value)) {
          under = value & 0xffff;
        } else {
          over = value & 0xffff;
        }
      }
      case ERROR_RECOVERY -> recovery = value & 0xffff;
      case WRITE_CACHE -> backend.setWriteCache((value & 1) != 0);
      case EVENTS -> events = value;
      default -> {} // as many queues as there are, whatever is asked for
    }
    return feature == QUEUES ? usual(QUEUES, 0) : 0;
  }
}
