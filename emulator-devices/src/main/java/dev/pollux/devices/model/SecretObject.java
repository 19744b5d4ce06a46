package dev.pollux.devices.model;

import dev.pollux.core.config.DeviceOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * The object type {@code secret}: a password or key for others to use. No monitor shows it.
 *
 * @param bytes decoded
 */
public record SecretObject(byte[] bytes) {
  private static final String RAW = "raw";
  private static final long MOST = 64 << 10;

  private static final Property<String> DATA = Property.text("data", "the secret itself");
  private static final Property<String> FILE = Property.text("file", "file that holds it");
  private static final Property<String> FORMAT =
      Property.of(
          "format",
          "QCryptoSecretFormat",
          RAW,
          "raw or base64",
          (o, k) -> o.choice(k, RAW, Map.of(RAW, RAW, "base64", "base64")),
          word -> word);

  public static final ObjectType TYPE =
      new ObjectType(
          "secret",
          "secret_common",
          "password or key",
          List.of(DATA, FILE, FORMAT),
          (node, _, options) -> {
            byte[] text = read(node.get(DATA), node.get(FILE), options);
            hide(node);
            return new SecretObject(node.get(FORMAT).equals(RAW) ? text : decode(text, options));
          });

  /** The text that an object has, a character for each byte. */
  public static String text(ObjectManager objects, String id) {
    SecretObject secret = (SecretObject) objects.get(id, SecretObject.class).target();
    return new String(secret.bytes(), StandardCharsets.ISO_8859_1);
  }

  private static byte[] read(String data, String file, DeviceOptions options) {
    if (data.isEmpty() == file.isEmpty()) {
      throw options.error("give one of data and file");
    }
    if (!data.isEmpty()) {
      return data.getBytes(StandardCharsets.UTF_8);
    }
    try {
      Path path = Path.of(file);
      if (Files.size(path) > MOST) {
        throw options.error("%s is longer than any secret".formatted(file));
      }
      return Files.readAllBytes(path);
    } catch (IOException | InvalidPathException e) {
      throw options.error("cannot read %s: %s".formatted(file, e.getMessage()));
    }
  }

  private static byte[] decode(byte[] text, DeviceOptions options) {
    try {
      return Base64.getMimeDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw options.error("not base64: " + e.getMessage());
    }
  }

  private static void hide(UserObject node) {
    node.expose(new LiveProperty("data", "string", "", null, null));
  }
}
