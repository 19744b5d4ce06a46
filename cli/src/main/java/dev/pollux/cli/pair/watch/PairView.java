package dev.pollux.cli.pair.watch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * How a pair is at one moment.
 *
 * @param state where it is, in one word
 * @param runs the side that runs the guest; empty where that is not known here
 * @param copy the side that would go on, or is to; empty for none
 * @param primary what {@code x-pollux-query-colo-statistics} answers there; without members while
 *     there is no copy
 * @param secondary the same of the other side
 * @param networks those that are compared
 * @param disks those of the pair
 */
public record PairView(
    String state,
    String runs,
    String copy,
    JsonNode primary,
    JsonNode secondary,
    List<Network> networks,
    List<Disk> disks) {
  /**
   * A network, in packets of the primary's guest.
   *
   * @param alike left because the copy had said the same
   * @param byCheckpoint left with a checkpoint
   * @param held wait now, of both sides
   * @param dropped at a bound, of both sides
   */
  public record Network(String id, long alike, long byCheckpoint, long held, long dropped) {
    /** From the property {@code x-pollux-statistics} of a {@code colo-compare}. */
    public static Network of(String id, JsonNode statistics) {
      return new Network(
          id,
          statistics.path("alike").asLong(),
          statistics.path("by-checkpoint").asLong(),
          statistics.path("held").asLong(),
          statistics.path("dropped").asLong());
    }
  }

  /**
   * A disk.
   *
   * @param inSync the copy has every write
   * @param done bytes that have been copied, where it has not
   * @param length bytes to be copied, 0 where that is not known
   */
  public record Disk(String id, boolean inSync, long done, long length) {}

  /** A pair of which only this is known. */
  public static PairView of(String state, JsonNode primary, JsonNode secondary) {
    return new PairView(state, "", "", primary, secondary, List.of(), List.of());
  }

  /** As an object of JSON. */
  public ObjectNode json() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("state", state).put("runs", runs).put("copy", copy);
    json.set("primary", primary);
    json.set("secondary", secondary);
    for (Network network : networks) {
      json.withArray("networks")
          .addObject()
          .put("id", network.id())
          .put("alike", network.alike())
          .put("by-checkpoint", network.byCheckpoint())
          .put("held", network.held())
          .put("dropped", network.dropped());
    }
    for (Disk disk : disks) {
      json.withArray("disks")
          .addObject()
          .put("id", disk.id())
          .put("in-sync", disk.inSync())
          .put("done", disk.done())
          .put("length", disk.length());
    }
    return json;
  }
}
