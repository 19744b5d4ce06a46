package dev.pollux.cli.pair;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.cli.pair.watch.PairView;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What Prometheus reads of a pair. */
class PairMetricsTest {
  @Test
  void pageHasWhatIsDocumented() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = free.getLocalPort();
    }
    JsonNode statistics =
        new ObjectMapper()
            .readTree(
                "{\"checkpoints\":7,\"causes\":[{\"cause\":\"timer\",\"checkpoints\":5}],"
                    + "\"median-stop\":2500,\"percentile99-stop\":9000,\"bytes\":4096,\"lag\":150}");
    try (PairMetrics metrics = new PairMetrics("127.0.0.1", port);
        HttpClient client = HttpClient.newHttpClient()) {
      metrics.event("failover", "", PairReport.details());
      metrics.event("failover", "", PairReport.details());
      metrics.progress(PairView.of("protected", statistics, statistics));
      URI page = URI.create("http://127.0.0.1:%d/metrics".formatted(port));
      String text =
          client.send(HttpRequest.newBuilder(page).build(), BodyHandlers.ofString()).body();
      for (String line :
          List.of(
              "pollux_pair_protected 1.0",
              "pollux_pair_events_total{event=\"failover\"} 2.0",
              "pollux_pair_checkpoints{side=\"primary\"} 7.0",
              "pollux_pair_checkpoint_causes{cause=\"timer\"} 5.0",
              "pollux_pair_stop_median_seconds{side=\"secondary\"} 0.0025",
              "pollux_pair_stop_p99_seconds{side=\"secondary\"} 0.009",
              "pollux_pair_bytes{side=\"primary\"} 4096.0",
              "pollux_pair_lag_seconds{side=\"secondary\"} 0.15")) {
        assertTrue(text.contains(line + "\n"), line + " is not in " + text);
      }
    }
  }
}
