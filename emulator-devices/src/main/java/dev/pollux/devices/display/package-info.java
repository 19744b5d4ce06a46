/** Graphics cards, and what they show. */
package dev.pollux.devices.display;
