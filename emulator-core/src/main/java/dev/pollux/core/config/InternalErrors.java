package dev.pollux.core.config;

import org.slf4j.Logger;

/**
 * Where work that others asked for fails with something that it should never fail with: the worker
 * says so and goes on, for the machine is more than one request.
 */
public final class InternalErrors {
  private InternalErrors() {}

  /**
   * Logs a failure; never fails itself, even where the heap is full. Any thread.
   *
   * @param what where it happened and what goes on, for instance {@code "on the event loop; the
   *     machine goes on"}
   */
  public static void report(Logger log, String what, Throwable failure) {
    try {
      log.error("internal error {}", what, failure);
    } catch (RuntimeException | Error unreported) {
      // No room for a report either.
    }
  }
}
