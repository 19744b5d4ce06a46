/** Disks and disc drives that speak ATA, and the controllers they hang on. */
package dev.pollux.devices.storage.ide;
