package dev.pollux.devices.netfilter;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.net.filter.BufferFilter;
import dev.pollux.backend.net.filter.DropFilter;
import dev.pollux.backend.net.filter.DumpFilter;
import dev.pollux.backend.net.filter.FrameReceiver;
import dev.pollux.backend.net.filter.FrameSender;
import dev.pollux.backend.net.filter.LinkFilter;
import dev.pollux.backend.net.filter.MirrorFilter;
import dev.pollux.backend.net.filter.RedirectorFilter;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.IoThread;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.UserObject;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** The types of filters. */
public final class FilterObjects {
  /** What such an object is for other types. */
  public static final String PARENT = "netfilter";

  /** Frames go with virtio-net's header. */
  public static final Property<Boolean> HEADER =
      Property.flag(
          "vnet_hdr_support", false, "frames go with virtio-net's header, unfinished ones too");

  private static final Property<Long> INTERVAL =
      Property.unsigned("interval", 32, -1, 0, 0xffff_ffffL, "microseconds between two releases");
  private static final Property<String> FILE = Property.text("file", "where the dump goes");
  private static final Property<Long> LONGEST =
      Property.unsigned("maxlen", 32, 65536, 0, 0xffff_ffffL, "bytes of one frame in the dump");
  private static final Property<String> IN = Property.text("indev", "ID of a chardev to read from");
  private static final Property<String> OUT =
      Property.text("outdev", "ID of a chardev to write to");

  private static final ObjectType BUFFER =
      type(
          "filter-buffer",
          "keeps frames and releases them together",
          FilterPlace.properties(INTERVAL),
          FilterObjects::buffer);

  private static final ObjectType DROP =
      type("filter-drop", "drops frames", FilterPlace.properties(), FilterObjects::drop);

  private static final ObjectType DUMP =
      type(
          "filter-dump",
          "writes frames to a file that tcpdump and tshark read",
          FilterPlace.properties(FILE, LONGEST),
          FilterObjects::dump);

  private static final ObjectType MIRROR =
      type(
          "filter-mirror",
          "sends a copy of frames to a chardev",
          FilterPlace.properties(OUT, HEADER),
          FilterObjects::mirror);

  private static final ObjectType REDIRECTOR =
      type(
          "filter-redirector",
          "sends frames to a chardev, and those from another chardev on",
          FilterPlace.properties(IN, OUT, HEADER),
          FilterObjects::redirector);

  public static final List<ObjectType> TYPES = List.of(BUFFER, DROP, DUMP, MIRROR, REDIRECTOR);

  /** Makes a filter that is not on its link yet. */
  @FunctionalInterface
  public interface Maker {
    LinkFilter make(FilterPlace place, UserObject node, MachineServices services);
  }

  private FilterObjects() {}

  /** The declaration of a type of filter. */
  public static ObjectType type(
      String name, String description, List<Property<?>> properties, Maker maker) {
    return new ObjectType(
        name,
        PARENT,
        description,
        properties,
        (node, services, options) -> {
          FilterPlace place = FilterPlace.of(node, services, options);
          return place.install(maker.make(place, node, services), services);
        },
        true);
  }

  private static LinkFilter buffer(FilterPlace place, UserObject node, MachineServices services) {
    long interval = node.get(INTERVAL);
    if (interval < 0) {
      throw new ConfigException("Parameter 'interval' is missing");
    }
    if (interval == 0) {
      throw new ConfigException("Property 'filter-buffer.interval' requires a positive value");
    }
    return new BufferFilter(
        place.id(),
        place.link(),
        place.direction(),
        place.on(),
        interval,
        services.networks().filters());
  }

  private static LinkFilter drop(FilterPlace place, UserObject node, MachineServices services) {
    return new DropFilter(place.id(), place.link(), place.direction(), place.on());
  }

  private static LinkFilter dump(FilterPlace place, UserObject node, MachineServices services) {
    String file = FilterPlace.required(node, FILE);
    long longest = node.get(LONGEST);
    if (longest == 0) {
      throw new ConfigException("Property 'filter-dump.maxlen' doesn't take value '0'");
    }
    try {
      return new DumpFilter(
          place.id(),
          place.link(),
          place.direction(),
          place.on(),
          Path.of(file),
          (int) Math.min(longest, Integer.MAX_VALUE));
    } catch (IOException e) {
      String reason =
          e instanceof NoSuchFileException ? "No such file or directory" : e.getMessage();
      throw new ConfigException("net dump: can't open %s: %s".formatted(file, reason), e);
    }
  }

  private static LinkFilter mirror(FilterPlace place, UserObject node, MachineServices services) {
    CharBackend out = claim(services, FilterPlace.required(node, OUT), "");
    return new MirrorFilter(
        place.id(),
        place.link(),
        place.direction(),
        place.on(),
        sender(out, node, services),
        node.get(HEADER),
        services.networks().checkpoints());
  }

  private static LinkFilter redirector(
      FilterPlace place, UserObject node, MachineServices services) {
    String in = node.get(IN);
    String out = node.get(OUT);
    if (in.isEmpty() && out.isEmpty()) {
      throw new ConfigException(
          "filter redirector needs 'indev' or 'outdev' at least one property set");
    }
    if (in.equals(out)) {
      throw new ConfigException("'indev' and 'outdev' could not be same for filter redirector");
    }
    Optional<CharBackend> source =
        in.isEmpty() ? Optional.empty() : Optional.of(claim(services, in, "IN "));
    Optional<CharBackend> target =
        out.isEmpty() ? Optional.empty() : Optional.of(claim(services, out, "OUT "));
    RedirectorFilter filter =
        new RedirectorFilter(
            place.id(),
            place.link(),
            place.direction(),
            place.on(),
            node.get(HEADER),
            services.networks().checkpoints());
    filter.connect(
        target.map(backend -> sender(backend, node, services)),
        source.map(
            backend ->
                new FrameReceiver(
                    "filter-redirector " + place.id(),
                    backend,
                    node.get(HEADER),
                    filter,
                    task -> IoThread.afterStep(task, services.networks().filters()),
                    Runnable::run)));
    return filter;
  }

  private static FrameSender sender(CharBackend to, UserObject node, MachineServices services) {
    FrameSender sender = new FrameSender(to, node.get(HEADER), services.networks().filters());
    node.expose(
        new LiveProperty(
            "x-pollux-dropped",
            "uint64",
            "frames that outdev was too slow for",
            sender::dropped,
            null));
    return sender;
  }

  /**
   * A character device for one filter alone.
   *
   * @param role in front of the message where there is none; may be empty
   */
  public static CharBackend claim(MachineServices services, String id, String role) {
    CharDevices devices = services.charDevices();
    CharDevices.CharInfo found =
        devices.list().stream()
            .filter(row -> row.label().equals(id))
            .findFirst()
            .orElseThrow(
                () ->
                    ConfigException.deviceNotFound("%sDevice '%s' not found".formatted(role, id)));
    if (found.frontEndOpen()) {
      throw new ConfigException("Device '%s' is in use".formatted(id));
    }
    return devices.claim(id);
  }
}
