/** Guests that move between processes while they work. */
package dev.pollux.tests.migration;
