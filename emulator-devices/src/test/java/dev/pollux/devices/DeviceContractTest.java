package dev.pollux.devices;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.core.bus.FlatView;
import dev.pollux.core.bus.Region;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.machine.Device;
import dev.pollux.core.machine.Machine;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import dev.pollux.core.state.StateException;
import dev.pollux.core.state.StateInput;
import dev.pollux.core.state.StateOutput;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What every device must do, whatever it is: a subclass makes the device and its registers, and
 * inherits the tests.
 *
 * <p>The machine's clocks stand still unless a subclass lets them run, so that states can be
 * compared byte by byte.
 */
public abstract class DeviceContractTest {
  /** A struct of what a subclass adds to the state of the class that declares it. */
  private static final String SUBCLASS = "device";

  private static final long[] VALUES = {
    0,
    1,
    2,
    3,
    0x10,
    0x7f,
    0x80,
    0xfe,
    0xff,
    0x100,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffffL,
    0xffff_ffffL,
    -1
  };
  private static final int ROUNDS = 3000;

  /** Beyond so many bytes not every length of a truncated state is tried. */
  private static final int MOST_LENGTHS = 4096;

  protected Machine machine;
  private Device device;
  private List<Region.DeviceRegion> regions;

  /** Makes a fresh device on {@link #machine}, mapping nothing. */
  protected abstract Device makeDevice() throws Exception;

  /** All registers of the device, {@code device} being what {@link #makeDevice} returned. */
  protected abstract List<Region> regions(Device device);

  /**
   * Something from outside the bus that happens to the device: input, a completion, an interrupt
   * line.
   */
  protected void disturb(Device device, Random random) {}

  /** The seed of all random choices; a failure repeats with the same. */
  protected long seed() {
    return 1;
  }

  @BeforeEach
  final void setUpContract() throws Exception {
    machine = TestMachines.create(1);
    machine.lock().lock();
    device = makeDevice();
    device.reset();
    regions = regions(device).stream().map(Region.DeviceRegion.class::cast).toList();
  }

  @AfterEach
  final void tearDownContract() {
    device.close();
    machine.lock().unlock();
    machine.close();
  }

  private byte[] save() {
    StateOutput out = new StateOutput();
    device.state().save(out);
    return out.toByteArray();
  }

  private void load(byte[] bytes) throws StateException {
    BoundState<?> state = device.state();
    state.load(new StateInput(bytes), state.descriptor().version()).apply();
  }

  /** One random access as a guest makes it: any size and offset that the bus lets through. */
  private void access(Random random) {
    if (regions.isEmpty() || random.nextInt(16) == 0) {
      disturb(device, random);
      return;
    }
    Region.DeviceRegion region = regions.get(random.nextInt(regions.size()));
    int size = region.minAccess();
    while (size < region.maxAccess() && random.nextBoolean()) {
      size *= 2;
    }
    if (size > region.size()) {
      return;
    }
    long slots = region.size() / region.minAccess() - size / region.minAccess() + 1;
    // Registers crowd at the start of large regions.
    long offset =
        (random.nextInt(4) == 0 ? random.nextLong(slots) : random.nextLong(Math.min(slots, 256)))
            * region.minAccess();
    long mask = -1L >>> 64 - size * 8;
    if (random.nextInt(3) == 0) {
      region.device().read(offset, size);
    } else {
      long value =
          random.nextInt(3) == 0
              ? VALUES[random.nextInt(VALUES.length)]
              : random.nextLong() >>> random.nextInt(64);
      region.device().write(offset, size, value & mask);
    }
  }

  private void fuzz(long seed, int rounds) {
    Random random = new Random(seed);
    for (int i = 0; i < rounds; i++) {
      access(random);
    }
  }

  @Test
  void resetGivesDefaults() {
    byte[] defaults = save();
    fuzz(seed(), ROUNDS);
    device.reset();
    assertStateEquals(
        resetState(defaults), resetState(save()), "reset does not give the power-on state");
  }

  /**
   * Takes out of a state what a reset keeps, for instance the contents of memory with a battery.
   */
  protected byte[] resetState(byte[] state) {
    return state;
  }

  @Test
  void savedStateComesBackByteForByte() throws StateException {
    for (int round = 0; round < 20; round++) {
      fuzz(seed() + round, 200);
      byte[] saved = save();
      assertStateEquals(saved, save(), "saving changes the state");
      fuzz(seed() - round - 1, 200);
      load(saved);
      assertStateEquals(saved, save(), "round " + round + ": the loaded state differs");
    }
  }

