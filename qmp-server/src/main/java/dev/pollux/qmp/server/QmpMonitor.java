package dev.pollux.qmp.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import dev.pollux.qmp.protocol.ClientMemory;
import dev.pollux.qmp.protocol.ErrorClass;
import dev.pollux.qmp.protocol.JsonWriter;
import dev.pollux.qmp.protocol.QmpCommands;
import dev.pollux.qmp.protocol.QmpMessages;
import dev.pollux.qmp.protocol.QmpSession;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A QMP monitor: a session for each client of its character device, one after the other.
 *
 * <p>What a client sends is kept back while too many of its commands wait, or too much that it has
 * not read. So replies find room; where events, or a reply out of proportion, find none, they are
 * lost, and the client hears so, in one error, when it has read what came before.
 */
final class QmpMonitor implements CharFrontEnd {
  private static final Logger log = LoggerFactory.getLogger(QmpMonitor.class);
  private static final int CHUNK = 4096;

  private static final int FLUSH_MILLIS = 500;

  private final QmpCommands commands;
  private final ClientMemory memory;
  private final CharBackend backend;
  private final boolean pretty;
  private final int mostOutput;
  private final Executor thread;

  /** Input that waits for room in the session's queue. Monitor's thread. */
  private byte[] held = {};

  private volatile QmpSession session;

  /** Guarded by itself, like the fields below. */
  private final Object outputLock = new Object();

  private final ArrayDeque<byte[]> output = new ArrayDeque<>();
  private long outputBytes;

  /** Bytes of the first line that are written. */
  private int written;

  private boolean waitsForRoom;

  /** Messages found no room; the client has yet to hear of it. */
  private boolean lost;

  /** Input is kept back until the client has read more. */
  private boolean behind;

  /**
   * @param memory for requests
   * @param mostOutput bytes that wait for a client that does not read; with half of it waiting,
   *     none of its commands is taken
   * @param thread the monitor's
   */
  QmpMonitor(
      QmpCommands commands,
      ClientMemory memory,
      CharBackend backend,
      boolean pretty,
      int mostOutput,
      Executor thread) {
    this.commands = commands;
    this.memory = memory;
    this.backend = backend;
    this.pretty = pretty;
    this.mostOutput = mostOutput;
    this.thread = thread;
  }

  void attach() {
    backend.attach(this, thread);
  }

  void event(ObjectNode event) {
    QmpSession client = session;
    if (client != null) {
      client.event(event);
    }
  }

  @Override
  public int canReceive() {
    return session == null || held.length > 0 || isBehind() ? 0 : CHUNK;
  }

  private boolean isBehind() {
    synchronized (outputLock) {
      behind = lost || outputBytes > mostOutput / 2;
      return behind;
    }
  }

  @Override
  public void receive(byte[] bytes, int offset, int length) {
    QmpSession client = session;
    if (client == null) {
      return;
    }
    int taken = client.feed(bytes, offset, length);
    held = new byte[length - taken];
    System.arraycopy(bytes, offset + taken, held, 0, held.length);
  }

  /** There is room in the session's queue again, or the client has read. Any thread. */
  private void resume(QmpSession client) {
    thread.execute(
        () -> {
          if (client == null || client != session || isBehind()) {
            return;
          }
          byte[] more = held;
          receive(more, 0, more.length);
          if (held.length == 0) {
            backend.acceptInput();
          }
        });
  }

  @Override
  public boolean isConversation() {
    return true;
  }

  @Override
  public void event(CharEvent event) {
    switch (event) {
      case OPENED -> open();
      case CLOSED -> end();
      case BREAK, MUX_IN, MUX_OUT -> {}
    }
  }

  private void open() {
    end();
    QmpSession[] client = new QmpSession[1];
    client[0] =
        new QmpSession(
            commands, true, memory, message -> send(client[0], message), () -> resume(client[0]));
    session = client[0];
    client[0].start();
    backend.acceptInput();
  }

  private void end() {
    if (session != null) {
      session.close();
    }
    held = new byte[0];
    synchronized (outputLock) {
      session = null;
      output.clear();
      outputBytes = 0;
      written = 0;
      lost = false;
    }
  }

  /** Any thread; nothing for a client that has left reaches the next. */
  private void send(QmpSession client, ObjectNode message) {
    Optional<byte[]> line = JsonWriter.line(message, pretty, mostOutput);
    synchronized (outputLock) {
      if (client != session) {
        return;
      }
      if (!lost && line.isPresent() && outputBytes + line.get().length <= mostOutput) {
        add(line.get());
      } else if (!lost) {
        lost = true;
        log.warn("QMP client of {} does not read; messages to it are lost", backend.id());
      }
      flush();
    }
  }

  private void add(byte[] line) {
    output.add(line);
    outputBytes += line.length;
  }

  private void flush() {
    while (!waitsForRoom && (lost || !output.isEmpty())) {
      if (output.isEmpty()) {
        lost = false;
        add(JsonWriter.line(lostMessage(), pretty, mostOutput).orElseThrow());
      }
      byte[] line = output.peek();
      written += backend.write(line, written, line.length - written);
      if (written == line.length) {
        output.poll();
        outputBytes -= line.length;
        written = 0;
      } else {
        waitsForRoom = true;
        backend.whenWritable(this::writeMore);
      }
    }
    if (behind && !lost && outputBytes <= mostOutput / 2) {
      behind = false;
      resume(session);
    }
  }

  private ObjectNode lostMessage() {
    return QmpMessages.failure(
        ErrorClass.GENERIC_ERROR,
        "Messages were lost: more than %d bytes would have waited to be read".formatted(mostOutput),
        null);
  }

  private void writeMore() {
    synchronized (outputLock) {
      waitsForRoom = false;
      flush();
    }
  }

  void close() {
    backend.flush(FLUSH_MILLIS);
    backend.detach();
    end();
  }
}
