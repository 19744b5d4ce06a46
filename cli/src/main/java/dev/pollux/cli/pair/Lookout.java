package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.pollux.cli.pair.watch.PairView;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Sees how a pair is, on a thread of its own: what a side does not answer in time is left out.
 *
 * @param state in one word
 * @param paired both sides have something to tell
 * @param copying disks are being copied
 * @param behind disks whose copy does not follow
 */
record Lookout(
    String state,
    Optional<Side> primary,
    Optional<Side> secondary,
    boolean paired,
    boolean copying,
    List<PairNetwork> networks,
    List<PairDisk> disks,
    Set<PairDisk> behind) {
  private static final JsonNode NONE = JsonNodeFactory.instance.objectNode();

  /** Its thread, which ends when that has been seen and told. */
  Thread look(Consumer<PairView> then) {
    return Thread.startVirtualThread(() -> then.accept(view()));
  }

  private PairView view() {
    JsonNode jobs = copying ? primary.orElseThrow().ask("query-block-jobs") : NONE;
    return new PairView(
        state,
        primary.map(Side::name).orElse(""),
        secondary.map(Side::name).orElse(""),
        paired ? statistics(primary.orElseThrow()) : NONE,
        paired ? statistics(secondary.orElseThrow()) : NONE,
        networks.stream()
            .filter(_ -> paired)
            .map(PairNetwork::compared)
            .map(network -> network.view(primary.orElseThrow().ask("qom-get", network.path())))
            .toList(),
        disks.stream().map(disk -> disk.view(jobs, behind.contains(disk))).toList());
  }

  private static JsonNode statistics(Side side) {
    return side.ask("x-pollux-query-colo-statistics");
  }
}
