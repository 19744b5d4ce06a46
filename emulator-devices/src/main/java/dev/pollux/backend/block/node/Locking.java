package dev.pollux.backend.block.node;

/** Whether an image is kept from other processes while it is open. */
public enum Locking {
  /** Nobody else may write to it, and nobody else may be writing. */
  ON,
  /** It is only read, and others may write meanwhile: what is read may fit together or not. */
  SHARED,
  /** Nobody asks and nobody is asked. */
  OFF
}
