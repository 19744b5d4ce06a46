package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.process.Monitor;
import java.io.IOException;
import java.util.List;

/**
 * The migration that makes a secondary a copy of its primary, with the networks that are compared
 * from its end on. The copies of disks follow before.
 *
 * @param checkpointMillis longest time between two checkpoints
 * @param silenceMillis a side from which nothing comes for so long counts as dead
 */
public record PairStream(
    Places places, List<ComparedNetwork> networks, int checkpointMillis, int silenceMillis) {
  private static final long BANDWIDTH = 10_000_000_000L;
  private static final int DOWNTIME_MILLIS = 1000;

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  /**
   * Has the primary's state sent to the secondary. Where networks are compared it waits in {@code
   * pre-switchover} for {@link #compare}.
   *
   * @param number of the pair
   */
  public void start(Monitor from, Monitor to, int number) throws IOException {
    for (Monitor side : List.of(from, to)) {
      side.switchOn("return-path", "x-colo", "events");
      var _ =
          side.run(
              "migrate-set-parameters",
              object()
                  .put("x-checkpoint-delay", checkpointMillis)
                  .put("x-pollux-silence", silenceMillis)
                  .put("max-bandwidth", BANDWIDTH)
                  .put("downtime-limit", DOWNTIME_MILLIS));
    }
    if (!networks.isEmpty()) {
      from.switchOn("pause-before-switchover");
    }
    for (ComparedNetwork network : networks) {
      network.prepare(from, to, number);
    }
    String uri = places.at("pair" + number, Places.End.SECONDARY).uri();
    var _ = to.run("migrate-incoming", object().put("uri", uri));
    var _ = from.run("migrate", object().put("uri", uri));
  }

  /** The primary's guest stands still, and the secondary has its state in a moment. */
  public void compare(Monitor from) throws IOException {
    for (ComparedNetwork network : networks) {
      network.begin(from);
    }
    var _ = from.run("migrate-continue", object().put("state", "pre-switchover"));
  }
}
