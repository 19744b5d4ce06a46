package dev.pollux.backend.web;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Who may see and use what a server has.
 *
 * @param site the name of the cookie that keeps the token in a browser; hosts share their cookies
 *     between ports
 * @param name by which the user has told it to listen: a browser may know it so
 * @param token that a visitor has to know; empty where everybody may
 * @param pages whose requests are taken
 */
public record WebAccess(String site, String name, Optional<String> token, Pages pages) {
  /** Pages that send requests. */
  public enum Pages {
    /** The server's own. */
    OWN,
    /** Those of servers at this address, whatever their port. */
    OF_THE_HOST
  }

  private static final int TOKEN_BYTES = 16;
  private static final Pattern HOST =
      Pattern.compile("(\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9._-]+)(:\\d{1,5})?");
  private static final String PORT = ":\\d+$";
  private static final Pattern ADDRESS = Pattern.compile("\\[.*\\]|\\d+\\.\\d+\\.\\d+\\.\\d+");

  /** A token that nobody guesses. */
  public static String newToken() {
    byte[] random = new byte[TOKEN_BYTES];
    new SecureRandom().nextBytes(random);
    return HexFormat.of().formatHex(random);
  }

  /**
   * Whether a request was meant for this server. A page of somebody else's, whose name has been
   * pointed at this address meanwhile, has that name as its host: only addresses and names that are
   * ours are taken.
   *
   * @param host the header, null for none
   */
  boolean isHere(String host) {
    Matcher parts = HOST.matcher(host == null ? "" : host.toLowerCase(Locale.ROOT));
    return parts.matches()
        && (ADDRESS.matcher(parts.group(1)).matches()
            || parts.group(1).equals("localhost")
            || parts.group(1).equals(name.toLowerCase(Locale.ROOT)));
  }

  /**
   * Whether a request comes from a page that may send it, or from no page at all.
   *
   * @param origin the header, null for none, as of a page that is opened, or a program
   * @param site {@code Sec-Fetch-Site}, null for none
   */
  boolean isFromHere(String host, String origin, String site) {
    if (pages == Pages.OF_THE_HOST) {
      return origin == null
          || origin
              .replaceFirst("^https?://", "")
              .replaceFirst(PORT, "")
              .equals(host.replaceFirst(PORT, ""));
    }
    boolean same =
        origin == null || origin.equals("http://" + host) || origin.equals("https://" + host);
    return same
        && (site == null || site.equals("same-origin") || (origin == null && site.equals("none")));
  }

  /**
   * Whether a visitor knows the token; how long that takes tells nothing about it.
   *
   * @param cookies the header, null for none
   * @param authorization the header, null for none
   */
  boolean isAllowed(String cookies, String authorization) {
    Matcher cookie =
        Pattern.compile("(?:^|;\\s*)" + Pattern.quote(site) + "=([^;]*)")
            .matcher(cookies == null ? "" : cookies);
    boolean bearer = authorization != null && authorization.startsWith("Bearer ");
    return token.isEmpty()
        || isToken(bearer ? authorization.substring(7) : "")
        || (cookie.find() && isToken(cookie.group(1)));
  }

  /** Whether this is the token. */
  boolean isToken(String text) {
    return token.isPresent()
        && MessageDigest.isEqual(
            text.getBytes(StandardCharsets.UTF_8), token.get().getBytes(StandardCharsets.UTF_8));
  }

  /** The cookie that keeps the token in a browser; scripts and other sites do not get it. */
  String cookie() {
    return "%s=%s; Path=/; HttpOnly; SameSite=Strict".formatted(site, token.orElse(""));
  }
}
