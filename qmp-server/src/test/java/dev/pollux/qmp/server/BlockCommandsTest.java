package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockDevice;
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
  void nodesAreOpenedAnewWithOtherOptions() throws IOException {
    Path disk = Files.write(folder.resolve("disk.raw"), new byte[1 << 20]);
    ask(
        "{'execute':'blockdev-add','arguments':{'driver':'file','node-name':'f','filename':'%s'}}"
            .formatted(disk));
    String reopen =
        "{'execute':'blockdev-reopen','arguments':{'options':[{'driver':'file','node-name':'f',"
            + "'filename':'%s'%s}]}}";
    assertEquals("{\"return\":{}}", ask(reopen.formatted(disk, ",'read-only':true")));
    String nodes = "{'execute':'query-named-block-nodes'}";
    assertTrue(ask(nodes).contains("\"ro\":true"));
    assertTrue(
        ask(reopen.formatted(disk, ",'locking':'off'"))
            .contains("Cannot change the option 'locking'"));
    assertTrue(ask(reopen.formatted("/other", "")).contains("Cannot change the option 'filename'"));
    assertTrue(ask(nodes).contains("\"ro\":true"));
    assertEquals("{\"return\":{}}", ask(reopen.formatted(disk, ",'detect-zeroes':'on'")));
    String now = ask(nodes);
    assertTrue(now.contains("\"ro\":false") && now.contains("\"detect_zeroes\":\"on\""), now);
  }

  @Test
  void limitsOfADiskAreSetAndShown() throws IOException {
    monitor.blocks().addBackend("d0", null);
    String limit =
        "{'execute':'block_set_io_throttle','arguments':{'device':'d0','bps':%d,'bps_rd':0,"
            + "'bps_wr':0,'iops':0,'iops_rd':%d,'iops_wr':0,'group':'slow'}}";
    assertEquals("{\"return\":{}}", ask(limit.formatted(1000, 5)));
    assertEquals("slow", monitor.blocks().backend("d0").orElseThrow().limits().orElseThrow().id());
    assertTrue(ask(limit.formatted(-1, 0)).contains("error"));
    assertEquals("{\"return\":{}}", ask(limit.formatted(0, 0)));
    assertTrue(monitor.blocks().backend("d0").orElseThrow().limits().isEmpty());
  }

  @Test
  void aTrayThatMovesIsTold() {
    BlockBackend backend = monitor.blocks().addBackend("cd", null);
    backend.attach(new Drive(backend));
    monitor.type("{'execute':'blockdev-open-tray','arguments':{'id':'drive0'}}");
    String event = monitor.read().toString();
    assertTrue(event.contains("DEVICE_TRAY_MOVED") && event.contains("\"tray-open\":true"), event);
    assertEquals("{\"return\":{}}", monitor.read().toString());
    assertEquals(
        "{\"return\":{}}", ask("{'execute':'blockdev-open-tray','arguments':{'id':'drive0'}}"));
    assertTrue(
        ask("{'execute':'blockdev-close-tray','arguments':{'id':'drive0'}}")
            .contains("\"tray-open\":false"));
    assertEquals("{\"return\":{}}", monitor.read().toString());
  }

  /** A drive whose tray does as it is told. */
  private static final class Drive implements BlockDevice {
    private final BlockBackend backend;
    private boolean open;

    Drive(BlockBackend backend) {
      this.backend = backend;
    }

    @Override
    public String id() {
      return "drive0";
    }

    @Override
    public String qomPath() {
      return "/machine/peripheral/drive0";
    }

    @Override
    public boolean removable() {
      return true;
    }

    @Override
    public boolean trayOpen() {
      return open;
    }

    @Override
    public void mediumChanged(boolean present) {
      open = !present;
      backend.trayMoved(open);
    }
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
