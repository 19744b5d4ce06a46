package dev.pollux.backend.net;

import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.DeviceOptions;
import dev.pollux.core.host.TapDevice;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A TAP interface of the host: {@code -netdev tap}. The kernel takes and gives unfinished frames,
 * so that long segments cross as they are. With several queues the kernel keeps each connection on
 * the queue on which the guest sends.
 */
public final class TapBackend extends NetBackend {
  private static final Logger log = LoggerFactory.getLogger(TapBackend.class);
  private static final int SCRIPT_SECONDS = 30;
  private static final int MOST_QUEUES = 256;

  private final String type;
  private final String interfaceName;
  private final String downScript;
  private final List<TapQueue> queues = new ArrayList<>();

  private TapBackend(String id, String type, List<TapDevice> devices, String downScript) {
    super(id);
    this.type = type;
    this.interfaceName = devices.getFirst().name();
    this.downScript = downScript;
    for (TapDevice device : devices) {
      queues.add(new TapQueue("%s tap %d".formatted(id, queues.size()), device, drops()));
    }
    link().attachBackend(queues.getFirst());
    queues.stream().skip(1).forEach(this::addLink);
  }

  private void start() {
    for (int i = 0; i < queues.size(); i++) {
      queues.get(i).start(links().get(i));
    }
  }

  /**
   * Makes the back end that options describe.
   *
   * @throws ConfigException where they are wrong or the host refuses
   */
  public static TapBackend of(String id, DeviceOptions o) {
    for (String absent : List.of("vhost", "vhostforce")) {
      if (o.bool(absent, false)) {
        throw o.error(absent + " needs KVM; leave it out");
      }
    }
    for (String absent : List.of("vhostfd", "vhostfds")) {
      if (o.has(absent)) {
        throw o.error(absent + " needs KVM; leave it out");
      }
    }
    o.number("sndbuf", 0, 0, Long.MAX_VALUE);
    for (String given : List.of("fd", "fds")) {
      if (o.has(given)) {
        refuse(o, given, "ifname", "script", "downscript", "vnet_hdr", "helper", "br", "queues");
        List<Integer> numbers = descriptors(o, given);
        o.rejectUnknown();
        return open(id, "tap", "descriptors", "", "", () -> adopt(numbers));
      }
    }
    if (o.has("helper")) {
      refuse(o, "helper", "ifname", "script", "downscript", "vnet_hdr", "queues");
      return bridge(id, "tap", o);
    }
    String name = o.string("ifname", "");
    boolean header = o.bool("vnet_hdr", true);
    String script = script(o, "script");
    String downScript = script(o, "downscript");
    int count = (int) o.number("queues", 1, 1, MOST_QUEUES);
    o.rejectUnknown();
    String shown = name.isEmpty() ? "tap" : name;
    return open(id, "tap", shown, script, downScript, () -> open(name, header, count));
  }

  /**
   * An interface in a bridge of the host, which a program with more rights makes: {@code -netdev
   * bridge}.
   *
   * @throws ConfigException where the options are wrong or the program fails
   */
  public static TapBackend bridge(String id, DeviceOptions o) {
    return bridge(id, "bridge", o);
  }

  private static TapBackend bridge(String id, String type, DeviceOptions o) {
    String bridge = o.string("br", BridgeHelper.DEFAULT_BRIDGE);
    String helper = o.string("helper", BridgeHelper.DEFAULT_PROGRAM);
    o.rejectUnknown();
    int descriptor;
    try {
      descriptor = BridgeHelper.open(helper, bridge);
    } catch (IOException e) {
      throw new ConfigException(
          "bridge helper failed: %s; /etc/qemu/bridge.conf says who may use %s"
              .formatted(e.getMessage(), bridge),
          e);
    }
    return open(id, type, bridge, "", "", () -> List.of(adoptOwn(descriptor)));
  }

