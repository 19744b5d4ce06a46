package dev.pollux.devices.input;

/**
 * A pointing device as the user sees it. Buttons are bit 0 left, 1 right, 2 middle. Machine lock
 * held.
 */
public sealed interface Pointer {
  /** What monitors call it. */
  String pointerName();

  /** The buttons that are down. */
  int buttons();

  /** It tells how far it was moved. */
  non-sealed interface Relative extends Pointer {
    /**
     * It was moved, or a button changed.
     *
     * @param dx counts to the right
     * @param dy counts upwards
     * @param dz wheel clicks towards the user
     */
    void move(int dx, int dy, int dz, int buttons);
  }

  /** It tells where it is. */
  non-sealed interface Absolute extends Pointer {
    /** The right and the lower edge; the others are 0. */
    int EDGE = 0x7fff;

    /** Where it was put last. */
    int x();

    /** As above, from the top. */
    int y();

    /**
     * It was put somewhere, or a button changed.
     *
     * @param x 0 to {@link #EDGE}
     * @param y 0 to {@link #EDGE}
     * @param dz wheel clicks towards the user
     */
    void put(int x, int y, int dz, int buttons);
  }
}
