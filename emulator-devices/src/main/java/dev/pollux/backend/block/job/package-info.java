/**
 * Jobs on the block graph, which take their time while the guest runs: mirror, backup, commit and
 * stream. A job works on a thread of its own; its status changes, and the graph with it, on the
 * event loop with the machine lock held.
 */
package dev.pollux.backend.block.job;
