/**
 * Pages for browsers: {@code WebServer} listens, {@code WebAccess} says who may, a {@code WebSite}
 * is what is there.
 */
package dev.pollux.backend.web;
