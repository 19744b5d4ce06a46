package dev.pollux.backend.net.user;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Domain names as DNS writes them: labels behind their lengths (RFC 1035, 3.1). */
final class DnsNames {
  private static final int MAX_LABEL = 63;

  private DnsNames() {}

  /**
   * Writes names one behind the other, as many as fit.
   *
   * @param most bytes at the most
   */
  static byte[] encode(List<String> names, int most) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (String name : names) {
      ByteArrayOutputStream one = new ByteArrayOutputStream();
      for (String label : name.split("\\.", -1)) {
        byte[] bytes = label.getBytes(StandardCharsets.US_ASCII);
        int length = Math.min(bytes.length, MAX_LABEL);
        if (length > 0) {
          one.write(length);
          one.write(bytes, 0, length);
        }
      }
      one.write(0);
      if (all.size() + one.size() > most) {
        break;
      }
      all.writeBytes(one.toByteArray());
    }
    return all.toByteArray();
  }
}
