/** CPU, guest memory, buses, clocks and saved state of the emulator; knows no device. */
package dev.pollux.core;