  private static void refuse(DeviceOptions o, String given, String... others) {
    for (String other : others) {
      if (o.has(other)) {
        throw o.error("%s= is invalid with %s=".formatted(other, given));
      }
    }
  }

  private static List<Integer> descriptors(DeviceOptions o, String key) {
    List<Integer> numbers = new ArrayList<>();
    for (String word : o.required(key).split(":", -1)) {
      if (!word.matches("[0-9]{1,9}") || numbers.size() == MOST_QUEUES) {
        throw o.error(
            "%s: \"%s\" is no descriptor; give numbers with colons between, at most %d"
                .formatted(key, word, MOST_QUEUES));
      }
      numbers.add(Integer.parseInt(word));
    }
    return numbers;
  }

  @FunctionalInterface
  private interface Opening {
    List<TapDevice> open() throws IOException;
  }

  private static TapBackend open(
      String id, String type, String shown, String script, String downScript, Opening opening) {
    try {
      TapBackend backend = new TapBackend(id, type, opening.open(), downScript);
      try {
        backend.run(script);
      } catch (ConfigException e) {
        backend.closeQueues();
        throw e;
      }
      backend.start();
      return backend;
    } catch (IOException e) {
      throw new ConfigException(
          "could not configure /dev/net/tun (%s): %s; it needs root or an interface made for you"
              .formatted(shown, e.getMessage()),
          e);
    }
  }

  /** All queues of an interface, or none. */
  private static List<TapDevice> open(String name, boolean header, int count) throws IOException {
    List<TapDevice> devices = new ArrayList<>();
    try {
      devices.add(TapDevice.open(name, header, count > 1));
      while (devices.size() < count) {
        devices.add(TapDevice.open(devices.getFirst().name(), header, true));
      }
      return devices;
    } catch (IOException e) {
      devices.forEach(TapDevice::close);
      throw e;
    }
  }

  /** A descriptor that nobody else knows of. */
  private static TapDevice adoptOwn(int descriptor) throws IOException {
    try {
      return TapDevice.of(descriptor);
    } catch (IOException e) {
      TapDevice.discard(descriptor);
      throw e;
    }
  }

  private static List<TapDevice> adopt(List<Integer> numbers) throws IOException {
    List<TapDevice> devices = new ArrayList<>();
    for (int number : numbers) {
      devices.add(TapDevice.of(number));
    }
    return devices;
  }

  /** A script to run; unlike QEMU's, the default is none. */
  private static String script(DeviceOptions o, String key) {
    String text = o.string(key, "no");
    return text.equals("no") ? "" : text;
  }

  private void run(String script) {
    if (script.isEmpty()) {
      return;
    }
    try {
      Process process =
          new ProcessBuilder(script, interfaceName)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      if (!process.waitFor(SCRIPT_SECONDS, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new ConfigException(
            "network script %s has not ended within %d s".formatted(script, SCRIPT_SECONDS));
      }
      if (process.exitValue() != 0) {
        throw new ConfigException(
            "network script %s failed with status %d".formatted(script, process.exitValue()));
      }
    } catch (IOException e) {
      throw new ConfigException("could not launch network script " + script, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ConfigException("interrupted while network script " + script + " ran", e);
    }
  }

  @Override
  public String type() {
    return type;
  }

  @Override
  public String describe() {
    return "ifname=" + interfaceName;
  }

  @Override
  public Offloads offloads() {
    return queues.getFirst().offloads();
  }

  @Override
  public int take(Frame[] frames, int count) {
    return queues.getFirst().take(frames, count);
  }

  @Override
  public void resume() {
    queues.getFirst().resume();
  }

  private void closeQueues() {
    unplug();
    queues.forEach(TapQueue::close);
  }

  @Override
  public void close() {
    unplug();
    try {
      run(downScript);
    } catch (ConfigException e) {
      log.warn("{}", e.getMessage());
    }
    closeQueues();
  }
}
