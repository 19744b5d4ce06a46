package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;

/**
 * What an instruction does in the interpreter. Handlers are stateless and shared by all vCPUs;
 * {@link HandlerTable} binds them to opcodes.
 *
 * <p>A handler throws {@link Interpreter#fault} before it has changed any architectural state, so
 * that the instruction can be restarted. It need not advance RIP. How much of RIP and RFLAGS is up
 * to date in the state block depends on how it was bound: see {@link HandlerTable#bind} and {@link
 * HandlerTable#bindSystem}.
 */
@FunctionalInterface
public interface InsnHandler {
  void execute(Interpreter cpu, Insn insn);
}
