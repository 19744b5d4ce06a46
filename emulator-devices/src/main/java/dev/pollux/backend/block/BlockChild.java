package dev.pollux.backend.block;

/**
 * An edge of the block graph: the node that plays a part for another.
 *
 * @param role {@code file}, {@code backing}, {@code children.0}
 */
public record BlockChild(String role, BlockNode node) {}
