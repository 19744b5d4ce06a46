package dev.pollux.backend.chr;

import dev.pollux.core.config.ConfigException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A back end whose output is also written to a file. */
final class LoggingBackend implements CharBackend {
  private static final Logger logger = LoggerFactory.getLogger(LoggingBackend.class);

  private final CharBackend to;
  private FileOutputStream log;

  LoggingBackend(CharBackend to, String file, boolean append) {
    this.to = to;
    try {
      log = new FileOutputStream(file, append);
    } catch (IOException e) {
      to.close();
      throw new ConfigException(
          "chardev " + to.id() + ": cannot open logfile: " + e.getMessage(), e);
    }
  }

  /** The back end whose output is written. */
  CharBackend inner() {
    return to;
  }

  @Override
  public synchronized int write(byte[] from, int offset, int length) {
    int n = to.write(from, offset, length);
    log(from, offset, n);
    return n;
  }

  private void log(byte[] from, int offset, int length) {
    if (log != null) {
      try {
        log.write(from, offset, length);
      } catch (IOException e) {
        logger.warn("chardev {}: logfile ends: {}", id(), e.getMessage());
        log = null;
      }
    }
  }

  @Override
  public synchronized boolean writeWhole(byte[] message) {
    boolean taken = to.writeWhole(message);
    if (taken) {
      log(message, 0, message.length);
    }
    return taken;
  }

  @Override
  public String id() {
    return to.id();
  }

  @Override
  public String describe() {
    return to.describe();
  }

  @Override
  public boolean isConnected() {
    return to.isConnected();
  }

  @Override
  public boolean isAttached() {
    return to.isAttached();
  }

  @Override
  public boolean isSocket() {
    return to.isSocket();
  }

  @Override
  public void attach(CharFrontEnd frontEnd, Executor executor) {
    to.attach(frontEnd, executor);
  }

  @Override
  public void detach() {
    to.detach();
  }

  @Override
  public void acceptInput() {
    to.acceptInput();
  }

  @Override
  public void whenWritable(Runnable action) {
    to.whenWritable(action);
  }

  @Override
  public void flush(int milliseconds) {
    to.flush(milliseconds);
  }

  @Override
  public synchronized void close() {
    to.close();
    try {
      if (log != null) {
        log.close();
      }
    } catch (IOException e) {
      logger.warn("chardev {}: logfile: {}", id(), e.getMessage());
    }
  }
}
