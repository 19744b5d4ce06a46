/** The web page of a pair: what it is told, who may see it, and the server. */
package dev.pollux.cli.pair.web;
