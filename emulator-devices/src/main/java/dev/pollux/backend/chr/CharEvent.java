package dev.pollux.backend.chr;

/** What a front end hears of its back end besides bytes. */
public enum CharEvent {
  /** Somebody is there now. */
  OPENED,
  /** Nobody is there any more. */
  CLOSED,
  /** A break condition on the line. */
  BREAK,
  /** The keyboard of a multiplexed back end now belongs to this front end. */
  MUX_IN,
  /** The keyboard now belongs to another one. */
  MUX_OUT
}
