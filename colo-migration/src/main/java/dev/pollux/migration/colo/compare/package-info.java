/**
 * What a pair's guests say on a network: {@link dev.pollux.migration.colo.compare.PacketComparator}
 * lets the primary's packets go as far as the secondary has said the same, and calls for a
 * checkpoint where it has not; {@link dev.pollux.migration.colo.compare.SequenceRewriter} gives the
 * secondary's TCP connections the primary's sequence numbers. Both know frames only, not where they
 * come from: one thread each.
 */
package dev.pollux.migration.colo.compare;
