/** The machine protocol and the human monitor. */
package dev.pollux.qmp;
