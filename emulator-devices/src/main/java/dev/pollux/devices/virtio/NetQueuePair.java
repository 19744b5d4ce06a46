package dev.pollux.devices.virtio;

import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Offloads;
import dev.pollux.core.machine.IoThread;
import java.util.concurrent.atomic.LongAdder;

/**
 * A receive queue, a send queue, and the cable that they are on. Both ways work under the I/O
 * thread's lock: sending on its thread; receiving on whichever thread brings frames, if it gets the
 * lock at once, and otherwise when the I/O thread asks for them.
 */
final class NetQueuePair implements NetEnd {
  private final VirtioNet card;
  private final NetLink link;
  private final NetControl control;
  private final IoThread io;
  private final int index;
  private final Virtqueue sendQueue;
  private final NetReceiver receiver;
  private final NetSender sender;
  private final IoThread.Kick wantsFrames;
  private final LongAdder notRunning;

  NetQueuePair(
      VirtioNet card,
      NetControl control,
      NetLink link,
      int index,
      Virtqueue receive,
      Virtqueue send) {
    this.card = card;
    this.control = control;
    this.link = link;
    this.index = index;
    this.io = card.ioThread();
    this.sendQueue = send;
    receiver = new NetReceiver(card, receive, control);
    sender = new NetSender(card, send, link);
    wantsFrames = io.kick(this::askForFrames);
    notRunning = card.drops().counter("the driver is not ready");
  }

  /** The guest has something to send. I/O thread's lock held. */
  void send() throws VirtioError {
    sender.send();
  }

  /** The guest has room. I/O thread's lock held. */
  void receive(Virtqueue queue) throws VirtioError {
    queue.wantNotifications(false);
    askForFrames();
  }

  /** Without the lock: frames come on other threads, too, and those need it. */
  private void askForFrames() {
    io.withoutLock(() -> link.ready(this));
  }

  @Override
  public int take(Frame[] frames, int count) {
    // Does not wait for the lock: its holder may be sending, and wait for this thread.
    if (!io.borrow()) {
      wantsFrames.raise();
      return 0;
    }
    try {
      if (io.isPaused()) {
        return 0;
      }
      if (!card.receives() || index >= control.pairs()) {
        notRunning.add(count);
        return count;
      }
      return receiver.take(frames, count);
    } finally {
      io.giveBack();
    }
  }

  @Override
  public void settle() {
    io.settle();
  }

  @Override
  public void resume() {
    sendQueue.kick();
  }

  @Override
  public Offloads offloads() {
    return control.offloads();
  }

  @Override
  public void linkChanged(boolean up) {
    if (index == 0) {
      card.linkChanged();
    }
  }
}
