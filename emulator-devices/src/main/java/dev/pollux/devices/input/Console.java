package dev.pollux.devices.input;

/**
 * A screen that keyboards and pointers may belong to.
 *
 * @param device the name that the user gave to what shows it
 * @param head which screen of it, 0 for the first
 */
public record Console(String device, int head) {}
