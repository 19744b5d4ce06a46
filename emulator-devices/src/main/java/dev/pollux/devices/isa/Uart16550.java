package dev.pollux.devices.isa;

import dev.pollux.backend.chr.CharBackend;
import dev.pollux.backend.chr.CharEvent;
import dev.pollux.backend.chr.CharFrontEnd;
import dev.pollux.core.bus.BusDevice;
import dev.pollux.core.bus.Region;
import dev.pollux.core.clock.ClockType;
import dev.pollux.core.clock.GuestTimer;
import dev.pollux.core.clock.MachineClocks;
import dev.pollux.core.irq.IrqLine;
import dev.pollux.core.machine.Device;
import dev.pollux.core.state.BoundState;
import dev.pollux.core.state.HostOnly;
import dev.pollux.core.state.StateDescriptor;
import java.util.Arrays;
import java.util.concurrent.Executor;

/**
 * A serial port with FIFOs (National Semiconductor PC16550D data sheet). Everything with the
 * machine lock held.
 *
 * <p>Bytes leave as fast as the back end takes them, whatever the divisor says; while it takes none
 * the transmitter stays busy. Received bytes enter up to the trigger level, then one by one, so
 * that the interrupt rate is the one the guest has asked for and nothing is overrun. As on a PC,
 * OUT2 gates the interrupt.
 */
public final class Uart16550 implements Device, BusDevice, CharFrontEnd {
  /** Ports of one UART. */
  public static final int PORTS = 8;

  private static final int FIFO = 16;
  private static final int[] TRIGGER = {1, 4, 8, 14};
  private static final int CLOCK = 115_200;

  private static final int IER_RX = 1;
  private static final int IER_THRE = 2;
  private static final int IER_LINE = 4;
  private static final int IER_MODEM = 8;

  private static final int IIR_NONE = 0x01;
  private static final int IIR_MODEM = 0x00;
  private static final int IIR_THRE = 0x02;
  private static final int IIR_RX = 0x04;
  private static final int IIR_LINE = 0x06;
  private static final int IIR_TIMEOUT = 0x0c;
  private static final int IIR_FIFOS = 0xc0;

  private static final int FCR_ENABLE = 0x01;
  private static final int FCR_CLEAR_RX = 0x02;
  private static final int FCR_CLEAR_TX = 0x04;

  private static final int LCR_BREAK = 0x40;
  private static final int LCR_DLAB = 0x80;

  private static final int MCR_DTR = 0x01;
  private static final int MCR_RTS = 0x02;
  private static final int MCR_OUT1 = 0x04;
  private static final int MCR_OUT2 = 0x08;
  private static final int MCR_LOOP = 0x10;

  private static final int LSR_DR = 0x01;
  private static final int LSR_OE = 0x02;
  private static final int LSR_BI = 0x10;
  private static final int LSR_ERRORS = 0x1e;
  private static final int LSR_THRE = 0x20;
  private static final int LSR_TEMT = 0x40;
  private static final int LSR_FIFO_ERROR = 0x80;

  private static final int MSR_TERI = 0x04;
  private static final int MSR_CTS = 0x10;
  private static final int MSR_DSR = 0x20;
  private static final int MSR_RI = 0x40;
  private static final int MSR_DCD = 0x80;
  private static final int MSR_DELTAS = 0x0f;

  private static final StateDescriptor<Uart16550> STATE =
      StateDescriptor.of(Uart16550.class, "serial", 1)
          .u16("divisor", u -> u.divisor, (u, v) -> u.divisor = v)
          .u8("last-received", u -> u.lastReceived, (u, v) -> u.lastReceived = v)
          .u8("ier", 0x0f, u -> u.ier, (u, v) -> u.ier = v)
          .u8("lcr", u -> u.lcr, (u, v) -> u.lcr = v)
          .u8("mcr", 0x1f, u -> u.mcr, (u, v) -> u.mcr = v)
          .u8("lsr", u -> u.lsr, (u, v) -> u.lsr = v)
          .u8("msr", u -> u.msr, (u, v) -> u.msr = v)
          .u8("scratch", u -> u.scratch, (u, v) -> u.scratch = v)
          .u8("fcr", u -> u.fcr, (u, v) -> u.fcr = v)
          .bool("thre-pending", u -> u.threPending, (u, v) -> u.threPending = v)
          .bool("timeout-pending", u -> u.timeoutPending, (u, v) -> u.timeoutPending = v)
          .timer("timeout", u -> u.timeout)
          .u8("rx-count", FIFO, u -> u.rxCount, (u, v) -> u.rxCount = v)
          .bytes("rx", FIFO, u -> u.rx)
          .bytes("rx-errors", FIFO, u -> u.rxErrors)
          .u8("tx-count", FIFO, u -> u.txCount, (u, v) -> u.txCount = v)
          .bytes("tx", FIFO, u -> u.tx)
          .afterLoad(Uart16550::loaded);

