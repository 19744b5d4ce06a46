package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockDevice;
import dev.pollux.backend.block.NodeOptions;
import dev.pollux.backend.block.image.Qcow2Creator;
import dev.pollux.backend.block.node.FileNode;
import dev.pollux.backend.block.node.Locking;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
  void theImageBelowIsToldOfWithWhatItsFormatSays() throws IOException {
    for (String name : new String[] {"base", "top"}) {
      Path path = Files.createFile(folder.resolve(name));
      String backing = name.equals("top") ? folder.resolve("base").toString() : "";
      String format = backing.isEmpty() ? "" : "qcow2";
      try (FileNode file = FileNode.open(NodeOptions.of("f"), path.toString(), Locking.ON)) {
        int clusterBits = backing.isEmpty() ? 12 : 16;
        new Qcow2Creator(3, 1 << 20, clusterBits, 4, true, false, backing, format).create(file);
      }
    }
    String add =
        "{'execute':'blockdev-add','arguments':{'driver':'qcow2','node-name':'t',"
            + "'file':{'driver':'file','filename':'%s'}}}".formatted(folder.resolve("top"));
    assertEquals("{\"return\":{}}", ask(add));
    String nodes = ask("{'execute':'query-named-block-nodes'}");
    int below = nodes.indexOf("\"backing-image\":{");
    assertTrue(below > 0, nodes);
    String image = nodes.substring(below, nodes.indexOf("}}}", below));
    assertTrue(image.contains("\"cluster-size\":4096"), image);
    assertTrue(image.contains("\"dirty-flag\":false"), image);
    assertTrue(image.contains("\"lazy-refcounts\":true"), image);
    String flat = ask("{'execute':'query-named-block-nodes','arguments':{'flat':true}}");
    assertTrue(!flat.contains("backing-image"), flat);
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

  /** Has an image made, and returns what query-jobs says of it in the end. */
  private String create(String id, String options) throws InterruptedException {
    assertEquals(
        "{\"return\":{}}",
        ask(
            "{'execute':'blockdev-create','arguments':{'job-id':'%s','options':{%s}}}"
                .formatted(id, options)));
    String jobs = ask("{'execute':'query-jobs'}");
    for (int i = 0; i < 1000 && !jobs.contains("concluded"); i++) {
      Thread.sleep(10);
      jobs = ask("{'execute':'query-jobs'}");
    }
    assertEquals(
        "{\"return\":{}}", ask("{'execute':'job-dismiss','arguments':{'id':'%s'}}".formatted(id)));
    return jobs;
  }

  @Test
  void imagesAreMade() throws IOException, InterruptedException {
    Path disk = folder.resolve("made.img");
    String made = create("j0", "'driver':'file','filename':'%s','size':1000000".formatted(disk));
    assertEquals(
        "{\"return\":[{\"id\":\"j0\",\"type\":\"create\",\"status\":\"concluded\","
            + "\"current-progress\":1,\"total-progress\":1}]}",
        made);
    assertEquals(1_000_000, Files.size(disk));
    ask(
        "{'execute':'blockdev-add','arguments':{'driver':'file','node-name':'f','filename':'%s'}}"
            .formatted(disk));
    String image =
        "'driver':'qcow2','file':'f','size':67108864,'cluster-size':4096,'refcount-bits':8,"
            + "'compression-type':'zstd','preallocation':'metadata','lazy-refcounts':true";
    assertTrue(!create("j1", image).contains("error"));
    assertEquals(
        "{\"return\":{}}",
        ask(
            "{'execute':'blockdev-add','arguments':{'driver':'qcow2','node-name':'q',"
                + "'file':'f'}}"));
    String nodes = ask("{'execute':'query-named-block-nodes','arguments':{'flat':true}}");
    assertTrue(nodes.contains("\"virtual-size\":67108864"), nodes);
    assertTrue(nodes.contains("\"cluster-size\":4096"), nodes);
    assertTrue(nodes.contains("\"refcount-bits\":8"), nodes);
    assertTrue(nodes.contains("\"compression-type\":\"zstd\""), nodes);
    String busy = create("j2", image);
    assertTrue(busy.contains("Node 'f' is in use"), busy);
  }

  /** As QEMU puts it: the command succeeds, and the job does not. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'driver':'file','filename':'/nonexistent/x','size':1"
            + "|Could not create '/nonexistent/x': No such file or directory",
        "'driver':'file','filename':'%s/x','size':1,'preallocation':'metadata'"
            + "|Unsupported preallocation mode: metadata",
        "'driver':'qcow2','file':'nope','size':512"
            + "|Cannot find device='nope' nor node-name='nope'",
        "'driver':'qcow2','file':'n','size':513|Image size must be a multiple of 512 bytes",
        "'driver':'qcow2','file':'n','size':512,'cluster-size':1000"
            + "|Cluster size must be a power of two between 512 and 2048k",
        "'driver':'qcow2','file':'n','size':512,'refcount-bits':3"
            + "|Refcount width must be a power of two and may not exceed 64 bits",
        "'driver':'qcow2','file':'n','size':512,'version':'v2','lazy-refcounts':true"
            + "|Lazy refcounts only supported with compatibility level 1.1 and above"
            + " (use version=v3 or greater)",
        "'driver':'qcow2','file':'n','size':512,'backing-fmt':'raw'"
            + "|Backing format cannot be used without backing file",
        "'driver':'qcow2','file':'r','size':512|Block node is read-only",
        "'driver':'qcow2','file':'n','size':18446744073709551104|The image size is too large",
      },
      quoteCharacter = '"')
  void imagesThatCannotBeMadeAreErrorsOfTheJob(String options, String error)
      throws InterruptedException {
    ask("{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'n'}}");
    ask(
        "{'execute':'blockdev-add','arguments':{'driver':'null-co','node-name':'r',"
            + "'read-only':true}}");
    String jobs = create("j", options.formatted(folder));
    assertTrue(jobs.contains("\"error\":\"" + error + "\""), jobs);
    String nodes = ask("{'execute':'blockdev-del','arguments':{'node-name':'n'}}");
    assertEquals("{\"return\":{}}", nodes); // nobody holds it
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
