/**
 * Disks of a pair: what the primary writes reaches the secondary's disk, and can be undone there as
 * far as the last checkpoint; what the secondary's guest writes is kept apart until it takes over.
 */
package dev.pollux.backend.block.replication;
