package dev.pollux.core.config;

/**
 * A string that may be null.
 *
 * @param value empty for null
 */
public record StrOrNull(String value) {}
