package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.Suggestions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;

/** All character back ends of a machine by name. Any thread. */
public final class CharDevices implements AutoCloseable {
  /** One row of {@code query-chardev}. */
  public record CharInfo(String label, String filename, boolean frontEndOpen) {}

  /**
   * @param mux null where one front end has the back end for itself
   */
  private record Entry(CharBackend backend, MuxBackend mux) {
    boolean isBusy() {
      return mux == null ? backend.isAttached() : mux.isAttached();
    }
  }

  /** More have no use, and each may have a thread and files of the host. */
  private static final int MOST = 1000;

  /** The part of the heap that ring buffers may take, all together. */
  private static final long MOST_RING_BYTES = Runtime.getRuntime().maxMemory() / 8;

  private final Map<String, Entry> entries = new LinkedHashMap<>();

  /** Names of back ends that are being made. */
  private final Set<String> reserved = new HashSet<>();

  private final Executor executor;
  private final Runnable quit;
  private int escape = MuxBackend.DEFAULT_ESCAPE;

  /**
   * @param executor looks at the keys of multiplexed back ends; {@code machine.loop()::post}
   * @param quit ends the emulator (Ctrl-A x)
   */
  public CharDevices(Executor executor, Runnable quit) {
    this.executor = executor;
    this.quit = quit;
  }

  /** Sets the first key of commands for back ends made from now on, as {@code -echr} does. */
  public synchronized void setEscape(int key) {
    escape = key;
  }

  /**
   * Makes a back end.
   *
   * @throws ConfigException if the name is taken or the host refuses, with one line for the user
   */
  public CharBackend add(CharOptions options) {
    synchronized (this) {
      if (options.spec() instanceof CharSpec.RingBuf(int size)) {
        checkRing(options.id(), size);
      }
      reserve(options.id());
    }
    CharBackend backend = null;
    try {
      backend = make(options); // may wait for a client
    } finally {
      synchronized (this) {
        reserved.remove(options.id());
        if (backend != null) {
          enter(backend, options.mux());
        }
      }
    }
    return backend;
  }

  /** Enters a back end made elsewhere. */
  public synchronized CharBackend add(CharBackend backend, boolean mux) {
    reserve(backend.id());
    reserved.remove(backend.id());
    enter(backend, mux);
    return backend;
  }

  private void checkRing(String id, int size) {
    long taken =
        entries.values().stream()
            .map(entry -> inner(entry.backend()))
            .filter(RingBufferBackend.class::isInstance)
            .mapToLong(ring -> ((RingBufferBackend) ring).size())
            .sum();
    if (size > MOST_RING_BYTES - taken) {
      throw new ConfigException(
          "chardev %s: a ring of %d bytes is more than the %d that are left for rings; give a smaller size"
              .formatted(id, size, Math.max(0, MOST_RING_BYTES - taken)));
    }
  }

  /** The back end behind its log file. */
  private static CharBackend inner(CharBackend backend) {
    return backend instanceof LoggingBackend logging ? logging.inner() : backend;
  }

  private void reserve(String id) {
    if (entries.size() + reserved.size() >= MOST) {
      throw new ConfigException(
          "chardev %s: there are %d character devices already; remove one first"
              .formatted(id, MOST));
    }
    if (entries.containsKey(id) || !reserved.add(id)) {
      throw new ConfigException("Chardev '" + id + "' already exists; choose another id");
    }
  }

  private void enter(CharBackend backend, boolean mux) {
    entries.put(
        backend.id(),
        new Entry(backend, mux ? new MuxBackend(backend, executor, escape, quit) : null));
  }

  private static CharBackend make(CharOptions options) {
    String id = options.id();
    CharBackend backend =
        switch (options.spec()) {
          case CharSpec.Null(String kind) -> new NullBackend(id, kind);
          case CharSpec.Stdio spec -> new StdioBackend(id, spec);
          case CharSpec.File spec -> new FileBackend(id, spec);
          case CharSpec.Pty spec -> new PtyBackend(id, spec);
          case CharSpec.Pipe spec -> new PipeBackend(id, spec);
          case CharSpec.RingBuf(int size) -> new RingBufferBackend(id, size);
          case CharSpec.Socket spec -> new SocketBackend(id, spec);
        };
    return options.logFile().isEmpty()
        ? backend
        : new LoggingBackend(backend, options.logFile(), options.logAppend());
  }

  /**
   * The back end of this name for one more front end: the back end itself, or a port of its
   * multiplexer.
   *
   * @throws ConfigException if there is none or it is taken
   */
  public synchronized CharBackend claim(String id) {
    Entry entry = find(id);
    if (entry.mux() != null) {
      return entry.mux().newPort();
    }
    if (entry.backend().isAttached()) {
      throw new ConfigException("Chardev '%s' is in use; give it mux=on to share it".formatted(id));
    }
    return entry.backend();
  }

  /** The back end of this name, for commands on it. */
  public synchronized CharBackend get(String id) {
    return find(id).backend();
  }

  private Entry find(String id) {
    Entry entry = entries.get(id);
    if (entry == null) {
      throw new ConfigException(
          "Chardev '%s' not found; %s"
              .formatted(
                  id,
                  entries.isEmpty() ? "there are none" : Suggestions.hint(id, entries.keySet())));
    }
    return entry;
  }

  /**
   * Closes a back end that no front end uses.
   *
   * @throws ConfigException if there is none of this name or it is in use
   */
  public void remove(String id) {
    Entry entry;
    synchronized (this) {
      entry = find(id);
      if (entry.isBusy()) {
        throw new ConfigException("Chardev '" + id + "' is busy");
      }
      entries.remove(id);
    }
    entry.backend().close();
  }

  /** The sockets among the back ends, and what cuts their connections at once. */
  public synchronized Map<String, Runnable> sockets() {
    Map<String, Runnable> sockets = new LinkedHashMap<>();
    entries.forEach(
        (id, entry) -> {
          if (inner(entry.backend()) instanceof SocketBackend socket) {
            sockets.put(id, socket::disconnect);
          }
        });
    return sockets;
  }

  /** All back ends, in the order in which they were made. */
  public synchronized List<CharInfo> list() {
    List<CharInfo> rows = new ArrayList<>();
    entries.forEach(
        (id, entry) -> rows.add(new CharInfo(id, entry.backend().describe(), entry.isBusy())));
    return rows;
  }

  @Override
  public void close() {
    List<Entry> all;
    synchronized (this) {
      all = List.copyOf(entries.values());
      entries.clear();
    }
    all.forEach(entry -> entry.backend().close());
  }
}
