/** What the emulator's own work costs, counted rather than timed. */
package dev.pollux.tests.speed;
