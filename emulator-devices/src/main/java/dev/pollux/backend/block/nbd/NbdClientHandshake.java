package dev.pollux.backend.block.nbd;

import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** The client's half of the talk that comes before requests. */
final class NbdClientHandshake {
  /**
   * What was agreed upon.
   *
   * @param size bytes
   * @param flags of the export
   * @param largest bytes of data in a request at most
   * @param structured replies may come in chunks
   * @param context number of {@code base:allocation}, or -1 without it
   */
  record Agreed(long size, int flags, int largest, boolean structured, int context) {
    boolean has(int flag) {
      return (flags & flag) != 0;
    }
  }

  /** More messages in answer to one question do not come. */
  private static final int MOST_REPLIES = 10_000;

  private static final int LARGEST_UNIT = 512;

  private final NbdChannel channel;
  private final String export;

  private long size = -1;
  private int flags;
  private int largest = Nbd.MOST_DATA;

  private NbdClientHandshake(NbdChannel channel, String export) {
    this.channel = channel;
    this.export = export;
  }

  /**
   * Asks for an export.
   *
   * @throws IOException if the server has none of that name, or does not speak as it should
   */
  static Agreed run(NbdChannel channel, String export) throws IOException {
    return new NbdClientHandshake(channel, export).run();
  }

  private Agreed run() throws IOException {
    int greeting = greet(channel);
    boolean structured = false;
    int context = -1;
    if (ask(Nbd.OPT_STRUCTURED_REPLY, ByteBuffer.allocate(0)).type() == Nbd.REP_ACK) {
      structured = true;
      context = setContext();
    }
    go((greeting & Nbd.NO_ZEROES) == 0);
    if (size < 0) {
      throw new ProtocolException("the server does not say how large '" + export + "' is");
    }
    return new Agreed(size, flags, largest, structured, context);
  }

  /** Both say that they speak the fixed newstyle; returns the server's flags. */
  static int greet(NbdChannel channel) throws IOException {
    if (channel.u64() != Nbd.INIT_MAGIC || channel.u64() != Nbd.OPTION_MAGIC) {
      throw new ProtocolException("Bad initial magic received: the peer is no NBD server of today");
    }
    int greeting = channel.u16();
    if ((greeting & Nbd.FIXED_NEWSTYLE) == 0) {
      throw new ProtocolException("the server does not speak the fixed newstyle protocol");
    }
    channel.write(ByteBuffer.allocate(4).putInt(greeting & 3).flip());
    return greeting;
  }

  /** An answer of the server; its data has not been read yet. */
  record Reply(int type, int length) {
    boolean isError() {
      return (type & Nbd.REP_ERROR) != 0;
    }
  }

  static void send(NbdChannel channel, int option, ByteBuffer data) throws IOException {
    ByteBuffer message = ByteBuffer.allocate(16 + data.remaining());
    message.putLong(Nbd.OPTION_MAGIC).putInt(option).putInt(data.remaining()).put(data).flip();
    channel.write(message);
  }

  static Reply receive(NbdChannel channel, int option) throws IOException {
    if (channel.u64() != Nbd.OPTION_REPLY_MAGIC) {
      throw new ProtocolException("Unexpected option reply magic");
    }
    int answered = channel.u32();
    if (answered != option) {
      throw new ProtocolException(
          "an answer to option %d in place of %d".formatted(answered, option));
    }
    return new Reply(channel.u32(), channel.u32());
  }

  /** Asks something that is answered by a mark alone. */
  private Reply ask(int option, ByteBuffer data) throws IOException {
    send(channel, option, data);
    Reply reply = receive(channel, option);
    channel.skipMessage(reply.length());
    if (reply.type() == Nbd.REP_ERR_TLS_REQD) {
      throw tlsRequired();
    }
    return reply;
  }

  private static IOException tlsRequired() {
    return new IOException("the server wants TLS, which is not supported here");
  }

  private byte[] name() {
    return export.getBytes(StandardCharsets.UTF_8);
  }

