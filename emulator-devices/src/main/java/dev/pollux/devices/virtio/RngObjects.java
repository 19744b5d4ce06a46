package dev.pollux.devices.virtio;

import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.ObjectType;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.UserObject;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;

/** The object types that give random bytes. */
public final class RngObjects {
  private static final String DEFAULT_FILE = "/dev/urandom";
  private static final String PARENT = "rng-backend";

  private static final Property<String> FILE =
      Property.of(
          "filename",
          "string",
          DEFAULT_FILE,
          "file or device that is read",
          (o, k) -> o.string(k, DEFAULT_FILE),
          name -> name);

  public static final ObjectType RANDOM =
      new ObjectType(
          "rng-random",
          PARENT,
          "random bytes from a file",
          List.of(FILE),
          (node, _, options) -> open(node, options));

  public static final ObjectType BUILT_IN =
      new ObjectType(
          "rng-builtin",
          PARENT,
          "random bytes of the host",
          List.of(),
          (_, _, _) -> (RandomSource) new SecureRandom()::nextBytes);

  private RngObjects() {}

  private static RandomSource open(UserObject node, DeviceOptions options) {
    String file = node.get(FILE);
    try {
      DataInputStream in = new DataInputStream(Files.newInputStream(Path.of(file)));
      node.onRemove(
          () -> {
            try {
              in.close();
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          });
      return bytes -> fill(in, bytes);
    } catch (IOException | InvalidPathException e) {
      throw options.error("cannot open %s: %s".formatted(file, e.getMessage()));
    }
  }

  private static void fill(DataInputStream in, byte[] bytes) {
    try {
      synchronized (in) {
        in.readFully(bytes);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
