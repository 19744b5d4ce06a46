/** Pairs of machines: checkpoints, failover, faults. */
package dev.pollux.tests.colo;
