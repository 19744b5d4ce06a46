package dev.pollux.backend.web;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.Objects;

/**
 * The page, one file. Its script and its style are named by their digests, so that nothing else is
 * run (Content Security Policy level 3, section 2.3.1).
 *
 * @param policy the header {@code Content-Security-Policy}
 */
public record WebPage(byte[] html, String policy) {
  /** None, for servers that answer otherwise. */
  public static final WebPage NONE = new WebPage(new byte[0], "default-src 'none'");

  /**
   * Reads one.
   *
   * @param owner the class beside which the resource lies
   */
  public static WebPage load(Class<?> owner, String resource) {
    try (InputStream in = owner.getResourceAsStream(resource)) {
      String html =
          new String(Objects.requireNonNull(in, resource).readAllBytes(), StandardCharsets.UTF_8);
      String policy =
          ("default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self';"
                  + " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
              .formatted(digest(html, "script"), digest(html, "style"));
      return new WebPage(html.getBytes(StandardCharsets.UTF_8), policy);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String digest(String html, String element) {
    String begin = "<" + element + ">";
    int from = html.indexOf(begin) + begin.length();
    String text = html.substring(from, html.indexOf("</" + element + ">", from));
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return "sha256-" + Base64.getEncoder().encodeToString(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