  @HostOnly("wiring")
  private final MachineClocks clocks;

  @HostOnly("wiring")
  private final IrqLine irq;

  @HostOnly("wiring")
  private final CharBackend backend;

  private final GuestTimer timeout;

  private int divisor;
  private int ier;
  private int lcr;
  private int mcr;
  private int msr;
  private int scratch;

  /** FCR as written, without the bits that clear. */
  private int fcr;

  /** Without DR and {@link #LSR_FIFO_ERROR}, which derive from the receive FIFO. */
  private int lsr;

  /** What a read of RBR gives while nothing new is there. */
  private int lastReceived;

  /** The transmitter has become empty and the guest has not been told by IIR yet. */
  private boolean threPending;

  /** Bytes have waited in the FIFO below the trigger level for four character times. */
  private boolean timeoutPending;

  /** Oldest byte first. Without FIFOs only the first place is used. */
  private final byte[] rx = new byte[FIFO];

  /** For each byte of {@link #rx} the LSR bits that arrived with it. */
  private final byte[] rxErrors = new byte[FIFO];

  private int rxCount;

  /** What the back end has not taken yet, oldest first. */
  private final byte[] tx = new byte[FIFO];

  private int txCount;

  @HostOnly("a callback of the back end is on its way")
  private boolean waitingForBackend;

  /**
   * @param loop runs callbacks with the machine lock held
   */
  public Uart16550(MachineClocks clocks, IrqLine irq, CharBackend backend, Executor loop) {
    this.clocks = clocks;
    this.irq = irq;
    this.backend = backend;
    this.timeout = clocks.timer(ClockType.VIRTUAL, "serial timeout", this::timedOut);
    powerOn();
    backend.attach(this, loop);
  }

  /** The eight ports of the UART. */
  public Region ports() {
    return new Region.DeviceRegion("serial", PORTS, 1, this);
  }

  @Override
  public String id() {
    return "serial";
  }

  @Override
  public void reset() {
    powerOn();
    updateIrq();
    backend.acceptInput();
  }

  private void powerOn() {
    divisor = 12; // 9,600 baud
    ier = 0;
    lcr = 0;
    mcr = MCR_OUT2; // as firmware leaves it
    msr = MSR_DCD | MSR_DSR | MSR_CTS;
    scratch = 0;
    fcr = 0;
    lsr = LSR_TEMT | LSR_THRE;
    lastReceived = 0;
    rxCount = 0;
    txCount = 0;
    Arrays.fill(rx, (byte) 0);
    Arrays.fill(rxErrors, (byte) 0);
    Arrays.fill(tx, (byte) 0);
    threPending = false;
    timeoutPending = false;
    timeout.cancel();
  }

  @Override
  public void close() {
    backend.detach();
  }

  @Override
  public long read(long offset, int size) {
    return switch ((int) offset) {
      case 0 -> dlab() ? divisor & 0xff : readData();
      case 1 -> dlab() ? divisor >> 8 : ier;
      case 2 -> readIir();
      case 3 -> lcr;
      case 4 -> mcr;
      case 5 -> readLsr();
      case 6 -> readMsr();
      default -> scratch;
    };
  }

  @Override
  public void write(long offset, int size, long value) {
    int v = (int) value & 0xff;
    switch ((int) offset) {
      case 0 -> {
        if (dlab()) {
          divisor = divisor & 0xff00 | v;
        } else {
          writeData((byte) v);
        }
      }
      case 1 -> {
        if (dlab()) {
          divisor = divisor & 0xff | v << 8;
        } else {
          writeIer(v & 0x0f);
        }
      }
      case 2 -> writeFcr(v);
      case 3 -> writeLcr(v);
      case 4 -> writeMcr(v & 0x1f);
      case 7 -> scratch = v;
      default -> {} // LSR and MSR are read only
    }
    updateIrq();
  }

