package dev.pollux.backend.net.user;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;

/** A program of the host, whose standard input and output are a connection of the guest. */
final class ProgramStream implements HostStream {
  private final Reactor reactor;
  private final Process process;
  private final Pipe input;
  private final Pipe output;
  private final SelectionKey readKey;
  private final SelectionKey writeKey;
  private boolean open = true;

  /**
   * Starts a command with the shell.
   *
   * @param events hears of bytes and room
   */
  ProgramStream(Reactor reactor, String command, TcpRelay.Events events) throws IOException {
    this.reactor = reactor;
    process =
        new ProcessBuilder("/bin/sh", "-c", command)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    input = Pipe.open();
    output = Pipe.open();
    output.source().configureBlocking(false);
    input.sink().configureBlocking(false);
    readKey = reactor.register(output.source(), 0, key -> events.readable());
    writeKey = reactor.register(input.sink(), 0, key -> events.writable());
    pump(Channels.newInputStream(input.source()), process.getOutputStream());
    pump(process.getInputStream(), Channels.newOutputStream(output.sink()));
  }

  private static void pump(InputStream from, OutputStream to) {
    Thread.ofPlatform()
        .name("guestfwd")
        .daemon(true)
        .start(
            () -> {
              try (from;
                  to) {
                byte[] buffer = new byte[8192];
                int read;
                while ((read = from.read(buffer)) > 0) {
                  to.write(buffer, 0, read);
                  to.flush();
                }
              } catch (IOException e) {
                // One of the two has ended, and the connection with it.
              }
            });
  }

  @Override
  public void watch(boolean read, boolean write) {
    reactor.interest(readKey, read ? SelectionKey.OP_READ : 0);
    reactor.interest(writeKey, write ? SelectionKey.OP_WRITE : 0);
  }

  @Override
  public int read(ByteBuffer to) throws IOException {
    return output.source().read(to);
  }

  @Override
  public int write(ByteBuffer from) throws IOException {
    return input.sink().write(from);
  }

  @Override
  public void shutdownOutput() throws IOException {
    input.sink().close();
  }

  @Override
  public void abortOnClose() {
    process.destroy();
  }

  @Override
  public boolean isOpen() {
    return open;
  }

  @Override
  public void close() throws IOException {
    open = false;
    input.sink().close();
    output.source().close();
    reactor.wakeUp();
  }
}
