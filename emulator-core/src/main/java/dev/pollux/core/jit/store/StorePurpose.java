package dev.pollux.core.jit.store;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.host.HostCpu;
import java.io.IOException;
import java.net.JarURLConnection;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.zip.CRC32C;

/** What translations depend on besides the guest's code, as the number of a {@link StoreFile}. */
public final class StorePurpose {
  private StorePurpose() {}

  /**
   * For a guest with these features: the program, by the bytes of its archive, and the host's
   * processor.
   *
   * @throws IOException if the program is not in one archive, which would tell that it has changed
   */
  public static long of(Set<CpuFeature> guest) throws IOException {
    byte[] program = Files.readAllBytes(archive());
    CRC32C crc = new CRC32C();
    crc.update(program);
    HostCpu host = HostCpu.get();
    long model = (long) host.vendor().hashCode() << 32 ^ host.cpuid(1, 0).eax();
    long processors = mix(guest, mix(host.features(), model ^ host.xcr0() << 16));
    return crc.getValue() << 32 ^ program.length ^ processors * 0x9e37_79b9_7f4a_7c15L;
  }

  /**
   * Where this class is from. It asks for its file, because one from the JVM's own cache of classes
   * may have no code source.
   */
  private static Path archive() throws IOException {
    URL url = StorePurpose.class.getResource(StorePurpose.class.getSimpleName() + ".class");
    if (url == null || !(url.openConnection() instanceof JarURLConnection jar)) {
      throw new IOException("the program is not in an archive");
    }
    try {
      return Path.of(jar.getJarFileURL().toURI());
    } catch (URISyntaxException e) {
      throw new IOException("the program is at " + url, e);
    }
  }

  private static long mix(Set<CpuFeature> features, long value) {
    for (CpuFeature feature : CpuFeature.values()) {
      value = value * 31 + (features.contains(feature) ? 3 : 1);
    }
    return value;
  }
}
