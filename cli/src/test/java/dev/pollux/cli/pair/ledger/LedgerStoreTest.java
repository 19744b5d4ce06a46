package dev.pollux.cli.pair.ledger;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.cli.pair.decide.Ledger;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Every place for a record keeps the same promises. */
@Timeout(120)
class LedgerStoreTest {
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  /** Replacements that threads compete for. */
  private static final int ROUNDS = 40;

  @TempDir private Path folder;

  /** Opens a place once more, as another host would. */
  private interface Opener {
    LedgerStore open() throws IOException;
  }

  private static Ledger ledger(long version, String stamp) {
    return new Ledger(version, "a", "a", Map.of("a", "g1"), false, stamp);
  }

  @Test
  void file() throws Exception {
    judge(() -> new FileLedger(folder.resolve("record"), Duration.ofSeconds(5)));
  }

  @Test
  void zooKeeper() throws Exception {
    try (ZooKeeperProcess server = server(0)) {
      String at = "127.0.0.1:" + server.port();
      judge(() -> new ZooKeeperLedger(at, "pair", PATIENCE));
    }
  }

  private ZooKeeperProcess server(int port) throws IOException {
    return new ZooKeeperProcess(
        new InetSocketAddress(InetAddress.getLoopbackAddress(), port), folder);
  }

  private static void judge(Opener opener) throws Exception {
    try (LedgerStore one = opener.open();
        LedgerStore other = opener.open()) {
      assertEquals(Optional.empty(), one.look());
      assertFalse(one.replace(ledger(2, "early")));
      assertTrue(one.replace(ledger(1, "first")));
      assertFalse(other.replace(ledger(1, "second")));
      assertEquals(Optional.of(ledger(1, "first")), other.look());
      assertTrue(other.replace(ledger(2, "next")));
      assertFalse(one.replace(ledger(2, "late")));
      assertFalse(one.replace(ledger(4, "early")));
      assertEquals(Optional.of(ledger(2, "next")), one.look());
      compete(List.of(one, other, one, other));
    }
  }

  /** Of those who replace the same version one succeeds. */
  private static void compete(List<LedgerStore> stores) throws Exception {
    try (ExecutorService threads = Executors.newFixedThreadPool(stores.size())) {
      for (long version = 3; version < 3 + ROUNDS; version++) {
        List<Future<Boolean>> tries = new ArrayList<>();
        for (LedgerStore store : stores) {
          Ledger next = ledger(version, "by " + tries.size());
          tries.add(threads.submit(() -> store.replace(next)));
        }
        int winner = -1;
        for (int i = 0; i < tries.size(); i++) {
          if (tries.get(i).get()) {
            assertEquals(-1, winner, "two have replaced version " + version);
            winner = i;
          }
        }
        assertEquals("by " + winner, stores.getFirst().look().orElseThrow().stamp());
      }
    }
  }

  /** What a server has said is done stays so when it comes back. */
  @Test
  void zooKeeperComesBack() throws Exception {
    int port;
    try (ZooKeeperProcess server = server(0)) {
      port = server.port();
      try (LedgerStore store = new ZooKeeperLedger("127.0.0.1:" + port, "pair", PATIENCE)) {
        assertTrue(store.replace(ledger(1, "kept")));
      }
    }
    Duration soon = Duration.ofMillis(300);
    try (LedgerStore store = new ZooKeeperLedger("127.0.0.1:" + port, "pair", soon)) {
      assertThrows(IOException.class, store::look);
      assertThrows(IOException.class, () -> store.replace(ledger(2, "nowhere")));
      try (ZooKeeperProcess _ = server(port)) {
        for (int i = 0; ; i++) {
          try {
            assertEquals("kept", store.look().orElseThrow().stamp());
            break;
          } catch (IOException e) {
            assertTrue(i < 100, e.getMessage());
            Thread.sleep(100);
          }
        }
        assertTrue(store.replace(ledger(2, "after")));
      }
    }
  }

  @Test
  void whatIsNoRecordIsSaid() throws Exception {
    Path file = folder.resolve("record");
    try (LedgerStore store = new FileLedger(file, Duration.ofSeconds(5))) {
      for (String text :
          List.of(
              "",
              "{}",
              "nonsense",
              "{\"version\":0,\"holder\":\"\",\"last\":\"\",\"inSync\":{},\"ended\":false,"
                  + "\"stamp\":\"\"}",
              "{\"version\":5,\"holder\":\"a\",\"last\":\"a\",\"inSync\":{\"b\":\"1\"},"
                  + "\"ended\":false,\"stamp\":\"\"}",
              "{\"version\":5,\"holder\":null,\"last\":\"a\",\"inSync\":{},\"ended\":false,"
                  + "\"stamp\":\"\"}")) {
        Files.writeString(file, text);
        IOException e = assertThrows(IOException.class, store::look, text);
        assertTrue(e.getMessage().contains("no record of a pair"), e.getMessage());
        assertThrows(IOException.class, () -> store.replace(ledger(6, "x")), text);
      }
    }
  }
}
