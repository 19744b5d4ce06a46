package dev.pollux.backend.net;

/**
 * What an end of a link can do itself with unfinished frames; the link does the rest for it.
 *
 * @param checksum fills in checksums
 * @param tcp4 takes TCP segments over IPv4 that are longer than the link's MTU
 * @param tcp6 the same over IPv6
 */
public record Offloads(boolean checksum, boolean tcp4, boolean tcp6) {
  public static final Offloads NONE = new Offloads(false, false, false);
  public static final Offloads ALL = new Offloads(true, true, true);

  /** Whether the frame can be given as it is. */
  public boolean take(Frame frame) {
    return (checksum || !frame.lacksChecksum())
        && switch (frame.segmentation()) {
          case Frame.GSO_NONE -> true;
          case Frame.GSO_TCP4 -> tcp4;
          case Frame.GSO_TCP6 -> tcp6;
          default -> false;
        };
  }
}
