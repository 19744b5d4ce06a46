package dev.pollux.migration.lease;

import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.model.Property;
import java.util.List;

/**
 * The object type {@code x-pollux-lease}: until when the machine may run, set with {@code qom-set}.
 */
public final class LeaseObject {
  private static final Property<Long> UNTIL =
      Property.unsigned(
          "until",
          64,
          RunLease.NO_LIMIT,
          0,
          Long.MAX_VALUE,
          "ns of the host's CLOCK_BOOTTIME until which the guest runs and is heard; 0: no limit");

  public static final List<ObjectType> TYPES =
      List.of(
          new ObjectType(
              "x-pollux-lease",
              "object",
              "stops the guest and its network when nobody renews it in time",
              List.of(UNTIL),
              (node, services, options) -> {
                RunLease lease = new RunLease(services.machine());
                lease.allow(node.get(UNTIL));
                services.networks().setGate(lease::isOpen);
                node.expose(
                    new LiveProperty(
                        "until",
                        "uint64",
                        "",
                        lease::until,
                        value -> lease.allow(((Number) value).longValue())));
                node.onRemove(
                    () -> {
                      services.networks().setGate(() -> true);
                      lease.close();
                    });
                return lease;
              },
              true));

  private LeaseObject() {}
}
