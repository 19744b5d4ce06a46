package dev.pollux.devices.netfilter;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockListener;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.backend.chr.CharOptions;
import dev.pollux.backend.net.Checkpoints;
import dev.pollux.backend.net.Frame;
import dev.pollux.backend.net.NetBackend;
import dev.pollux.backend.net.NetEnd;
import dev.pollux.backend.net.NetLink;
import dev.pollux.backend.net.Offloads;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.machine.Machine;
import dev.pollux.devices.board.Devices;
import dev.pollux.devices.model.MachineServices;
import dev.pollux.devices.model.UserObject;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;

/** A network with a test at either end of its link, and filters between. */
final class FilterBench implements AutoCloseable {
  private static final int HEADERS = 14;

  /** Remembers the texts of frames. */
  static final class End implements NetEnd {
    final List<String> taken = new CopyOnWriteArrayList<>();

    @Override
    public int take(Frame[] frames, int count) {
      for (int i = 0; i < count; i++) {
        taken.add(text(frames[i]));
      }
      return count;
    }

    @Override
    public void resume() {
      // Nothing is kept.
    }

    @Override
    public Offloads offloads() {
      return Offloads.NONE;
    }
  }

  final Machine machine = new Machine("", new Machine.EndPolicy(false, false));
  final CharDevices charDevices = new CharDevices(Runnable::run, () -> {});
  final MachineServices services =
      Devices.manager(machine, charDevices, new BlockGraph(new BlockListener() {})).services();
  final NetLink link;
  final End card = new End();
  final End world = new End();
  private final Path folder;

  FilterBench(Path folder) {
    this.folder = folder;
    NetBackend backend =
        services.networks().add(DeviceOptions.parse("-netdev", "user,id=n0,restrict=on", "type"));
    link = backend.link();
    link.setDelivering(true);
    link.attachBackend(world);
    link.attachCard(card);
  }

  Checkpoints checkpoints() {
    return services.networks().checkpoints();
  }

  UserObject add(String text) {
    return services.objects().add(services, DeviceOptions.parse("-object", text, "qom-type"));
  }

  void remove(String id) {
    services.objects().remove(id);
  }

  /** Makes a listening character device; connects to it. */
  SocketChannel socket(String id) throws IOException {
    Path path = folder.resolve(id);
    charDevices.add(
        CharOptions.parse("socket,id=%s,path=%s,server=on,wait=off".formatted(id, path)));
    SocketChannel channel = connect(id);
    await(() -> charDevices.get(id).isConnected());
    return channel;
  }

  SocketChannel connect(String id) throws IOException {
    return SocketChannel.open(UnixDomainSocketAddress.of(folder.resolve(id)));
  }

  static Frame frame(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    ByteBuffer data = ByteBuffer.allocateDirect(HEADERS + bytes.length);
    data.putShort(12, (short) 0x88b5).put(HEADERS, bytes);
    return new Frame(data);
  }

  static String text(Frame frame) {
    byte[] bytes = new byte[frame.length() - HEADERS];
    frame.data().get(frame.data().position() + HEADERS, bytes);
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  void fromGuest(String... texts) {
    send(true, texts);
  }

  void toGuest(String... texts) {
    send(false, texts);
  }

  private void send(boolean out, String... texts) {
    Frame[] frames = Arrays.stream(texts).map(FilterBench::frame).toArray(Frame[]::new);
    int sent = out ? link.fromCard(frames, frames.length) : link.fromBackend(frames, frames.length);
    assertTrue(sent == frames.length, "some frames were refused");
  }

  /** What a peer receives: a frame's text, or the number of a mark. */
  static String receive(SocketChannel from) throws IOException {
    ByteBuffer message = bytes(from, bytes(from, Integer.BYTES).getInt(0));
    if (message.limit() == 12) {
      return "mark " + message.getLong(4);
    }
    return text(new Frame(message));
  }

  private static ByteBuffer bytes(SocketChannel from, int count) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocateDirect(count);
    while (bytes.hasRemaining() && from.read(bytes) >= 0) {
      // until all are here
    }
    return bytes.flip();
  }

  static void await(BooleanSupplier condition) {
    long end = System.nanoTime() + 20_000_000_000L;
    while (!condition.getAsBoolean()) {
      assertTrue(System.nanoTime() < end, "nothing came within 20 s");
      Thread.onSpinWait();
    }
  }

  @Override
  public void close() {
    services.objects().close();
    services.networks().close();
    charDevices.close();
    machine.close();
  }
}
