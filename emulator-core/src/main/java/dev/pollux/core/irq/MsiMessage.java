package dev.pollux.core.irq;

/**
 * A message-signalled interrupt: a 32-bit write to a guest-physical address (Intel SDM vol. 3,
 * 11.11).
 */
public record MsiMessage(long address, int data) {}
