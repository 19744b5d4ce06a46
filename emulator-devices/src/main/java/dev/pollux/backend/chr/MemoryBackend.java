package dev.pollux.backend.chr;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** A back end without a host behind it: the test types and reads. */
public final class MemoryBackend extends QueuedBackend {
  private final ByteArrayOutputStream written = new ByteArrayOutputStream();
  private Runnable whenWritable;
  private int room = Integer.MAX_VALUE;

  public MemoryBackend(String id) {
    super(id);
    input.open();
  }

  @Override
  public String describe() {
    return "memory";
  }

  /** What the front end sees typed; returns how many characters found room. */
  public int type(String text) {
    return type(text.getBytes(StandardCharsets.ISO_8859_1));
  }

  public int type(byte[] bytes) {
    return input.offer(bytes, 0, bytes.length);
  }

  public void event(CharEvent event) {
    input.event(event);
  }

  /** Lets the far end come or go. */
  public void setConnected(boolean connected) {
    if (connected) {
      input.open();
    } else {
      input.close();
    }
  }

  /** Takes only this many more bytes of output. */
  public void setRoom(int bytes) {
    Runnable tell;
    synchronized (this) {
      room = bytes;
      tell = bytes > 0 ? whenWritable : null;
      whenWritable = tell == null ? whenWritable : null;
    }
    if (tell != null) {
      input.runForFrontEnd(tell);
    }
  }

  /** Takes all that was written so far, one character per byte. */
  public synchronized String takeOutput() {
    String text = written.toString(StandardCharsets.ISO_8859_1);
    written.reset();
    return text;
  }

  @Override
  public synchronized int write(byte[] from, int offset, int length) {
    int n = Math.min(length, room);
    room -= room == Integer.MAX_VALUE ? 0 : n;
    written.write(from, offset, n);
    return n;
  }

  @Override
  public void whenWritable(Runnable action) {
    synchronized (this) {
      if (room == 0) {
        whenWritable = action;
        return;
      }
    }
    input.runForFrontEnd(action);
  }

  @Override
  public void close() {
    input.close();
  }
}
