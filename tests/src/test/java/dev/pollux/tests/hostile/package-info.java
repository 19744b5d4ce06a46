/** Guests, peers and clients that mean harm, or are broken, and what they must not bring about. */
package dev.pollux.tests.hostile;
