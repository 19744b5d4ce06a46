/** Guests to try Pollux with: fetched from a distribution, unpacked and made bootable here. */
package dev.pollux.cli.guest;
