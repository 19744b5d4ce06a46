package dev.pollux.tests.colo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.net.Namespace;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Clients of the service of {@code service.c}, each with one connection for all its life. */
final class ServiceClients implements AutoCloseable {
  private static final Pattern LAST = Pattern.compile("LAST (\\d+) (\\d+)");
  private static final Pattern ANSWERS = Pattern.compile("ANSWERS (\\d+) LONGEST (\\d+)");

  /** A client asks again up to so many ms after an answer: the guest is to have time for more. */
  private static final int THINK_MILLIS = Integer.getInteger("pollux.pair.think", 200);

  /** Seconds after which an answer is one that does not come. */
  private static final int PATIENCE = 60;

  private final Process process;
  private final BufferedReader output;

  /**
   * Starts clients, each of which has asked something.
   *
   * @param first number of the first client
   */
  ServiceClients(Namespace world, ManagedPair pair, int clients, int first) throws IOException {
    process =
        world.start(
            pair.service(),
            "drive",
            ManagedPair.ADDRESS,
            Integer.toString(clients),
            Integer.toString(first),
            Integer.toString(THINK_MILLIS),
            Integer.toString(PATIENCE));
    output =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.US_ASCII));
    String said = output.readLine();
    assertEquals("driving", said);
  }

  /** Each gets an answer to something that it asks from now on; what came so far was right. */
  void awaitRound() throws IOException {
    try {
      process.getOutputStream().write('r');
      process.getOutputStream().flush();
    } catch (IOException e) {
      // It has ended, and says why.
    }
    assertEquals("ROUND", output.readLine());
  }

  /**
   * What clients have seen in the end.
   *
   * @param last sequence numbers of the last answers, by client
   * @param answers of all
   * @param longest wait of one, in ms
   */
  record Result(Map<Integer, Long> last, long answers, long longest) {}

  /** Lets each get its last answer; all that they got was right. */
  Result end() throws IOException, InterruptedException {
    process.getOutputStream().close();
    List<String> said = output.readAllLines();
    assertTrue(process.waitFor(PATIENCE, TimeUnit.SECONDS), "clients do not end");
    assertEquals(0, process.exitValue(), () -> String.join("\n", said));
    Map<Integer, Long> last = new HashMap<>();
    Result result = new Result(last, 0, 0);
    for (String line : said) {
      Matcher matcher = LAST.matcher(line);
      if (matcher.matches()) {
        last.put(Integer.valueOf(matcher.group(1)), Long.valueOf(matcher.group(2)));
      }
      matcher = ANSWERS.matcher(line);
      if (matcher.matches()) {
        result =
            new Result(last, Long.parseLong(matcher.group(1)), Long.parseLong(matcher.group(2)));
      }
    }
    return result;
  }

  @Override
  public void close() {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }
}
