package dev.pollux.core.state;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Every piece of saved state of a machine, in the order in which it is saved and loaded. */
public final class StateRegistry {
  /**
   * @param id the section's name in a stream, for instance {@code i8254} or {@code
   *     0000:00:02.0/virtio-net}
   * @param instance tells several sections of one id apart
   */
  public record Entry(String id, int instance, BoundState<?> state) {}

  private final List<Entry> entries = new ArrayList<>();

  /** Adds a section; the instance number is the count of earlier ones with this id. */
  public void register(String id, Migratable part) {
    int instance = (int) entries.stream().filter(e -> e.id().equals(id)).count();
    entries.add(new Entry(id, instance, part.state()));
  }

  public List<Entry> entries() {
    return Collections.unmodifiableList(entries);
  }

  /** The entry with this id and instance, or null. */
  public Entry find(String id, int instance) {
    for (Entry e : entries) {
      if (e.instance() == instance && e.id().equals(id)) {
        return e;
      }
    }
    return null;
  }
}
