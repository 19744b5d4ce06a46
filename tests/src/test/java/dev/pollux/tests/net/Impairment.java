package dev.pollux.tests.net;

/** What a bad link does to a frame, each in a thousand. */
enum Impairment {
  NONE(0, 0, 0),
  LOSS(20, 0, 0),
  REORDER(0, 0, 200),
  DUPLICATES(10, 50, 0),
  ALL(50, 50, 100);

  final int lost;
  final int doubled;

  /** Held back until the next one has passed. */
  final int late;

  Impairment(int lost, int doubled, int late) {
    this.lost = lost;
    this.doubled = doubled;
    this.late = late;
  }
}
