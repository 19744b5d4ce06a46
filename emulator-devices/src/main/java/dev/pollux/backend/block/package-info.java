/**
 * The block layer: disks as devices see them ({@link dev.pollux.backend.block.BlockBackend}), and
 * the graph of nodes that they are made of ({@link dev.pollux.backend.block.BlockNode}).
 * docs/block-layer.md tells how the parts fit together.
 */
package dev.pollux.backend.block;
