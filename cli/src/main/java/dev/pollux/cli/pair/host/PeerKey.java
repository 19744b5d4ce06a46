package dev.pollux.cli.pair.host;

import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * What both agents of a pair know and no stranger does: with it each line of a connection is signed
 * (HMAC-SHA-256, RFC 2104), by a key that is of this connection alone, and with a number, so that
 * none can be said again. Nothing is hidden by it. Without a secret anybody knows the key, and
 * anybody can speak.
 */
final class PeerKey {
  private static final String ALGORITHM = "HmacSHA256";
  private static final int LEAST_BYTES = 16;
  private static final int MOST_BYTES = 4096;
  private static final int NONCE_BYTES = 16;
  private static final SecureRandom RANDOM = new SecureRandom();

  private final byte[] secret;
  private final boolean known;

  private PeerKey(byte[] secret, boolean known) {
    this.secret = secret;
    this.known = known;
  }

  /** The key of a pair, of its secret or of its name. */
  static PeerKey of(HostOptions options) throws IOException {
    return options.secret().isEmpty()
        ? new PeerKey(("pair " + options.pair()).getBytes(StandardCharsets.UTF_8), false)
        : read(options.secret().get());
  }

  /**
   * Reads a secret; white space around it is none of it.
   *
   * @throws ConfigException if it is too short, or if others may read it
   */
  static PeerKey read(Path file) throws IOException {
    if (Files.size(file) > MOST_BYTES) {
      throw new ConfigException("--secret %s: more than %d bytes".formatted(file, MOST_BYTES));
    }
    Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
    if (permissions.contains(PosixFilePermission.OTHERS_READ)
        || permissions.contains(PosixFilePermission.GROUP_READ)) {
      throw new ConfigException("--secret %s: others may read it; chmod 600".formatted(file));
    }
    byte[] secret =
        Files.readString(file, StandardCharsets.ISO_8859_1)
            .strip()
            .getBytes(StandardCharsets.ISO_8859_1);
    if (secret.length < LEAST_BYTES) {
      throw new ConfigException(
          "--secret %s: %d characters at least; openssl rand -hex 32 makes some"
              .formatted(file, LEAST_BYTES));
    }
    return new PeerKey(secret, true);
  }

  /** Whether a secret was given. */
  boolean isSecret() {
    return known;
  }

  /** A number that is used once. */
  static String nonce() {
    byte[] bytes = new byte[NONCE_BYTES];
    RANDOM.nextBytes(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  /**
   * Signs and checks the lines of one connection in one direction, in their order. One thread.
   *
   * @param listener what the side has said that is spoken to
   * @param speaker what the other one has said
   */
  Seal seal(String listener, String speaker) {
    byte[] own = mac(secret, List.of("pollux pair", listener, speaker));
    return new Seal(own);
  }

  private static byte[] mac(byte[] key, List<String> parts) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(new SecretKeySpec(key, ALGORITHM));
      return mac.doFinal(String.join("\n", parts).getBytes(StandardCharsets.UTF_8));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java platform has " + ALGORITHM, e);
    }
  }

  /** Lines of one connection. */
  static final class Seal {
    private static final int SIGN_LENGTH = 64;

    private final byte[] key;
    private long lines;

    private Seal(byte[] key) {
      this.key = key;
    }

    private String sign(String line) {
      return HexFormat.of().formatHex(mac(key, List.of(String.valueOf(lines++), line)));
    }

    /** The next line with its sign before it. */
    String close(String line) {
      return sign(line) + line;
    }

    /**
     * The line that was signed.
     *
     * @throws IOException if another one has, or it is not the next
     */
    String open(String sealed) throws IOException {
      if (sealed.length() < SIGN_LENGTH) {
        throw new IOException("no sign");
      }
      String line = sealed.substring(SIGN_LENGTH);
      byte[] expected = sign(line).getBytes(StandardCharsets.US_ASCII);
      byte[] found = sealed.substring(0, SIGN_LENGTH).getBytes(StandardCharsets.UTF_8);
      if (!MessageDigest.isEqual(expected, found)) {
        throw new IOException("a wrong sign");
      }
      return line;
    }
  }
}
