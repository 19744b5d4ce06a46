package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Queue;

/**
 * What is to go wrong with a pair because the user wants it, one fault at a time: the next one
 * waits until there is a pair again to survive it. The deciding thread.
 */
final class FaultPlan {
  private static final double SECOND = 1e9;

  private final Queue<PlannedFault> faults;

  /** Empty until there has been a pair, by {@link System#nanoTime}. */
  private Optional<Long> protectedFirst = Optional.empty();

  /** A fault was caused, and the pair has not been made again since. */
  private boolean hurt;

  FaultPlan(List<PlannedFault> faults) {
    this.faults =
        new ArrayDeque<>(
            faults.stream().sorted(Comparator.comparingDouble(PlannedFault::seconds)).toList());
  }

  /** There is a pair, or there is one again. */
  void whole() {
    hurt = false;
    if (protectedFirst.isEmpty()) {
      protectedFirst = Optional.of(System.nanoTime());
    }
  }

  /** When the next one is to be caused, by {@link System#nanoTime}; while there is a pair. */
  long due() {
    return faults.isEmpty() || hurt || protectedFirst.isEmpty()
        ? Long.MAX_VALUE
        : protectedFirst.get() + (long) (faults.element().seconds() * SECOND);
  }

  /** The one that is due. */
  PlannedFault.Kind next() {
    return faults.remove().kind();
  }

  /** Causes a fault; returns when it has happened. */
  void cause(PlannedFault.Kind kind, Side primary, Side secondary) throws IOException {
    hurt = true;
    switch (kind) {
      case KILL_PRIMARY -> primary.process().kill();
      case KILL_SECONDARY -> secondary.process().kill();
      case FREEZE_PRIMARY -> primary.process().freeze();
      case FREEZE_SECONDARY -> secondary.process().freeze();
      case CUT_LINK -> {
        ObjectNode migration = JsonNodeFactory.instance.objectNode();
        migration.putArray("instances").addObject().put("type", "migration");
        var _ = secondary.process().run("yank", migration);
      }
    }
  }
}
