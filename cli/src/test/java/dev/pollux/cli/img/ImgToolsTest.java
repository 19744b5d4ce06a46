package dev.pollux.cli.img;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.pollux.core.config.ConfigException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code pollux img} beside qemu-img: the same words, the same exit status, the same images. */
class ImgToolsTest {
  private static final int MIB = 1 << 20;

  @TempDir Path folder;

  /** What a command ended with, and what it wrote. */
  private record Result(int status, String output) {}

  @BeforeEach
  void needsQemu() throws IOException {
    assumeTrue(
        Files.isExecutable(Path.of("/usr/bin/qemu-img")),
        "qemu-img is not installed (Debian: qemu-utils)");
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private Result ours(String... words) throws IOException {
    PrintStream before = System.out;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    try {
      int status = ImgTools.run(List.of(words));
      return new Result(status, bytes.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(before);
    }
  }

  private static Result qemu(String... words) throws IOException {
    List<String> line = new ArrayList<>(List.of("qemu-img"));
    line.addAll(List.of(words));
    Process process =
        new ProcessBuilder(line).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      assertTrue(process.waitFor(60, TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
    return new Result(process.exitValue(), output);
  }

  /** Both say and do the same; the host's space may change while it writes back. */
  private void same(String... words) throws IOException {
    assertEquals(withoutSpace(qemu(words)), withoutSpace(ours(words)), String.join(" ", words));
  }

  private static Result withoutSpace(Result result) {
    return new Result(result.status, result.output.replaceAll("disk size: [0-9.]+ [KMG]iB", ""));
  }

  private void sameJsonWithSpace(String... words) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    assertEquals(mapper.readTree(qemu(words).output), mapper.readTree(ours(words).output));
  }

  private void sameJson(String... words) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    Result theirs = qemu(words);
    Result mine = ours(words);
    assertEquals(theirs.status, mine.status);
    JsonNode expected =
        mapper.readTree(theirs.output.replaceAll("actual-size\": [0-9]+", "x\": 0"));
    JsonNode actual = mapper.readTree(mine.output.replaceAll("actual-size\": [0-9]+", "x\": 0"));
    assertEquals(expected, actual, String.join(" ", words));
  }

  private byte[] data(int seed, int bytes) {
    byte[] data = new byte[bytes];
    Random random = new Random(seed);
    for (int at = 0; at < bytes; ) { // pieces of noise, of one byte, and of zeros
      int length = Math.min(bytes - at, 1 + random.nextInt(300_000));
      int kind = random.nextInt(3);
      for (int i = 0; i < length; i++) {
        data[at + i] = (byte) (kind == 0 ? random.nextInt() : kind == 1 ? 7 : 0);
      }
      at += length;
    }
    return data;
  }

  /** An image with a backing file, zeros and data. */
  private void makeChain() throws IOException {
    Files.write(folder.resolve("raw"), data(1, 3 * MIB));
    qemu("convert", "-f", "raw", "-O", "qcow2", path("raw"), path("base"));
    qemu("create", "-f", "qcow2", "-b", path("base"), "-F", "qcow2", path("top"), "5M");
    for (String command : new String[] {"write -P 3 1M 200k", "write -z 2M 128k", "write 4M 1k"}) {
      Process io = new ProcessBuilder("qemu-io", "-c", command, path("top")).start();
      io.getInputStream().readAllBytes();
    }
  }

  @Test
  void createsTheSameImages() throws IOException {
    String[][] ways = {
      {"-f", "raw", "FILE", "3M"},
      {"-f", "qcow2", "FILE", "1G"},
      {"-f", "qcow2", "-o", "compat=0.10", "FILE", "10M"},
      {"-f", "qcow2", "-o", "cluster_size=2M,lazy_refcounts=on", "FILE", "10M"},
      {"-f", "qcow2", "-o", "refcount_bits=1,compression_type=zstd", "FILE", "1.5G"},
      {"-f", "qcow2", "-o", "preallocation=metadata", "FILE", "10M"},
      {"-q", "-f", "qcow2", "FILE", "1T"},
    };
    for (String[] way : ways) {
      String[] words = new String[way.length + 1];
      words[0] = "create";
      System.arraycopy(way, 0, words, 1, way.length);
      words[Arrays.asList(words).indexOf("FILE")] = path("image");
      Result theirs = qemu(words);
      Result info = qemu("info", path("image"));
      Files.delete(folder.resolve("image"));
      assertEquals(theirs, ours(words));
      assertEquals(
          info.output.replaceAll("disk size.*", ""),
          qemu("info", path("image")).output.replaceAll("disk size.*", ""));
      if (words[Arrays.asList(words).indexOf("-f") + 1].equals("qcow2")) {
        assertEquals(0, qemu("check", path("image")).status);
      }
      Files.delete(folder.resolve("image"));
    }
  }

  @Test
  void tellsTheSameAboutImages() throws IOException {
    makeChain();
    for (String image : new String[] {"raw", "base", "top"}) {
      same("info", path(image));
      sameJson("info", "--output=json", path(image));
      same("map", path(image));
      sameJson("map", "--output=json", path(image));
      same("measure", "-O", "qcow2", path(image));
      sameJson("measure", "--output", "json", "-O", "qcow2", path(image));
    }
    same("info", "--backing-chain", path("top"));
    same("check", path("top"));
    sameJson("check", "--output=json", path("base"));
    same("measure", "--size", "1T", "-O", "qcow2");
    same("measure", "--size", "10G", "-O", "qcow2", "-o", "cluster_size=4k");
    qemu("snapshot", "-c", "one", path("top"));
    same("snapshot", "-l", path("top"));
    same("info", path("top"));
  }

  @Test
  void comparesAsQemuDoes() throws IOException {
    makeChain();
    same("compare", path("raw"), path("base"));
    same("compare", path("base"), path("top"));
    same("compare", "-s", path("base"), path("top"));
    qemu("create", "-f", "raw", path("longer"), "4M");
    qemu("create", "-f", "raw", path("short"), "1M");
    same("compare", path("short"), path("longer"));
    assertEquals(1, ours("compare", "-q", path("raw"), path("top")).status);
  }

  @Test
  void convertsThereAndBack() throws IOException {
    byte[] data = data(2, 9 * MIB + 512 * 3);
    Files.write(folder.resolve("in"), data);
    String[][] ways = {
      {"-O", "qcow2"},
      {"-O", "qcow2", "-c"},
      {"-O", "qcow2", "-c", "-o", "compression_type=zstd,cluster_size=4k"},
      {"-O", "qcow2", "-o", "compat=0.10,cluster_size=512"},
      {"-O", "raw", "-S", "0"},
      {"-p", "-O", "qcow2", "-o", "lazy_refcounts=on", "-m", "4"},
    };
    for (String[] way : ways) {
      List<String> words = new ArrayList<>(List.of("convert", "-f", "raw"));
      words.addAll(List.of(way));
      words.addAll(List.of(path("in"), path("out")));
      assertEquals(0, ours(words.toArray(String[]::new)).status);
      assertEquals("Images are identical.\n", qemu("compare", path("in"), path("out")).output);
      if (List.of(way).contains("qcow2")) {
        assertEquals(0, qemu("check", "-f", "qcow2", path("out")).status);
      }
      assertEquals(0, ours("convert", "-O", "raw", path("out"), path("back")).status);
      assertArrayEquals(data, Files.readAllBytes(folder.resolve("back")));
    }
  }

  @Test
  void convertsAChainAndOntoABackingFile() throws IOException {
    makeChain();
    assertEquals(0, ours("convert", "-O", "qcow2", path("top"), path("flat")).status);
    assertEquals("Images are identical.\n", qemu("compare", path("top"), path("flat")).output);
    assertEquals(
        0,
        ours("convert", "-O", "qcow2", "-B", path("base"), "-F", "qcow2", path("top"), path("thin"))
            .status);
    assertEquals("Images are identical.\n", qemu("compare", path("top"), path("thin")).output);
    assertTrue(Files.size(folder.resolve("thin")) < Files.size(folder.resolve("flat")));
  }

  @Test
  void resizesRebasesAndCommits() throws IOException {
    makeChain();
    qemu("convert", "-O", "raw", path("top"), path("before"));
    assertEquals("Image resized.\n", ours("resize", path("top"), "+1M").output);
    assertThrows(ConfigException.class, () -> ours("resize", path("top"), "2M"));
    assertEquals("Image resized.\n", ours("resize", "--shrink", path("top"), "5M").output);
    assertEquals("Images are identical.\n", qemu("compare", path("before"), path("top")).output);

    Files.write(folder.resolve("other"), data(3, 5 * MIB));
    assertEquals(0, ours("rebase", "-b", path("other"), "-F", "raw", path("top")).status);
    assertEquals("Images are identical.\n", qemu("compare", path("before"), path("top")).output);
    assertTrue(qemu("info", path("top")).output.contains("backing file: " + path("other")));

    assertEquals("Image committed.\n", ours("commit", path("top")).output);
    assertEquals(
        "Images are identical.\n",
        qemu("compare", "-f", "raw", path("before"), path("other")).output);
    assertEquals("Images are identical.\n", qemu("compare", path("before"), path("top")).output);
    assertEquals(0, qemu("check", path("top")).status);

    assertEquals(0, ours("rebase", "-b", "", path("top")).status);
    assertEquals("Images are identical.\n", qemu("compare", path("before"), path("top")).output);
    assertEquals(0, ours("rebase", "-u", "-b", path("base"), "-F", "qcow2", path("top")).status);
    assertTrue(qemu("info", path("top")).output.contains("backing file: " + path("base")));
  }

  @Test
  void findsAndRepairsWhatQemuFinds() throws IOException {
    makeChain();
    byte[] image = Files.readAllBytes(folder.resolve("base"));
    int block = 2 << 16; // the first block of counts, as images are made
    image[block + 5 * 2 + 1] = 3; // a leak
    image[block + 20 * 2 + 1] = 0; // used and not counted
    image[block + 300 * 2 + 1] = 1; // counted behind the end
    Files.write(folder.resolve("base"), image);
    same("check", path("base"));
    assertEquals(2, ours("check", path("base")).status);
    assertEquals(0, ours("check", "-r", "all", path("base")).status);
    assertEquals(0, qemu("check", path("base")).status);
    assertEquals("Images are identical.\n", qemu("compare", path("raw"), path("base")).output);
  }

  @Test
  void aLostTableOfCountsIsRebuilt() throws IOException {
    makeChain();
    byte[] image = Files.readAllBytes(folder.resolve("base"));
    Arrays.fill(image, 1 << 16, 3 << 16, (byte) 0);
    Files.write(folder.resolve("base"), image);
    assertEquals(2, ours("check", "-q", path("base")).status);
    assertEquals(0, ours("check", "-q", "-r", "all", path("base")).status);
    assertEquals(0, qemu("check", path("base")).status);
    assertEquals("Images are identical.\n", qemu("compare", path("raw"), path("base")).output);
  }

  @Test
  void whatAnImageGrowsByIsPreallocated() throws IOException {
    for (String how : new String[] {"falloc", "full"}) {
      Path disk = Files.write(folder.resolve(how), new byte[] {7});
      String option = "--preallocation=" + how;
      assertEquals(0, ours("resize", "-q", "-f", "raw", option, disk.toString(), "1M").status);
      assertEquals(MIB, Files.size(disk));
      assertEquals(7, Files.readAllBytes(disk)[0]);
      sameJsonWithSpace("info", "-f", "raw", "--output=json", disk.toString());
      String info = ours("info", "-f", "raw", "--output=json", disk.toString()).output;
      assertTrue(new ObjectMapper().readTree(info).path("actual-size").asLong() >= MIB, info);
    }
  }

  @Test
  void errorsOfAComparisonAreNoDifference() throws IOException {
    Files.write(folder.resolve("raw"), data(1, MIB));
    for (String other : new String[] {"nothing", "raw"}) {
      String[] words = {"compare", "-f", "qcow2", path("raw"), path(other)};
      assertEquals(2, qemu(words).status);
      assertEquals(2, ours(words).status);
    }
  }

  @Test
  void measuresWhatBitmapsTake() throws IOException {
    for (String compat : new String[] {"0.10", "1.1"}) {
      qemu("create", "-f", "qcow2", "-o", "compat=" + compat, path("image"), "300M");
      qemu("bitmap", "--add", "-g", "512", path("image"), "fine");
      qemu("bitmap", "--add", path("image"), "usual");
      same("measure", "-O", "qcow2", path("image"));
      same("measure", "-O", "qcow2", "-o", "cluster_size=512", path("image"));
      sameJson("measure", "-O", "qcow2", "--output=json", path("image"));
    }
  }

  @Test
  void whatAFileHasLostIsAnErrorOrSalvagedAsZeros() throws IOException {
    byte[] data = new byte[2 * MIB];
    Arrays.fill(data, (byte) 7);
    Files.write(folder.resolve("raw"), data);
    ours("convert", "-O", "qcow2", path("raw"), path("cut"));
    try (FileChannel file = FileChannel.open(folder.resolve("cut"), StandardOpenOption.WRITE)) {
      file.truncate(file.size() / (1 << 17) * (1 << 16));
    }
    IOException refused =
        assertThrows(IOException.class, () -> ours("convert", path("cut"), path("out")));
    assertTrue(refused.getMessage().contains("cut off"), refused.getMessage());
    assertEquals(2, ours("check", path("cut")).status);
    assertEquals(0, ours("convert", "-q", "--salvage", path("cut"), path("out")).status);
    byte[] left = Files.readAllBytes(folder.resolve("out"));
    assertEquals(data.length, left.length);
    int clusters = 0;
    for (int at = 0; at < left.length; at += 1 << 16) {
      clusters += left[at] == 7 ? 1 : 0;
      for (int i = at; i < at + (1 << 16); i++) {
        assertEquals(left[at], left[i]);
      }
    }
    assertTrue(clusters > 8 && clusters < 24, "clusters left: " + clusters);
  }

  @Test
  void refusesWhatMakesNoSense() throws IOException {
    String disk = Files.write(folder.resolve("disk"), new byte[MIB]).toString();
    ours("create", "-q", "-f", "qcow2", path("good"), "1M");
    String[][] wrong = {
      {"convort"},
      {"create", "-f", "qcow2", path("x")},
      {"create", "-f", "qcow3", path("x"), "1M"},
      {"create", "-f", "qcow2", path("x"), "1Z"},
      {"create", "-f", "qcow2", "-o", "cluster_size=3k", path("x"), "1M"},
      {"create", "-f", "qcow2", "-o", "clustr_size=4k", path("x"), "1M"},
      {"create", "-f", "qcow2", "-b", path("nothing"), "-F", "raw", path("x")},
      {"info", path("nothing")},
      {"info", "--outptu=json", path("x")},
      {"convert", path("nothing"), path("x")},
      {"check", "-r", "some", path("x")},
      {"create", "-f", "qcow2", "-o", "preallocation=full", "-b", disk, "-F", "raw", path("x")},
      {"rebase", "-u", "-b", disk, path("good")},
      {"rebase", "-u", "-b", disk, "-F", "some", path("good")},
      {"resize", "-f", "raw", "--preallocation=metadata", disk, "2M"},
      {"resize", "-f", "raw", "--preallocation=some", disk, "2M"},
      {"resize", "-f", "raw", "--shrink", "--preallocation=full", disk, "4k"},
      {"convert", "-m", "17", disk, path("x")},
      {"convert", "-m", "some", disk, path("x")},
    };
    for (String[] words : wrong) {
      ConfigException error =
          assertThrows(ConfigException.class, () -> ours(words), String.join(" ", words));
      assertTrue(!error.getMessage().isBlank());
      assertTrue(qemu(words).status != 0, String.join(" ", words));
    }
  }
}
