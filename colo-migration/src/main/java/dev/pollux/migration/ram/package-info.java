/**
 * Guest memory in a migration: which pages to send, how they are written, read and put in place.
 */
package dev.pollux.migration.ram;
