package dev.pollux.backend.web;

/** What a server has at its paths. */
@FunctionalInterface
public interface WebSite {
  /**
   * Answers a request whose sender may have an answer, now or later. On the server's thread.
   *
   * @param path without the query
   */
  void serve(WebRequest request, String path);
}
