package dev.pollux.tests.silicon;

import dev.pollux.core.decode.Insn;

/**
 * An instruction that might be added to a sequence.
 *
 * @param setup instructions to be executed before it, so that its operands lie in the windows; may
 *     be empty
 * @param bytes the instruction
 * @param insn the same, decoded
 */
@SuppressWarnings("ArrayRecordComponent") // compared by nobody
record Candidate(byte[] setup, byte[] bytes, Insn insn) {}
