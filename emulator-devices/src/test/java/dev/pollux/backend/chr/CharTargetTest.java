package dev.pollux.backend.chr;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollux.backend.chr.CharSpec.SocketTarget;
import dev.pollux.core.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CharTargetTest {
  private static CharSpec legacy(String text) {
    return ((CharTarget.New) CharTarget.parse("-serial", text, "serial0")).options().spec();
  }

  @Test
  void shortForms() {
    assertEquals(new CharTarget.None(), CharTarget.parse("-serial", "none", "serial0"));
    assertEquals(
        new CharTarget.Reference("a"), CharTarget.parse("-serial", "chardev:a", "serial0"));
    assertEquals(new CharSpec.Null("null"), legacy("null"));
    assertEquals(new CharSpec.Null("vc"), legacy("vc:80Cx24C"));
    assertEquals(new CharSpec.Stdio(true), legacy("stdio"));
    assertEquals(new CharSpec.Pty(""), legacy("pty"));
    assertEquals(new CharSpec.File("/tmp/a,b:c", false, ""), legacy("file:/tmp/a,b:c"));
    assertEquals(new CharSpec.Pipe("/tmp/p"), legacy("pipe:/tmp/p"));
    assertEquals(
        new CharSpec.Socket(new SocketTarget.Unix("/tmp/s"), true, false, 0, false),
        legacy("unix:/tmp/s,server,nowait"));
    assertEquals(
        new CharSpec.Socket(new SocketTarget.Unix("/tmp/s"), true, true, 0, false),
        legacy("unix:/tmp/s,server=on"));
    assertEquals(
        new CharSpec.Socket(
            new SocketTarget.Inet("::1", 4444, 0, true, true), true, false, 0, true),
        legacy("tcp:[::1]:4444,server=on,wait=off,nodelay"));
    assertEquals(
        new CharSpec.Socket(
            new SocketTarget.Inet("", 4444, 0, true, true), false, false, 2000, false),
        legacy("tcp::4444,reconnect=2"));
  }

  @Test
  void monitorSharesTheTerminalAndCtrlCGoesToTheGuest() {
    CharTarget.New target = (CharTarget.New) CharTarget.parse("-serial", "mon:stdio", "serial0");
    assertTrue(target.withMonitor());
    assertTrue(target.options().mux());
    assertEquals(new CharSpec.Stdio(false), target.options().spec());
  }

  @Test
  void longForms() {
    CharOptions socket =
        CharOptions.parse("socket,id=c0,path=/tmp/a,,b,server=on,wait=off,logfile=/tmp/l");
    assertEquals("c0", socket.id());
    assertEquals("/tmp/l", socket.logFile());
    assertFalse(socket.mux());
    assertEquals(
        new CharSpec.Socket(new SocketTarget.Unix("/tmp/a,b"), true, false, 0, false),
        socket.spec());
    assertEquals(
        new CharSpec.Stdio(false), CharOptions.parse("stdio,id=s,mux=on,signal=off").spec());
    assertEquals(new CharSpec.RingBuf(1 << 20), CharOptions.parse("ringbuf,id=r,size=1M").spec());
    assertEquals(
        new CharSpec.Socket(new SocketTarget.Inet("h", 1, 9, true, false), true, true, 0, false),
        CharOptions.parse("socket,id=t,host=h,port=1,to=9,ipv4=on,server=on").spec());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "sokket,id=a                          | did you mean \"socket\"?",
        "socket,path=/tmp/a                   | id is missing",
        "socket,id=a                          | add path=FILE",
        "socket,id=a,path=/tmp/a,port=1       | either a path or a host",
        "socket,id=a,port=70000               | give 0 to 65535",
        "socket,id=a,port=1,servr=on          | did you mean \"server\"?",
        "socket,id=a,port=1,wait=on           | add server=on",
        "socket,id=a,port=1,server=on,reconnect=1 | does not reconnect",
        "socket,id=a,port=1,telnet=on         | telnet sockets are not supported",
        "socket,id=a,port=1,server=perhaps    | neither on nor off",
        "file,id=a                            | path is missing",
        "ringbuf,id=a,size=3                  | power of two",
        "udp,id=a,port=1                      | not supported"
      })
  void badLongForms(String text, String hint) {
    assertHint(hint, () -> CharOptions.parse(text));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "stdoi              | did you mean \"stdio\"?",
        "stdio,signal=off   | nothing follows",
        "tpc:localhost:4444 | did you mean \"tcp:\"?",
        "tcp:localhost      | tcp:HOST:PORT",
        "tcp:localhost:x    | not a number",
        "unix:              | path is missing",
        "mon:none           | cannot connect to",
        "''                 | known:"
      })
  void badShortForms(String text, String hint) {
    assertHint(hint, () -> CharTarget.parse("-serial", text, "serial0"));
  }

  private static void assertHint(String hint, org.junit.jupiter.api.function.Executable parse) {
    String message = assertThrows(ConfigException.class, parse).getMessage();
    assertTrue(message.contains(hint), message);
    assertFalse(message.contains("\n"), message);
  }
}
