package dev.pollux.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.pair.host.Endpoint;
import dev.pollux.cli.pair.host.LeasePlace;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The file of a side of a pair, and what is wrong with it. */
class PairFileTest {
  @TempDir private Path folder;

  private List<String> read(String text) throws IOException {
    return PairFile.read(Files.writeString(folder.resolve("pair.toml"), text));
  }

  @Test
  void keysAreOptions() throws IOException {
    assertEquals(
        List.of("--host", "a:1", "--silence", "500", "--json", "-m", "64", "-append", "x=\"y\""),
        read(
            """
            # the machine
            host = "a:1"
            silence = 500
            json = true
            machine = ["-m", "64",
              "-append", 'x="y"']
            """));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          host = "a"\\npeeer = "b"           | pair.toml:2: peeer: no such key; did you mean "peer"?
          \\n\\nhost = 7                     | pair.toml:3: host: is to be a string
          silence = "1"                      | pair.toml:1: silence: is to be a whole number
          silence = 1.5                      | pair.toml:1: silence: is to be a whole number
          json = 1                           | pair.toml:1: json: is to be true or false
          machine = "-m 64"                  | pair.toml:1: machine: is to be a list of strings
          host = "a"\\nmachine = ["-m", 64]  | pair.toml:2: machine: is to be a list of strings
          host = "a"\\n\\n[lease]\\nx = "y"   | pair.toml:3: lease: is to be a string
          host = "a"\\nhost = "b"            | pair.toml:2: Duplicate key
          host = "a"\\npeer = \\n            | pair.toml:2:
          """)
  void errorsNameTheirLine(String text, String message) {
    ConfigException e =
        assertThrows(ConfigException.class, () -> read(text.replace("\\n", "\n")), text);
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }

  @Test
  void endpoints() {
    assertEquals(new Endpoint("a", Endpoint.PORT), Endpoint.parse("--host", "a"));
    assertEquals(new Endpoint("10.0.0.1", 99), Endpoint.parse("--host", "10.0.0.1:99"));
    assertEquals(new Endpoint("fe80::1", 99), Endpoint.parse("--host", "[fe80::1]:99"));
    assertEquals(new Endpoint("fe80::1", Endpoint.PORT), Endpoint.parse("--host", "fe80::1"));
    assertEquals("[fe80::1]:7070", Endpoint.parse("--host", "[fe80::1]").toString());
    for (String wrong : List.of("", ":1", "a:", "a:x", "a:0", "a:-1", "a:65535", "a:99999999999")) {
      ConfigException e =
          assertThrows(ConfigException.class, () -> Endpoint.parse("--peer", wrong), wrong);
      assertTrue(e.getMessage().startsWith("--peer " + wrong), e.getMessage());
    }
  }

  @Test
  void leases() {
    assertEquals(new LeasePlace.ZooKeeper("a:1,b:2"), LeasePlace.parse("zookeeper:a:1,b:2"));
    assertEquals(new LeasePlace.SharedFile(Path.of("/x/y")), LeasePlace.parse("file:/x/y"));
    for (String wrong : List.of("", "zookeeper", "zookeeper:", "etcd:a", "file:")) {
      assertThrows(ConfigException.class, () -> LeasePlace.parse(wrong), wrong);
    }
  }
}
