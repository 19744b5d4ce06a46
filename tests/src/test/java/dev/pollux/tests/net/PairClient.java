package dev.pollux.tests.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.tests.harness.PolluxProcess;
import java.time.Duration;

/**
 * A client of a guest that has one connection for bytes and one for a disk, all the time. It sends
 * random bytes and checks each that comes back; it has numbers kept on the disk, and checks that
 * what it was told is kept is there.
 */
final class PairClient implements AutoCloseable {
  /** Runs in the guest when it starts: its disk is {@code /dev/vda}. */
  static final String SERVER =
      """
      #!/bin/sh
      ip addr flush dev eth0; ip addr add 10.77.0.50/24 dev eth0; ip link set eth0 up
      cat > /tmp/disk <<'END'
      #!/bin/sh
      # Blocks of 4 KiB in turn keep numbers; each MiB behind the first keeps one number's text.
      text() { yes $1 | head -c 1048576; }
      while read what n; do
        case $what in
          write) printf %08d $n | dd of=/dev/vda bs=4096 seek=$((n%64)) conv=fsync,notrunc 2>/dev/null
            echo $n;;
          read) dd if=/dev/vda bs=4096 skip=$((n%64)) count=1 iflag=direct 2>/dev/null | head -c 8; echo;;
          grow) text $n > /tmp/text
            dd if=/tmp/text of=/dev/vda bs=1048576 seek=$n conv=fsync,notrunc 2>/dev/null; echo $?;;
          same) text $n > /tmp/text
            dd if=/dev/vda bs=1048576 skip=$n count=1 iflag=direct 2>/dev/null | cmp - /tmp/text; echo $?;;
        esac
      done
      END
      chmod +x /tmp/disk
      nc -ll -p 7 -e /bin/cat &
      nc -ll -p 8 -e /tmp/disk &
      """;

  private static final String CLIENT =
      """
      import socket,time,random,sys,threading,queue
      def connect(port,hello):
        while True:
          try:
            s=socket.create_connection((sys.argv[1],port),5); s.settimeout(90)
            s.setsockopt(socket.IPPROTO_TCP,socket.TCP_NODELAY,1)
            s.sendall(hello)
            if s.recv(len(hello)): return s
          except OSError: time.sleep(0.2)
      def say(what,n,answer):
        disk.sendall(b"%s %d\\n" % (what,n)); line=lines.readline()
        if not line.strip() or int(line)!=answer: end("%s %d: %r" % (what,n,line))
      def end(why): print("WRONG "+why,flush=True); sys.exit(1)
      wishes=queue.Queue()
      threading.Thread(target=lambda:[wishes.put(line) for line in sys.stdin],daemon=True).start()
      echo=connect(7,b"hello"); disk=connect(8,b"write 0\\n"); lines=disk.makefile("rb")
      r=random.Random(7); kept=grown=0; worst=0; told=wrote=time.monotonic()
      print("connected",flush=True)
      while True:
        t=time.monotonic(); d=r.randbytes(r.randint(1,3000)); echo.sendall(d); h=b""
        while len(h)<len(d):
          m=echo.recv(65536)
          if not m: end("closed")
          h+=m
        if h!=d: end("bytes")
        if t-wrote>0.1: say(b"write",kept+1,kept+1); kept+=1; wrote=t
        worst=max(worst,time.monotonic()-t)
        if t-told>0.2: print("worst %.2f" % worst,flush=True); worst=0; told=t
        if not wishes.empty():
          wish=wishes.get()
          if wish=="grow\\n": say(b"grow",grown+1,0); grown+=1
          if wish=="check\\n":
            say(b"read",kept,kept)
            for n in range(max(1,grown-1),grown+1): say(b"same",n,0)
          print("done",flush=True)
        time.sleep(0.01)
      """;

  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final PolluxProcess process;

  /** Starts it; returns when it has both connections. */
  PairClient(TwoHosts hosts) {
    process = hosts.client("python3", "-c", CLIENT, TwoHosts.GUEST);
    try {
      process.expect("connected", PATIENCE);
    } catch (Error e) {
      process.close();
      throw e;
    }
  }

  private void wish(String word) {
    process.type(word + "\n");
    process.expect("done", PATIENCE);
  }

  /** Has the guest write a MiB where its disk was empty; returns when it has said that it has. */
  void grow() {
    wish("grow");
  }

  /**
   * Returns when the disk has been seen to have what was last said to be there, and bytes have gone
   * to and fro since.
   */
  void check() {
    wish("check");
    long told = count();
    while (count() < told + 2) { // the first may be of before
      process.expect("worst", PATIENCE);
    }
    assertTrue(process.process().isAlive(), process::output);
  }

  private long count() {
    return process.output().lines().count();
  }

  /** A point in what it has heard, for {@link #longestSilence}. */
  long now() {
    return count();
  }

  /** For how many seconds it has waited for an answer since then, at most. */
  double longestSilence(long since) {
    return process
        .output()
        .lines()
        .skip(since)
        .filter(line -> line.startsWith("worst "))
        .mapToDouble(line -> Double.parseDouble(line.substring(6)))
        .max()
        .orElse(0);
  }

  @Override
  public void close() {
    process.close();
  }
}
