package dev.pollux.cli.pair;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.cli.pair.watch.PairView;
import dev.pollux.cli.pair.watch.PairWatcher;
import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.exporter.httpserver.HTTPServer;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.net.InetAddress;

/** The page {@code /metrics} of a pair, for Prometheus. Any thread. */
public final class PairMetrics implements PairWatcher {
  private static final String SIDE = "side";
  private static final double MILLIS = 1e3;
  private static final double MICROS = 1e6;

  private final PrometheusRegistry registry = new PrometheusRegistry();
  private final Counter events =
      Counter.builder()
          .name("pollux_pair_events_total")
          .help("What has happened, by the names of --json.")
          .labelNames("event")
          .register(registry);
  private final Gauge isProtected =
      Gauge.builder()
          .name("pollux_pair_protected")
          .help("1 while another side would go on.")
          .register(registry);
  private final Gauge checkpoints =
      gauge("pollux_pair_checkpoints", "Checkpoints of the present pair that are complete.");
  private final Gauge medianStop =
      gauge("pollux_pair_stop_median_seconds", "Half of the guest's stops were shorter.");
  private final Gauge longStop =
      gauge("pollux_pair_stop_p99_seconds", "99 of 100 stops were shorter.");
  private final Gauge bytes = gauge("pollux_pair_bytes", "Sent or received for checkpoints.");
  private final Gauge lag = gauge("pollux_pair_lag_seconds", "Since the last checkpoint.");
  private final Gauge causes =
      Gauge.builder()
          .name("pollux_pair_checkpoint_causes")
          .help("What checkpoints of the present pair were for.")
          .labelNames("cause")
          .register(registry);
  private final HTTPServer server;

  /** Serves the page. */
  public PairMetrics(String host, int port) throws IOException {
    server =
        HTTPServer.builder()
            .inetAddress(InetAddress.getByName(host))
            .port(port)
            .registry(registry)
            .buildAndStart();
  }

  private Gauge gauge(String name, String help) {
    return Gauge.builder().name(name).help(help).labelNames(SIDE).register(registry);
  }

  @Override
  public void event(String event, String sentence, ObjectNode details) {
    events.labelValues(event).inc();
  }

  @Override
  public void progress(PairView view) {
    isProtected.set(view.primary().isEmpty() ? 0 : 1);
    side("primary", view.primary());
    side("secondary", view.secondary());
    for (JsonNode cause : view.primary().path("causes")) {
      causes.labelValues(cause.path("cause").asText()).set(cause.path("checkpoints").asDouble());
    }
  }

  private void side(String name, JsonNode statistics) {
    checkpoints.labelValues(name).set(statistics.path("checkpoints").asDouble());
    medianStop.labelValues(name).set(statistics.path("median-stop").asDouble() / MICROS);
    longStop.labelValues(name).set(statistics.path("percentile99-stop").asDouble() / MICROS);
    bytes.labelValues(name).set(statistics.path("bytes").asDouble());
    lag.labelValues(name).set(statistics.path("lag").asDouble() / MILLIS);
  }

  @Override
  public void close() {
    server.close();
  }
}
