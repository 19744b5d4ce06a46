package dev.pollux.tests.net;

/** What a bad link does to a frame; all but the delay are counts in a thousand. */
enum Impairment {
  NONE(0, 0, 0, 0),
  LOSS(20, 0, 0, 0),
  REORDER(0, 0, 200, 0),
  DUPLICATES(10, 50, 0, 0),
  DELAY(0, 0, 0, 20),
  ALL(50, 50, 100, 0),
  ALL_DELAYED(10, 20, 50, 15);

  final int lost;
  final int doubled;

  /** Held back until the next one has passed. */
  final int late;

  /** The most milliseconds that one is on its way, each of its own. */
  final int delay;

  Impairment(int lost, int doubled, int late, int delay) {
    this.lost = lost;
    this.doubled = doubled;
    this.late = late;
    this.delay = delay;
  }
}
