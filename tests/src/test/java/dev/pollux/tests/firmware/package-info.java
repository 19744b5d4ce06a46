/** Machines that begin with firmware. */
package dev.pollux.tests.firmware;