  private boolean dlab() {
    return (lcr & LCR_DLAB) != 0;
  }

  private boolean fifos() {
    return (fcr & FCR_ENABLE) != 0;
  }

  private boolean loopback() {
    return (mcr & MCR_LOOP) != 0;
  }

  private int trigger() {
    return fifos() ? TRIGGER[fcr >> 6] : 1;
  }

  // ---- receiving ----

  private int readData() {
    if (rxCount > 0) {
      lastReceived = rx[0] & 0xff;
      rxCount--;
      System.arraycopy(rx, 1, rx, 0, rxCount);
      System.arraycopy(rxErrors, 1, rxErrors, 0, rxCount);
      showErrorsOfOldest();
      timeoutPending = false;
      armTimeout();
      updateIrq();
      backend.acceptInput();
    }
    return lastReceived;
  }

  /** Errors show in LSR when their byte is the next to be read. */
  private void showErrorsOfOldest() {
    if (rxCount > 0) {
      lsr |= rxErrors[0] & LSR_ERRORS;
      rxErrors[0] = 0;
    }
  }

  private void push(byte value, int errors) {
    int places = fifos() ? FIFO : 1;
    if (rxCount == places) {
      lsr |= LSR_OE;
      if (fifos()) {
        return; // the FIFO keeps what it has; without FIFOs the new byte replaces the old
      }
      rxCount = 0;
    }
    rx[rxCount] = value;
    rxErrors[rxCount] = (byte) errors;
    rxCount++;
    if (rxCount == 1) {
      showErrorsOfOldest();
    }
    armTimeout();
  }

  private void armTimeout() {
    if (fifos() && rxCount > 0) {
      timeout.set(clocks.virtualNow() + 4 * characterNanos());
    } else {
      timeout.cancel();
    }
  }

  /** Start, data, parity and stop bits at the programmed speed. */
  private long characterNanos() {
    int bits = 1 + 5 + (lcr & 3) + (lcr >> 3 & 1) + 1 + (lcr >> 2 & 1);
    return bits * 1_000_000_000L * Math.max(divisor, 1) / CLOCK;
  }

  private void timedOut() {
    if (rxCount > 0) {
      timeoutPending = true;
      updateIrq();
    }
  }

  @Override
  public int canReceive() {
    if (loopback()) {
      return 0; // the line is disconnected from the receiver
    }
    if (!fifos()) {
      return 1 - Math.min(rxCount, 1);
    }
    return rxCount < trigger() ? trigger() - rxCount : Math.min(1, FIFO - rxCount);
  }

  @Override
  public void receive(byte[] bytes, int offset, int length) {
    for (int i = 0; i < length; i++) {
      push(bytes[offset + i], 0);
    }
    updateIrq();
  }

  @Override
  public void event(CharEvent event) {
    if (event == CharEvent.BREAK && !loopback()) {
      push((byte) 0, LSR_BI);
      updateIrq();
    }
  }

  // ---- transmitting ----

  private void writeData(byte value) {
    threPending = false;
    if (loopback()) {
      push(value, 0);
      threPending = true;
      return;
    }
    int places = fifos() ? FIFO : 1;
    if (txCount == places) { // a guest that does not look at THRE loses what it overwrites
      txCount--;
      System.arraycopy(tx, 1, tx, 0, txCount);
    }
    tx[txCount++] = value;
    lsr &= ~(LSR_THRE | LSR_TEMT);
    transmit();
  }

  private void transmit() {
    int taken = backend.write(tx, 0, txCount);
    txCount -= taken;
    System.arraycopy(tx, taken, tx, 0, txCount);
    if (txCount == 0) {
      lsr |= LSR_THRE | LSR_TEMT;
      threPending = true;
    } else if (!waitingForBackend) {
      waitingForBackend = true;
      backend.whenWritable(this::backendWritable);
    }
  }

  private void backendWritable() {
    waitingForBackend = false;
    if (txCount > 0) {
      transmit();
      updateIrq();
    }
  }

  // ---- control ----

  private void writeIer(int value) {
    boolean threNewlyOn = (value & ~ier & IER_THRE) != 0;
    ier = value;
    if (threNewlyOn && (lsr & LSR_THRE) != 0) {
      threPending = true;
    }
  }

