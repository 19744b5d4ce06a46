/** The graph of nodes: how it is described, opened, changed and taken apart. */
package dev.pollux.backend.block.graph;
