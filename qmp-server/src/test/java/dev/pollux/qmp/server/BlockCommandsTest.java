package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nodes made, asked about, resized and removed by QMP. */
class BlockCommandsTest {
  @TempDir Path folder;

  private final TestMonitor monitor = TestMonitor.negotiated();

  private String ask(String command) {
    monitor.type(command);
    return monitor.read().toString();
  }

  @Test
  void aNodeComesAndGoes() throws IOException {
    Path disk = Files.write(folder.resolve("disk.raw"), new byte[1 << 20]);
    String add =
        "{'execute':'blockdev-add','arguments':{'driver':'raw','node-name':'disk0',"
            + "'file':{'driver':'file','filename':'%s'}}}".formatted(disk);
    assertEquals("{\"return\":{}}", ask(add));
    assertTrue(ask(add).contains("Duplicate nodes with node-name='disk0'"));
    String nodes = ask("{'execute':'query-named-block-nodes','arguments':{'flat':true}}");
    assertTrue(nodes.contains("\"virtual-size\":1048576"), nodes);
    assertTrue(nodes.contains("\"node-name\":\"disk0\""), nodes);
    assertEquals(
        "{\"return\":{}}",
        ask("{'execute':'block_resize','arguments':{'node-name':'disk0','size':2097152}}"));
    assertEquals(2 << 20, Files.size(disk));
    assertEquals(
        "{\"return\":{}}", ask("{'execute':'blockdev-del','arguments':{'node-name':'disk0'}}"));
    assertEquals("{\"return\":[]}", ask("{'execute':'query-named-block-nodes'}"));
    assertTrue(
        ask("{'execute':'blockdev-del','arguments':{'node-name':'disk0'}}")
            .contains("Failed to find node with node-name='disk0'"));
  }

  @Test
  void whatIsInUseStays() {
    assertEquals(
        "{\"return\":{}}",
        ask("{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'n'}}"));
    assertEquals(
        "{\"return\":{}}",
        ask(
            "{'execute':'blockdev-add','arguments':{'driver':'raw','node-name':'r',"
                + "'file':'n'}}"));
    assertTrue(
        ask("{'execute':'blockdev-del','arguments':{'node-name':'n'}}")
            .contains("Block device n is in use"));
    ask("{'execute':'blockdev-del','arguments':{'node-name':'r'}}");
    assertEquals(
        "{\"return\":{}}", ask("{'execute':'blockdev-del','arguments':{'node-name':'n'}}"));
  }

  @Test
  void whatMakesNoSenseIsRefused() {
    String[][] wrong = {
      {"'driver':'qcow3','node-name':'a'", "Unknown driver 'qcow3'"},
      {"'driver':'null-co'", "'node-name' must be specified for the root node"},
      {"'driver':'null-co','node-name':'1a'", "Invalid node-name: '1a'"},
      {"'driver':'null-co','node-name':'a','sise':5", "sise"},
      {"'driver':'raw','node-name':'a'", "A block device must be specified for"},
      {"'driver':'raw','node-name':'a','file':'b'", "Cannot find device='b' nor node-name='b'"},
      {
        "'driver':'file','node-name':'a','filename':'/nowhere/x'",
        "Could not open '/nowhere/x': No such file or directory"
      },
    };
    for (String[] each : wrong) {
      String reply = ask("{'execute':'blockdev-add','arguments':{" + each[0] + "}}");
      assertTrue(reply.contains(each[1]), reply);
    }
    assertEquals("{\"return\":[]}", ask("{'execute':'query-named-block-nodes'}"));
  }
}