  private void writeFcr(int value) {
    boolean toggled = ((value ^ fcr) & FCR_ENABLE) != 0;
    if (toggled || (value & FCR_CLEAR_RX) != 0) {
      rxCount = 0;
      timeoutPending = false;
      timeout.cancel();
    }
    if ((toggled || (value & FCR_CLEAR_TX) != 0) && txCount > 0) {
      txCount = 0;
      lsr |= LSR_THRE | LSR_TEMT;
      threPending = true;
    }
    // All other bits can be written only together with the one that enables.
    fcr = (value & FCR_ENABLE) != 0 ? value & 0xc9 : 0;
    backend.acceptInput();
  }

  private void writeLcr(int value) {
    boolean breakBegins = (value & ~lcr & LCR_BREAK) != 0;
    lcr = value;
    if (breakBegins && loopback()) {
      push((byte) 0, LSR_BI);
    }
  }

  private void writeMcr(int value) {
    boolean wasLoopback = loopback();
    mcr = value;
    updateModemLines();
    if (wasLoopback && !loopback()) {
      backend.acceptInput();
    }
  }

  /**
   * In loopback the modem control outputs are the modem status inputs; otherwise the back end is a
   * ready modem.
   */
  private void updateModemLines() {
    int lines = MSR_DCD | MSR_DSR | MSR_CTS;
    if (loopback()) {
      lines =
          ((mcr & MCR_RTS) != 0 ? MSR_CTS : 0)
              | ((mcr & MCR_DTR) != 0 ? MSR_DSR : 0)
              | ((mcr & MCR_OUT1) != 0 ? MSR_RI : 0)
              | ((mcr & MCR_OUT2) != 0 ? MSR_DCD : 0);
    }
    int changed = (msr ^ lines) & (MSR_CTS | MSR_DSR | MSR_DCD);
    int teri = (msr & ~lines & MSR_RI) != 0 ? MSR_TERI : 0;
    msr = msr & MSR_DELTAS | changed >> 4 | teri | lines;
  }

  private int readMsr() {
    int value = msr;
    msr &= ~MSR_DELTAS;
    updateIrq();
    return value;
  }

  private int readLsr() {
    int value = lsr | (rxCount > 0 ? LSR_DR : 0) | (fifos() && errorsInFifo() ? LSR_FIFO_ERROR : 0);
    lsr &= ~LSR_ERRORS;
    updateIrq();
    return value;
  }

  private boolean errorsInFifo() {
    if ((lsr & LSR_ERRORS & ~LSR_OE) != 0) {
      return true;
    }
    for (int i = 0; i < rxCount; i++) {
      if (rxErrors[i] != 0) {
        return true;
      }
    }
    return false;
  }

  private int readIir() {
    int source = interrupt();
    if (source == IIR_THRE) {
      threPending = false;
      updateIrq();
    }
    return source | (fifos() ? IIR_FIFOS : 0);
  }

  /** The interrupt of the highest priority as IIR names it. */
  private int interrupt() {
    if ((ier & IER_LINE) != 0 && (lsr & LSR_ERRORS) != 0) {
      return IIR_LINE;
    }
    if ((ier & IER_RX) != 0 && rxCount >= trigger()) {
      return IIR_RX;
    }
    if ((ier & IER_RX) != 0 && timeoutPending) {
      return IIR_TIMEOUT;
    }
    if ((ier & IER_THRE) != 0 && threPending) {
      return IIR_THRE;
    }
    if ((ier & IER_MODEM) != 0 && (msr & MSR_DELTAS) != 0) {
      return IIR_MODEM;
    }
    return IIR_NONE;
  }

  private void updateIrq() {
    irq.set(interrupt() != IIR_NONE && (mcr & MCR_OUT2) != 0);
  }

  private void loaded() {
    lsr &= ~(LSR_DR | LSR_FIFO_ERROR);
    if (!fifos()) {
      rxCount = Math.min(rxCount, 1);
      txCount = Math.min(txCount, 1);
    }
    updateIrq();
    if (txCount > 0) {
      transmit();
      updateIrq();
    }
    backend.acceptInput();
  }

  @Override
  public BoundState<?> state() {
    return new BoundState<>(STATE, this);
  }
}
