/**
 * A typed x86 assembler for 16-, 32- and 64-bit code: the emitter of generated code and test
 * guests.
 */
package dev.pollux.core.jit.asm;
