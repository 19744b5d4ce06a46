package dev.pollux.cli.pair.decide;

/**
 * Times of a pair in nanoseconds, by clocks that never step.
 *
 * @param lease so long a record that was not replaced protects its holder
 * @param margin so much earlier the holder itself stops: for clocks that run apart, and for what
 *     stopping takes
 * @param renewal between two replacements by the holder, and between two looks by the other
 * @param grace so long a side without a copy that runs waits for one that may have it
 */
public record Timing(long lease, long margin, long renewal, long grace) {
  public Timing {
    if (renewal <= 0 || margin <= 0 || grace < 0 || lease < margin + 2 * renewal) {
      throw new IllegalArgumentException("the lease has to be longer than margin and renewals");
    }
  }
}
