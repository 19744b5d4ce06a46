package dev.pollux.devices.isa;

import dev.pollux.core.state.StateDescriptor;
import dev.pollux.devices.input.Pointer;

/** A PS/2 mouse with wheel (IntelliMouse protocol after the usual knock of sample rates). */
public final class Ps2Mouse extends Ps2Device implements Pointer.Relative {
  private static final int WHEEL = 3;

  static final StateDescriptor<Ps2Mouse> STATE =
      StateDescriptor.of(Ps2Mouse.class, "ps2mouse", 1)
          .varBytes("queue", QUEUE_SIZE, m -> m.queue, (m, v) -> m.queue = v)
          .u8("command", m -> m.command, (m, v) -> m.command = v)
          .bool("enabled", m -> m.enabled, (m, v) -> m.enabled = v)
          .bool("remote", m -> m.remote, (m, v) -> m.remote = v)
          .bool("wrap", m -> m.wrap, (m, v) -> m.wrap = v)
          .bool("scaling", m -> m.scaling, (m, v) -> m.scaling = v)
          .u8("resolution", 3, m -> m.resolution, (m, v) -> m.resolution = v)
          .u8("sample-rate", m -> m.sampleRate, (m, v) -> m.sampleRate = v)
          .u8("type", WHEEL, m -> m.type, (m, v) -> m.type = v)
          .u8("knock", 2, m -> m.knock, (m, v) -> m.knock = v)
          .u8("buttons", 7, m -> m.buttons, (m, v) -> m.buttons = v)
          .u32("dx", m -> m.dx, (m, v) -> m.dx = v)
          .u32("dy", m -> m.dy, (m, v) -> m.dy = v)
          .u32("dz", m -> m.dz, (m, v) -> m.dz = v);

  private boolean remote;
  private boolean wrap;

  /** Scaling 2:1. */
  private boolean scaling;

  private int resolution;
  private int sampleRate;

  /** Device id: 0, or 3 with wheel. */
  private int type;

  /** How many rates of the knock 200, 100, 80 have been seen. */
  private int knock;

  /** Bit 0 left, 1 right, 2 middle. */
  private int buttons;

  // Movement not reported yet; y grows upwards, z towards the user.
  private int dx;
  private int dy;
  private int dz;

  Ps2Mouse(Runnable onData) {
    super(onData);
    reset();
  }

  @Override
  public String pointerName() {
    return "Pollux PS/2 Mouse";
  }

  @Override
  public int buttons() {
    return buttons;
  }

  @Override
  void reset() {
    clearQueue();
    command = 0;
    wrap = false;
    type = 0;
    knock = 0;
    buttons = 0;
    setDefaults();
  }

  private void setDefaults() {
    enabled = false;
    remote = false;
    scaling = false;
    resolution = 2;
    sampleRate = 100;
    dx = 0;
    dy = 0;
    dz = 0;
  }

  @Override
  public void move(int dx, int dy, int dz, int buttons) {
    this.dx = Math.clamp((long) this.dx + dx, -1 << 20, 1 << 20);
    this.dy = Math.clamp((long) this.dy + dy, -1 << 20, 1 << 20);
    this.dz = Math.clamp((long) this.dz + dz, -1 << 20, 1 << 20);
    this.buttons = buttons & 7;
    if (enabled && !remote) {
      sendPacket(false);
    }
  }

  /** Queues one packet with as much of the movement as fits. */
  private void sendPacket(boolean asReply) {
    int x = Math.clamp(dx, -255, 255);
    int y = Math.clamp(dy, -255, 255);
    int z = Math.clamp(dz, -8, 7);
    int first = 8 | buttons | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0);
    int[] packet = type == WHEEL ? new int[] {first, x, y, z} : new int[] {first, x, y};
    if (asReply) {
      reply(packet);
    } else if (!input(packet)) {
      return; // The movement is kept for the next packet.
    }
    dx -= x;
    dy -= y;
    dz = type == WHEEL ? dz - z : 0;
  }

  @Override
  void receive(int value) {
    int parameterOf = command;
    command = 0;
    if (wrap && value != 0xec && value != 0xff) {
      reply(value);
    } else if (parameterOf == 0xe8) {
      resolution = value & 3;
      reply(ACK);
    } else if (parameterOf == 0xf3) {
      sampleRate = value;
      noteKnock(value);
      reply(ACK);
    } else {
      command(value);
    }
  }

  private void noteKnock(int rate) {
    if (knock == 2 && rate == 80) {
      type = WHEEL;
    }
    knock = rate == 200 ? 1 : knock == 1 && rate == 100 ? 2 : 0;
  }

  private void command(int value) {
    switch (value) {
      case 0xe6, 0xe7 -> {
        scaling = value == 0xe7;
        reply(ACK);
      }
      case 0xe8, 0xf3 -> {
        command = value;
        reply(ACK);
      }
      case 0xe9 -> {
        int mode = (remote ? 0x40 : 0) | (enabled ? 0x20 : 0) | (scaling ? 0x10 : 0);
        int pressed = (buttons & 1) << 2 | buttons >> 1 & 1 | (buttons & 4) >> 1;
        reply(ACK, mode | pressed, resolution, sampleRate);
      }
      case 0xea, 0xf0 -> {
        remote = value == 0xf0;
        reply(ACK);
      }
      case 0xeb -> {
        reply(ACK);
        sendPacket(true);
      }
      case 0xec, 0xee -> {
        wrap = value == 0xee;
        reply(ACK);
      }
      case 0xf2 -> reply(ACK, type);
      case 0xf4, 0xf5 -> {
        enabled = value == 0xf4;
        reply(ACK);
      }
      case 0xf6 -> {
        setDefaults();
        reply(ACK);
      }
      case 0xff -> {
        reset();
        reply(ACK, SELF_TEST_PASSED, 0);
      }
      default -> reply(RESEND);
    }
  }
}