  @Test
  void truncatedStateIsRefusedAndChangesNothing() {
    fuzz(seed(), 500);
    byte[] saved = save();
    for (int length = 0; length < saved.length; length += length < MOST_LENGTHS ? 1 : 1009) {
      byte[] part = Arrays.copyOf(saved, length);
      assertThrows(StateException.class, () -> load(part));
      assertStateEquals(saved, save(), "a refused state changed the device");
    }
  }

  @Test
  void damagedStateIsRefusedOrHarmless() {
    Random random = new Random(seed());
    fuzz(seed(), 500);
    byte[] saved = save();
    for (int round = 0; round < 2000; round++) {
      byte[] damaged = saved.clone();
      for (int i = random.nextInt(4); i >= 0 && damaged.length > 0; i--) {
        int at = random.nextInt(damaged.length);
        damaged[at] =
            random.nextBoolean()
                ? (byte) (damaged[at] ^ 1 << random.nextInt(8))
                : (byte) random.nextInt();
      }
      assertDoesNotThrow(
          () -> loadAndUse(damaged, random.nextLong()), "seed " + seed() + " round " + round);
    }
  }

  private void loadAndUse(byte[] bytes, long seed) {
    try {
      load(bytes);
    } catch (StateException e) {
      return;
    }
    fuzz(seed, 30);
    machine.clocks().runDue();
    save();
  }

  @Test
  void noAccessThrows() {
    fuzz(seed(), 10 * ROUNDS);
    machine.clocks().setRunning(true);
    for (int i = 0; i < ROUNDS; i++) {
      fuzz(seed() + i, 10);
      machine.clocks().runDue();
    }
    machine.clocks().setRunning(false);
  }

  @Test
  void registersCanBeMapped() {
    long start = 0x1000;
    for (Region.DeviceRegion region : regions) {
      FlatView.Mapping mapping = machine.io().map(start, region);
      assertEquals(region, machine.io().view().find(start).region());
      machine.io().unmap(mapping);
    }
  }

  @Test
  void everyFieldIsDeclaredOrHostOnly() {
    List<String> missing = new ArrayList<>();
    check(device, device.state().descriptor(), new HashSet<>(), missing);
    assertTrue(missing.isEmpty(), "neither declared nor @HostOnly: " + missing);
  }

  /**
   * Fields carry the names under which they are declared; parts with a declaration of their own are
   * looked into.
   */
  private void check(
      Object target, StateDescriptor<?> descriptor, Set<Object> seen, List<String> missing) {
    if (!seen.add(target)) {
      return;
    }
    Map<String, StateDescriptor<?>> declared = new HashMap<>();
    for (StateDescriptor.FieldInfo info : descriptor.describe()) {
      declared.put(plain(info.name()), info.struct());
      if (info.name().equals(SUBCLASS)) {
        info.struct().describe().forEach(own -> declared.put(plain(own.name()), own.struct()));
      }
    }
    for (Class<?> type = target.getClass(); type != Object.class; type = type.getSuperclass()) {
      for (Field field : type.getDeclaredFields()) {
        String name = plain(field.getName());
        if (Modifier.isStatic(field.getModifiers())
            || field.isSynthetic()
            || field.isAnnotationPresent(HostOnly.class)) {
          continue;
        }
        if (!declared.containsKey(name)) {
          if (!isWiring(field)) {
            missing.add(target.getClass().getSimpleName() + "." + field.getName());
          }
        } else if (declared.get(name) != null) {
          checkParts(target, field, declared.get(name), seen, missing);
        }
      }
    }
  }

  private void checkParts(
      Object target, Field field, StateDescriptor<?> part, Set<Object> seen, List<String> missing) {
    try {
      field.setAccessible(true);
      Object value = field.get(target);
      for (Object element : value instanceof List<?> list ? list : List.of(value)) {
        check(element, part, seen, missing);
      }
    } catch (IllegalAccessException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * A final field that is no container of state: what the device was connected to when it was made.
   */
  private static boolean isWiring(Field field) {
    return Modifier.isFinal(field.getModifiers())
        && !field.getType().isArray()
        && !java.util.Collection.class.isAssignableFrom(field.getType())
        && !Map.class.isAssignableFrom(field.getType())
        && field.getType() != GuestTimer.class
        && !hasDescriptor(field.getType());
  }

  private static boolean hasDescriptor(Class<?> type) {
    return type.getPackageName().startsWith("dev.pollux.devices")
        && Arrays.stream(type.getDeclaredFields())
            .anyMatch(f -> f.getType() == StateDescriptor.class)
        && !Device.class.isAssignableFrom(type);
  }

  private static String plain(String name) {
    return name.replace("-", "").toLowerCase(Locale.ROOT);
  }

  private void assertStateEquals(byte[] expected, byte[] actual, String message) {
    assertArrayEquals(expected, actual, () -> message + " (seed " + seed() + ")");
  }
}
