package dev.pollux.core.interp;

import dev.pollux.core.decode.Insn;

/** One decoded instruction, ready to execute: what runs in a block before its end. */
abstract class Node {
  abstract void execute(Interpreter cpu);

  /** A node of the same class, of a template, for an instruction. */
  Node create(Insn insn) {
    throw new IllegalStateException("not a template: " + insn);
  }

  /** An instruction with its shared handler. */
  static final class Handled extends Node {
    private final InsnHandler handler;
    private final Insn insn;

    Handled(InsnHandler handler, Insn insn) {
      this.handler = handler;
      this.insn = insn;
    }

    @Override
    void execute(Interpreter cpu) {
      handler.execute(cpu, insn);
    }
  }

  /** A system instruction that does not end its block. */
  static final class SystemInsn extends Node {
    private final InsnHandler handler;
    private final Insn insn;

    SystemInsn(InsnHandler handler, Insn insn) {
      this.handler = handler;
      this.insn = insn;
    }

    @Override
    void execute(Interpreter cpu) {
      cpu.executeSystem(handler, insn);
    }
  }

  /**
   * Stands in a block that was dropped while it executes: leaves it behind the instruction that was
   * executed last.
   */
  static final Node LEAVE =
      new Node() {
        @Override
        void execute(Interpreter cpu) {
          throw BlockExit.DROPPED;
        }
      };
}
