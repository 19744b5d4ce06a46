/**
 * Flash memory as firmware keeps itself and its variables in, and the image on the host that holds
 * its contents.
 */
package dev.pollux.devices.storage.flash;
