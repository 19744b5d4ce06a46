package dev.pollux.cli.pair.decide;

import java.util.Map;

/**
 * What the coordination service knows of a pair: one record, replaced as a whole and only by who
 * knows the version before. Its holder has the right to run the guest, as long as it is renewed.
 *
 * @param version counts replacements, from 1
 * @param holder who may run the guest; empty for nobody
 * @param last who held it last, the present holder included
 * @param inSync sides whose disks have everything that a client was told of, each with the name of
 *     its disks' generation, which changes before they are overwritten; only they may take over
 * @param ended the guest has ended, or was to end
 * @param stamp tells replacements apart, whoever has written them
 */
public record Ledger(
    long version,
    String holder,
    String last,
    Map<String, String> inSync,
    boolean ended,
    String stamp) {
  public Ledger {
    inSync = Map.copyOf(inSync);
  }

  /** The first record of a pair. */
  static Ledger first(String holder, String generation, String stamp) {
    return new Ledger(1, holder, holder, Map.of(holder, generation), false, stamp);
  }

  boolean isHeld() {
    return !holder.isEmpty();
  }

  boolean isHolder(String side) {
    return holder.equals(side);
  }

  /** Some generation of this side's disks is in sync. */
  boolean lists(String side) {
    return inSync.containsKey(side);
  }

  boolean isInSync(String side, String generation) {
    return generation.equals(inSync.get(side));
  }

  /** The holder lives. */
  Ledger renewed(String by) {
    return new Ledger(version + 1, holder, last, inSync, ended, by);
  }

  /** This side goes on, and the other is out of date from now on. */
  Ledger heldAlone(String side, String generation, String by) {
    return new Ledger(version + 1, side, side, Map.of(side, generation), false, by);
  }

  /** The other side has a copy. */
  Ledger joinedBy(String side, String generation, String by) {
    Map<String, String> both = Map.of(holder, inSync.get(holder), side, generation);
    return new Ledger(version + 1, holder, last, both, ended, by);
  }

  /** The holder runs nothing any more; whoever is in sync may go on. */
  Ledger released(boolean end, String by) {
    return new Ledger(version + 1, "", last, inSync, end, by);
  }
}
