/**
 * A screen by the remote framebuffer protocol (RFC 6143, and the extensions of the community's "The
 * RFB Protocol"): {@code VncServer} listens, a {@code VncConnection} is one viewer.
 */
package dev.pollux.backend.vnc;
