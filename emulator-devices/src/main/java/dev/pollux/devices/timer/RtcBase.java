package dev.pollux.devices.timer;

import dev.pollux.core.clock.ClockType;

/**
 * What a real-time clock starts from and runs on ({@code -rtc base=...,clock=...}).
 *
 * @param startSeconds the time it shows at power-on, as seconds since 1970 of the calendar shown (a
 *     local time is counted as if it were UTC)
 * @param clock the clock that it follows
 */
public record RtcBase(long startSeconds, ClockType clock) {}
