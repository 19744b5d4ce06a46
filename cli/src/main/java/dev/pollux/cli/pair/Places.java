package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;

/** Where the sides of a pair find each other: names of sockets, and the sockets. */
public interface Places {
  /** What listens, and so on which side it is. */
  enum End {
    PRIMARY,
    SECONDARY
  }

  /**
   * A socket.
   *
   * @param name the same on both sides
   * @param on the side that listens
   */
  Place at(String name, End on);

  /** Sockets in a folder: both sides are on this machine. */
  static Places in(Path folder) {
    return (name, on) -> new Place.Unix(folder.resolve(name));
  }

  /** A socket, as commands want it described. */
  sealed interface Place {
    /** A file. */
    record Unix(Path path) implements Place {}

    /** A port of a host. */
    record Tcp(String host, int port) implements Place {}

    /** QMP's {@code SocketAddress}. */
    default ObjectNode flat() {
      ObjectNode address = JsonNodeFactory.instance.objectNode();
      return switch (this) {
        case Unix(Path path) -> address.put("type", "unix").put("path", path.toString());
        case Tcp(String host, int port) ->
            address.put("type", "inet").put("host", host).put("port", String.valueOf(port));
      };
    }

    /** QMP's {@code SocketAddressLegacy}. */
    default ObjectNode legacy() {
      ObjectNode data = flat();
      ObjectNode address = JsonNodeFactory.instance.objectNode();
      address.set("type", data.remove("type"));
      address.set("data", data);
      return address;
    }

    /** The address of a migration. */
    default String uri() {
      return switch (this) {
        case Unix(Path path) -> "unix:" + path;
        case Tcp(String host, int port) -> "tcp:%s:%d".formatted(host, port);
      };
    }
  }
}
