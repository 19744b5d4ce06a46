package dev.pollux.devices.virtio;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollux.core.bus.AddressSpace;
import dev.pollux.devices.model.DeviceNode;
import dev.pollux.devices.pci.PciConfig;
import dev.pollux.devices.pci.PciFixture;
import dev.pollux.devices.pci.PciFunction;
import java.util.Arrays;

/**
 * A driver of a modern device on PCI with several split rings of eight entries: one request at a
 * time in each queue, of two descriptors, what the device reads and what it writes.
 */
public final class QueueDriver {
  private static final long BAR = 0xc000_0000L;
  private static final long RINGS = 0x1_0000;
  private static final long RING_BYTES = 0x1000;
  private static final long BUFFERS = 0x10_0000;
  private static final int BUFFER = 0x1_0000;
  private static final int SIZE = 8;
  private static final int NEXT = 1;
  private static final int WRITE = 2;

  private final PciFixture pci;
  private final AddressSpace memory;
  private final int[] made;

  /** Starts a device with features and its first queues; the machine runs afterwards. */
  public QueueDriver(PciFixture pci, DeviceNode node, long features, int queues) {
    this.pci = pci;
    this.memory = pci.machine.memory();
    this.made = new int[queues];
    PciFunction function = PciFixture.function(node);
    pci.machine.lock().lock();
    try {
      pci.machine.start();
      function.write(PciConfig.BAR0 + 16, 4, (int) BAR);
      function.write(PciConfig.COMMAND, 2, 7);
    } finally {
      pci.machine.lock().unlock();
    }
    start(features);
  }

  /** Resets the device and starts it anew. */
  public void start(long features) {
    write(0x14, 1, 0);
    assertEquals(0, status());
    Arrays.fill(made, 0);
    write(0x14, 1, 3);
    for (int half = 0; half < 2; half++) {
      write(0x08, 4, half);
      write(0x0c, 4, (features | VirtioFeature.VERSION_1) >>> half * 32);
    }
    write(0x14, 1, 0xb);
    assertEquals(0xb, status(), "features accepted");
    for (int queue = 0; queue < made.length; queue++) {
      long at = ring(queue);
      memory.write(at, new byte[(int) RING_BYTES], 0, (int) RING_BYTES);
      write(0x16, 2, queue);
      write(0x18, 2, SIZE);
      area(0x20, at);
      area(0x28, at + 0x400);
      area(0x30, at + 0x800);
      write(0x1c, 2, 1);
    }
    write(0x14, 1, 0xf);
  }

  private static long ring(int queue) {
    return RINGS + queue * RING_BYTES;
  }

  /** Where the buffers of a queue are: what the device reads, then what it writes. */
  public static long buffer(int queue) {
    return BUFFERS + queue * 2L * BUFFER;
  }

  private void area(long register, long address) {
    write(register, 4, address);
    write(register + 4, 4, address >>> 32);
  }

  public void write(long offset, int bytes, long value) {
    memory.write(BAR + offset, bytes, value);
  }

  public long read(long offset, int bytes) {
    return memory.read(BAR + offset, bytes);
  }

  /** A field of the device's configuration. */
  public long config(int offset, int bytes) {
    return read(0x2000 + offset, bytes);
  }

  public int status() {
    return (int) read(0x14, 1);
  }

  /** Makes a request available: bytes for the device, and room for an answer. */
  public void offer(int queue, byte[] request, int room) {
    long at = ring(queue);
    int slot = made[queue] % (SIZE / 2) * 2;
    memory.write(buffer(queue), request, 0, request.length);
    int head = slot;
    if (request.length > 0) {
      descriptor(at, slot, buffer(queue), request.length, room > 0 ? NEXT : 0, slot + 1);
    } else {
      head = slot + 1;
    }
    descriptor(at, slot + 1, buffer(queue) + BUFFER, room, WRITE, 0);
    memory.write(at + 0x404 + 2L * (made[queue] % SIZE), 2, head);
    made[queue] = made[queue] + 1 & 0xffff;
    memory.write(at + 0x402, 2, made[queue]);
    kick(queue);
  }

  private void descriptor(long ring, int index, long address, int length, int flags, int next) {
    memory.write(ring + 16L * index, 8, address);
    memory.write(ring + 16L * index + 8, 4, length);
    memory.write(ring + 16L * index + 12, 2, flags);
    memory.write(ring + 16L * index + 14, 2, next);
  }

  public void kick(int queue) {
    write(0x3000 + 4L * queue, 2, queue);
  }

  /** How many requests the device has given back. */
  public int used(int queue) {
    return (int) memory.read(ring(queue) + 0x802, 2);
  }

  /** Waits for the answer to the request that was offered last. */
  public byte[] answer(int queue) {
    pci.await(() -> used(queue) == made[queue], "queue " + queue + " to be done");
    long entry = ring(queue) + 0x804 + 8L * (made[queue] - 1 & SIZE - 1);
    byte[] bytes = new byte[(int) memory.read(entry + 4, 4)];
    memory.read(buffer(queue) + BUFFER, bytes, 0, bytes.length);
    return bytes;
  }

  /** Offers a request and waits for the answer. */
  public byte[] ask(int queue, byte[] request, int room) {
    offer(queue, request, room);
    return answer(queue);
  }

  /** Waits until the device asks for a reset. */
  public void awaitNeedsReset() {
    pci.await(() -> (status() & 0x40) != 0, "the device to ask for a reset");
  }
}
