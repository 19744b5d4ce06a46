/**
 * The layout of a migration stream, which is QEMU's: a header, the configuration, sections, an end
 * mark and a description, with commands in between. All integers are big-endian.
 */
package dev.pollux.migration.stream;
