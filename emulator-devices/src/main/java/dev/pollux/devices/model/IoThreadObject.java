package dev.pollux.devices.model;

import dev.pollux.core.machine.IoThread;
import java.util.List;

/** The object type {@code iothread}: a thread that works on queues of devices. */
public final class IoThreadObject {
  private static final Property<Long> POLL =
      Property.unsigned(
          "poll-max-ns",
          64,
          MachineServices.POLL_NANOS,
          0,
          1_000_000_000,
          "ns for which it looks for more work before it sleeps");

  public static final ObjectType TYPE =
      new ObjectType(
          "iothread",
          "event-loop-base",
          "thread that works on queues of devices",
          List.of(POLL),
          (node, services, options) -> {
            IoThread thread = services.machine().addIoThread("IO " + options.required("id"));
            thread.setPollNanos(node.get(POLL));
            node.onRemove(() -> services.machine().removeIoThread(thread));
            return thread;
          });

  private IoThreadObject() {}
}
