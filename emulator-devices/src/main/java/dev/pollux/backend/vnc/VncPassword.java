package dev.pollux.backend.vnc;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import javax.crypto.Cipher;
import javax.crypto.spec.SecretKeySpec;

/** The challenge by which viewers prove that they know the password (RFC 6143, 7.2.2). */
final class VncPassword {
  static final int CHALLENGE = 16;

  private static final int KEY = 8;

  private VncPassword() {}

  /** Whether the answer to a challenge is right. */
  static boolean isRight(String password, byte[] challenge, byte[] answer) {
    return MessageDigest.isEqual(answer, answer(password, challenge));
  }

  /**
   * Encrypts the challenge by DES; the first eight bytes of the password, bits reversed, are the
   * key.
   */
  static byte[] answer(String password, byte[] challenge) {
    byte[] bytes = password.getBytes(StandardCharsets.ISO_8859_1);
    byte[] key = new byte[KEY];
    for (int i = 0; i < Math.min(KEY, bytes.length); i++) {
      key[i] = (byte) (Integer.reverse(bytes[i]) >>> 24);
    }
    try {
      Cipher des = Cipher.getInstance("DES/ECB/NoPadding");
      des.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "DES"));
      return des.doFinal(challenge);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has DES", e);
    }
  }
}
