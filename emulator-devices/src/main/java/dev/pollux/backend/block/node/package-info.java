/** Nodes of the block graph that are no image formats: files, filters, and what tests need. */
package dev.pollux.backend.block.node;
