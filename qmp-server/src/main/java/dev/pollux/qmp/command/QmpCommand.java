package dev.pollux.qmp.command;

import dev.pollux.qmp.protocol.QmpException;

/**
 * A command with its arguments. Its record implements the sealed interface of its group; the type
 * that its {@code run} returns is its reply, {@link Void} for an empty one. A command that takes
 * its time does so on a thread of its own, or in steps, and returns a {@link
 * java.util.concurrent.CompletableFuture} of its reply: the client's next command waits for it, the
 * machine and other clients do not.
 *
 * @param <R> the reply
 */
public interface QmpCommand<R> {
  /**
   * Runs the command: on the machine's event loop with the machine lock held, or, where it is
   * marked {@link dev.pollux.qmp.schema.Qmp.OutOfBand} and sent with {@code exec-oob}, on the
   * monitor's thread without it.
   *
   * @throws QmpException with the error the client gets
   */
  R run(QmpContext context) throws QmpException;
}
