/** The floppy controller of PCs, and its drives. */
package dev.pollux.devices.storage.floppy;
