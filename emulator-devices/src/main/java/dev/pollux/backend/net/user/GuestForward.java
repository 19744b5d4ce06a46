package dev.pollux.backend.net.user;

import dev.pollux.core.config.DeviceOptions;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * An address in the guest's network behind which a program of the host answers: {@code
 * tcp:10.0.2.100:1234-cmd:/bin/cat}. Each connection starts the program anew.
 *
 * @param server the address as the guest sees it, {@code port} its port
 * @param command for the shell; its standard input and output are the connection
 */
record GuestForward(Ip server, int port, String command) {
  private static final Pattern FORM =
      Pattern.compile("(?:tcp:)?([0-9]{1,3}(?:\\.[0-9]{1,3}){3}):([0-9]{1,5})-(.*)");

  static GuestForward parse(DeviceOptions o, String text) {
    Matcher form = FORM.matcher(text);
    if (!form.matches() || Integer.parseInt(form.group(2)) > 65535) {
      throw o.error(
          "Invalid guest forwarding rule '%s'; they look like tcp:10.0.2.100:1234-cmd:COMMAND"
              .formatted(text));
    }
    String target = form.group(3);
    if (!target.startsWith("cmd:") || target.length() == 4) {
      throw o.error("guestfwd '%s': only cmd:COMMAND is supported as a target".formatted(text));
    }
    return new GuestForward(
        ip(form.group(1)), Integer.parseInt(form.group(2)), target.substring(4));
  }

  private static Ip ip(String text) {
    int value = 0;
    for (String part : text.split("\\.", -1)) {
      value = value << 8 | Integer.parseInt(part) & 0xff;
    }
    return Ip.v4(value);
  }
}
