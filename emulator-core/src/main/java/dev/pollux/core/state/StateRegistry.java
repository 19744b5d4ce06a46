package dev.pollux.core.state;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;

/** Every piece of saved state of a machine, in the order in which it is saved. */
public final class StateRegistry {
  /**
   * @param id the section's name in a stream, for instance {@code i8254} or {@code
   *     0000:00:02.0/virtio-net}
   * @param instance tells several sections of one id apart
   * @param last whether it is put in place after all others
   */
  public record Entry(String id, int instance, BoundState<?> state, boolean last) {}

  /** Whose state an entry is; by identity. */
  private final IdentityHashMap<Migratable, Entry> owners = new IdentityHashMap<>();

  private final List<Entry> entries = new ArrayList<>();

  /** Adds a section; the instance number is the first that no other with this id has. */
  public void register(String id, Migratable part) {
    int instance = 0;
    while (find(id, instance) != null) {
      instance++;
    }
    Entry entry = new Entry(id, instance, part.state(), part.isLoadedLast());
    entries.add(entry);
    owners.put(part, entry);
  }

  /** Takes out the section of a part that is gone. */
  public void unregister(Migratable part) {
    entries.remove(owners.remove(part));
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
