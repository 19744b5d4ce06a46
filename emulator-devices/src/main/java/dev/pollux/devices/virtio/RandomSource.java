package dev.pollux.devices.virtio;

/** Where random bytes come from: the target of the objects {@code rng-random} and their like. */
@FunctionalInterface
public interface RandomSource {
  /** Fills an array; any thread. */
  void fill(byte[] bytes);
}
