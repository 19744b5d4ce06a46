/** Disks of Linux guests, compared with what the host finds in their images. */
package dev.pollux.tests.disk;
