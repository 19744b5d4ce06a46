package dev.pollux.cli.pair.web;

import dev.pollux.backend.web.WebRequest;
import dev.pollux.backend.web.WebSite;
import dev.pollux.cli.pair.watch.PairControls;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** What is at the paths of a pair's server. */
final class PairSite implements WebSite {
  private static final long ANSWER_SECONDS = 5;

  /** Things to do, by the path of a POST. */
  private static final Map<String, Deed> DEEDS =
      Map.of(
          "/type",
          (pair, keys) -> CompletableFuture.completedFuture(pair.type(keys)),
          "/failover",
          (pair, _) -> pair.failover(),
          "/resync",
          (pair, _) -> pair.resync());

  private final PairWeb web;

  /** What a visitor may do; the answer is why it was not done. */
  private interface Deed {
    CompletableFuture<String> begin(PairControls pair, byte[] content);
  }

  PairSite(PairWeb web) {
    this.web = web;
  }

  @Override
  public void serve(WebRequest request, String path) {
    boolean reads = request.is(HttpMethod.GET);
    Optional<Deed> deed =
        Optional.ofNullable(DEEDS.get(path)).filter(_ -> request.is(HttpMethod.POST));
    if (reads && path.equals("/")) {
      request.answerPage();
    } else if (reads && path.equals("/events")) {
      listen(request);
    } else if (deed.isPresent()) {
      act(request, deed.get());
    } else {
      request.answer(HttpResponseStatus.NOT_FOUND, "there is nothing");
    }
  }

  private void listen(WebRequest request) {
    if (!web.hasRoom()) {
      request.answer(HttpResponseStatus.SERVICE_UNAVAILABLE, "too many pages are open");
      return;
    }
    web.listen(request.answerStream("text/event-stream; charset=utf-8"));
  }

  private void act(WebRequest request, Deed deed) {
    if (web.pair().isEmpty()) {
      request.answer(HttpResponseStatus.CONFLICT, "the pair is being started");
      return;
    }
    var _ =
        deed.begin(web.pair().get(), request.content())
            .completeOnTimeout("no answer in time", ANSWER_SECONDS, TimeUnit.SECONDS)
            .whenCompleteAsync(
                (why, error) -> {
                  String told = error == null ? why : String.valueOf(error.getMessage());
                  request.answer(
                      told.isEmpty() ? HttpResponseStatus.OK : HttpResponseStatus.CONFLICT, told);
                },
                request.executor());
  }
}
