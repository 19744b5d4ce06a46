package dev.pollux.cli;

import dev.pollux.backend.vnc.VncHost;
import dev.pollux.backend.vnc.WebScreen;
import dev.pollux.backend.web.WebAccess;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.devices.model.ObjectManager;
import dev.pollux.devices.model.SecretObject;
import java.util.Optional;

/**
 * What {@code -display web} says.
 *
 * @param port 0 for any that is free
 * @param open whether everybody who can connect may see and use the screen
 * @param secret the object with the token; empty where it is made anew
 */
record WebDisplay(String host, int port, boolean open, Optional<String> secret) {
  static final String NAME = "web";

  /** Reads what {@code -display} says; empty for another display. */
  static Optional<WebDisplay> parse(String text) {
    if (!text.equals(NAME) && !text.startsWith(NAME + ",")) {
      return Optional.empty();
    }
    DeviceOptions web = DeviceOptions.parse("-display", text, "type");
    var _ = web.required("type");
    String address = web.string("addr", "127.0.0.1:0");
    Optional<String> secret = web.string("token-secret");
    boolean open = !web.bool("token", true);
    web.rejectUnknown();
    int colon = address.lastIndexOf(':');
    String port = address.substring(colon + 1);
    if (!port.matches("\\d{1,5}") || Integer.parseInt(port) > 65535) {
      throw web.error(
          "addr=%s: give PORT or HOST:PORT, for instance 127.0.0.1:6080".formatted(address));
    }
    if (open && secret.isPresent()) {
      throw web.error("token=off and token-secret= exclude each other; leave one out");
    }
    String host = colon < 1 ? "127.0.0.1" : address.substring(0, colon);
    return Optional.of(
        new WebDisplay(host.replaceAll("^\\[|\\]$", ""), Integer.parseInt(port), open, secret));
  }

  /** Shows a screen, and tells the user where. */
  WebScreen show(VncHost screen, ObjectManager objects) {
    Optional<String> token =
        open
            ? Optional.empty()
            : Optional.of(secret.map(id -> token(objects, id)).orElseGet(WebAccess::newToken));
    WebScreen shown = new WebScreen(host, port, token, screen);
    System.err.println("pollux: the screen is at " + shown.address());
    return shown;
  }

  private static String token(ObjectManager objects, String id) {
    String token = SecretObject.text(objects, id).strip();
    if (!token.matches("[A-Za-z0-9._~-]{8,256}")) {
      throw new ConfigException(
          "-display web,token-secret=%s: 8 to 256 letters, digits, '.', '_', '~' and '-' are to be"
                  .formatted(id)
              + " in it");
    }
    return token;
  }
}
