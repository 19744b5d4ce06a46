package dev.pollux.devices.virtio;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.machine.IoThread;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;

/**
 * A queue of a device: what its transport sets up, and how far device and driver have come. The I/O
 * thread's lock guards everything; who changes the setup holds the machine lock too.
 */
public final class Virtqueue {
  static final StateDescriptor<Virtqueue> STATE =
      StateDescriptor.of(Virtqueue.class, "virtqueue", 1)
          .u16("size", q -> q.size, Virtqueue::setSize)
          .bool("enabled", q -> q.enabled, (q, v) -> q.enabled = v)
          .u64("descriptor-area", q -> q.descriptorArea, (q, v) -> q.descriptorArea = v)
          .u64("driver-area", q -> q.driverArea, (q, v) -> q.driverArea = v)
          .u64("device-area", q -> q.deviceArea, (q, v) -> q.deviceArea = v)
          .u16("next-available", q -> q.nextAvailable, (q, v) -> q.nextAvailable = v)
          .u16("next-used", q -> q.nextUsed, (q, v) -> q.nextUsed = v)
          .bool("available-wrap", q -> q.availableWrap, (q, v) -> q.availableWrap = v)
          .bool("used-wrap", q -> q.usedWrap, (q, v) -> q.usedWrap = v)
          .u16("signalled", q -> q.signalled, (q, v) -> q.signalled = v)
          .bool("signalled-valid", q -> q.signalledValid, (q, v) -> q.signalledValid = v)
          .afterLoad(q -> q.ring = null);

  private final VirtioDevice device;

  @HostOnly("fixed by the device")
  private final int index;

  @HostOnly("fixed by the device")
  private final int maxSize;

  private final GuestMemory memory;
  private final IoThread.Kick kick;

  private int size;
  private boolean enabled;
  private long descriptorArea;
  private long driverArea;
  private long deviceArea;

  int nextAvailable;
  int nextUsed;
  boolean availableWrap = true;
  boolean usedWrap = true;
  int signalled;
  boolean signalledValid;

  @HostOnly("popped and not pushed; none while the machine is stopped")
  private int inFlight;

  @HostOnly("where the ring was found, made anew when it is needed")
  private Ring ring;

  @HostOnly("the memory layout in which it was found")
  private Object ringView;

  Virtqueue(VirtioDevice device, int index, int maxSize, GuestMemory memory, IoThread io) {
    this.device = device;
    this.index = index;
    this.maxSize = maxSize;
    this.size = maxSize;
    this.memory = memory;
    this.kick = io.kick(this::kicked);
  }

  public int index() {
    return index;
  }

  /** Entries at most. */
  public int maxSize() {
    return maxSize;
  }

  public int size() {
    return size;
  }

  /** Sets the number of entries; what cannot be leaves it as it is. */
  public void setSize(int entries) {
    if (entries > 0 && entries <= maxSize) {
      size = entries;
      ring = null;
    }
  }

  public boolean isEnabled() {
    return enabled;
  }

  public long descriptorArea() {
    return descriptorArea;
  }

  public long driverArea() {
    return driverArea;
  }

  public long deviceArea() {
    return deviceArea;
  }

  /** Says where the areas are, as guest-physical addresses. */
  public void setAreas(long descriptors, long driver, long deviceSide) {
    descriptorArea = descriptors;
    driverArea = driver;
    deviceArea = deviceSide;
    ring = null;
  }

  public void setEnabled(boolean on) {
    enabled = on;
    ring = null;
  }

  void reset() {
    size = maxSize;
    enabled = false;
    setAreas(0, 0, 0);
    nextAvailable = 0;
    nextUsed = 0;
    availableWrap = true;
    usedWrap = true;
    signalled = 0;
    signalledValid = false;
    inFlight = 0;
  }

  boolean isIdle() {
    return inFlight == 0;
  }

  /** The driver says that there is something, or somebody wants it looked at. Any thread. */
  public void kick() {
    kick.raise();
  }

  private void kicked() {
    device.kicked(this);
  }

  private Ring ring() throws VirtioError {
    Object view = device.memoryView();
    if (ring == null || !view.equals(ringView)) {
      boolean events = device.has(VirtioFeature.EVENT_INDEX);
      ring =
          device.has(VirtioFeature.PACKED_RING)
              ? new PackedRing(this, memory, events)
              : new SplitRing(this, memory, events);
      ringView = view;
    }
    return ring;
  }

  /** Whether the driver has made something available. */
  public boolean hasMore() throws VirtioError {
    return enabled && ring().isAvailable();
  }

  /** Takes the next request; null if there is none. It is given back with {@link #push}. */
  public DescriptorChain pop() throws VirtioError {
    if (!hasMore()) {
      return null;
    }
    DescriptorChain chain = ring().pop();
    inFlight++;
    return chain;
  }

  /**
   * Lets go of a popped request without giving it back: the device keeps it, as one that the
   * specification lets it keep, and saves its {@link DescriptorChain#position}.
   */
  public void keep(DescriptorChain chain) {
    inFlight--;
  }

  /** Takes up a request again that was kept, perhaps before a migration. */
  public DescriptorChain reopen(int position) throws VirtioError {
    DescriptorChain chain = ring().reopen(position);
    inFlight++;
    return chain;
  }

  /** Gives a request back that was kept, unanswered, and interrupts the driver if it wants that. */
  public void giveBack(int position) {
    try {
      push(reopen(position), 0);
      signal();
    } catch (VirtioError e) {
      device.fail(e.getMessage());
    }
  }

  /**
   * Gives a request back. The driver is told by {@link #signal}.
   *
   * @param written bytes that the device has written
   */
  public void push(DescriptorChain chain, int written) {
    inFlight--;
    try {
      if (enabled) {
        ring().push(chain, written);
      }
    } catch (VirtioError e) {
      device.fail(e.getMessage());
    }
  }

  /**
   * Gives several requests back at once: the driver sees all of them or none.
   *
   * @param written bytes that the device has written to each
   */
  public void push(DescriptorChain[] chains, int[] written, int count) {
    inFlight -= count;
    try {
      if (enabled) {
        ring().push(chains, written, count);
      }
    } catch (VirtioError e) {
      device.fail(e.getMessage());
    }
  }

  /** Puts back the request that was popped last, as if it had not been. */
  public void unpop(DescriptorChain chain) {
    inFlight--;
    try {
      if (enabled) {
        ring().unpop(chain);
      }
    } catch (VirtioError e) {
      device.fail(e.getMessage());
    }
  }

  /** Interrupts the driver if it wants that for what was pushed. */
  public void signal() {
    try {
      if (enabled && ring().wantsInterrupt()) {
        device.interrupt(this);
      }
    } catch (VirtioError e) {
      device.fail(e.getMessage());
    }
  }

  /** Asks the driver to notify of new requests, or not to. */
  public void wantNotifications(boolean wanted) throws VirtioError {
    if (enabled) {
      ring().wantNotifications(wanted);
    }
  }

  /**
   * Whether an index was passed on the way from one to another (2.7.10), 16 bits around.
   *
   * @param event the index after which somebody wants to hear
   */
  static boolean passed(int event, int now, int from) {
    return (now - event - 1 & 0xffff) < (now - from & 0xffff);
  }
}
