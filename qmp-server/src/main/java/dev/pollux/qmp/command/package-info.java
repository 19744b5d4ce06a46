/**
 * The commands and events of QMP. A command is a record whose components are its arguments; a group
 * of them is a sealed interface, so that a new record in it is a new command, known to validation,
 * introspection, completion and the reference.
 */
package dev.pollux.qmp.command;
