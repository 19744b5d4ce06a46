package dev.pollux.qmp.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import dev.pollux.qmp.protocol.JsonWriter;
import dev.pollux.qmp.protocol.QmpCommands;
import dev.pollux.qmp.protocol.QmpSession;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A QMP monitor: a session for each client of its character device, one after the other.
 *
 * <p>What a client sends is kept back while too many of its commands wait. What it does not read is
 * kept for it up to a limit; a client beyond that gets no more until it has read all.
 */
final class QmpMonitor implements CharFrontEnd {
  private static final Logger log = LoggerFactory.getLogger(QmpMonitor.class);
  private static final int CHUNK = 4096;

  /** Bytes that wait for a client that does not read. */
  private static final int MOST_OUTPUT = 64 << 20;

  private static final int FLUSH_MILLIS = 500;

  private final QmpCommands commands;
  private final CharBackend backend;
  private final boolean pretty;
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
  private boolean overrun;

  /**
   * @param thread the monitor's
   */
  QmpMonitor(QmpCommands commands, CharBackend backend, boolean pretty, Executor thread) {
    this.commands = commands;
    this.backend = backend;
    this.pretty = pretty;
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
    return session == null || held.length > 0 ? 0 : CHUNK;
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

  /** There is room in the session's queue again. Any thread. */
  private void resume(QmpSession client) {
    thread.execute(
        () -> {
          if (client == session && held.length > 0) {
            byte[] more = held;
            receive(more, 0, more.length);
            if (held.length == 0) {
              backend.acceptInput();
            }
          }
        });
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
    client[0] = new QmpSession(commands, true, this::send, () -> resume(client[0]));
    session = client[0];
    client[0].start();
    backend.acceptInput();
  }

  private void end() {
    if (session != null) {
      session.close();
      session = null;
    }
    held = new byte[0];
    synchronized (outputLock) {
      output.clear();
      outputBytes = 0;
      written = 0;
      overrun = false;
    }
  }

  private void send(ObjectNode message) {
    byte[] line = (JsonWriter.write(message, pretty) + "\r\n").getBytes(StandardCharsets.US_ASCII);
    synchronized (outputLock) {
      if (overrun) {
        return;
      }
      if (outputBytes + line.length > MOST_OUTPUT) {
        overrun = true;
        log.warn("QMP client of {} does not read; messages to it are lost", backend.id());
        return;
      }
      output.add(line);
      outputBytes += line.length;
      flush();
    }
  }

  private void flush() {
    while (!waitsForRoom && !output.isEmpty()) {
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