  private int setContext() throws IOException {
    byte[] name = name();
    byte[] query = Nbd.BASE_ALLOCATION.getBytes(StandardCharsets.UTF_8);
    ByteBuffer data = ByteBuffer.allocate(12 + name.length + query.length);
    data.putInt(name.length).put(name).putInt(1).putInt(query.length).put(query).flip();
    send(channel, Nbd.OPT_SET_META_CONTEXT, data);
    int context = -1;
    for (int i = 0; i < MOST_REPLIES; i++) {
      Reply reply = receive(channel, Nbd.OPT_SET_META_CONTEXT);
      if (reply.type() != Nbd.REP_META_CONTEXT) {
        channel.skipMessage(reply.length());
        return context;
      }
      if (reply.length() < 4) {
        throw new ProtocolException("a context without a number");
      }
      int number = channel.u32();
      if (channel.text(reply.length() - 4, "a context's name").equals(Nbd.BASE_ALLOCATION)) {
        context = number & Integer.MAX_VALUE;
      }
    }
    throw new ProtocolException("the server does not stop telling contexts");
  }

  private void go(boolean zeroes) throws IOException {
    byte[] name = name();
    ByteBuffer data = ByteBuffer.allocate(8 + name.length);
    data.putInt(name.length).put(name).putShort((short) 1).putShort((short) Nbd.INFO_BLOCK_SIZE);
    send(channel, Nbd.OPT_GO, data.flip());
    for (int i = 0; i < MOST_REPLIES; i++) {
      Reply reply = receive(channel, Nbd.OPT_GO);
      if (reply.type() == Nbd.REP_ACK) {
        channel.skipMessage(reply.length());
        return;
      }
      if (reply.type() == Nbd.REP_ERR_UNSUP) {
        channel.skipMessage(reply.length());
        exportName(zeroes);
        return;
      }
      if (reply.isError()) {
        throw refused(reply);
      }
      info(reply);
    }
    throw new ProtocolException("the server does not stop telling about the export");
  }

  private IOException refused(Reply reply) throws IOException {
    String text = channel.text(reply.length(), "an error's text");
    return switch (reply.type()) {
      case Nbd.REP_ERR_TLS_REQD -> tlsRequired();
      case Nbd.REP_ERR_UNKNOWN ->
          new IOException("Requested export not available" + (text.isEmpty() ? "" : ": " + text));
      default ->
          new IOException(
              "the server refuses export '%s' (error %d)%s"
                  .formatted(
                      export, reply.type() & Integer.MAX_VALUE, text.isEmpty() ? "" : ": " + text));
    };
  }

  private void info(Reply reply) throws IOException {
    if (reply.type() != Nbd.REP_INFO || reply.length() < 2) {
      throw new ProtocolException("answer %d to NBD_OPT_GO".formatted(reply.type()));
    }
    int kind = channel.u16();
    int left = reply.length() - 2;
    if (kind == Nbd.INFO_EXPORT && left == 10) {
      setSize(channel.u64(), channel.u16());
    } else if (kind == Nbd.INFO_BLOCK_SIZE && left == 12) {
      setBlockSizes(channel.u32(), channel.u32(), channel.u32());
    } else {
      channel.skipMessage(left);
    }
  }

  private void setSize(long bytes, int exportFlags) throws ProtocolException {
    if (bytes < 0) {
      throw new ProtocolException("an export of %s bytes".formatted(Long.toUnsignedString(bytes)));
    }
    size = bytes;
    flags = exportFlags;
  }

  private void setBlockSizes(int least, int preferred, int most) throws ProtocolException {
    if (Integer.bitCount(least) != 1 || least > LARGEST_UNIT || least < 0) {
      throw new ProtocolException(
          "the server wants requests in units of %s bytes; 512 are the most that is supported"
              .formatted(Integer.toUnsignedString(least)));
    }
    if (preferred != 0 && Integer.compareUnsigned(most, LARGEST_UNIT) < 0) {
      throw new ProtocolException(
          "the server takes %s bytes at most".formatted(Integer.toUnsignedString(most)));
    }
    largest = most < 0 ? Nbd.MOST_DATA : Math.min(Nbd.MOST_DATA, most & -LARGEST_UNIT);
  }

  /** The older way; a server that has no such export ends the connection. */
  private void exportName(boolean zeroes) throws IOException {
    send(channel, Nbd.OPT_EXPORT_NAME, ByteBuffer.wrap(name()));
    setSize(channel.u64(), channel.u16());
    if (zeroes) {
      channel.skip(Nbd.EXPORT_NAME_ZEROES);
    }
  }
}
