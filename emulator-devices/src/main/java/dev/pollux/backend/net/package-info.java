/**
 * Networks of guests: back ends ({@code -netdev}), the link between a back end and a network card,
 * filters on it. {@code docs/networks.md} has the picture and the rules of threads.
 */
package dev.pollux.backend.net;
