package dev.pollux.backend.block.nbd;

import dev.pollux.backend.block.nbd.NbdClientHandshake.Reply;
import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What a server offers, as it tells anybody who asks. */
public final class NbdCatalog {
  private static final int CONNECT_MILLIS = 10_000;
  private static final int MOST = 10_000;

  private static final Map<Integer, String> FLAGS =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry(1, "readonly"),
              Map.entry(2, "flush"),
              Map.entry(3, "fua"),
              Map.entry(4, "rotational"),
              Map.entry(5, "trim"),
              Map.entry(6, "zeroes"),
              Map.entry(7, "df"),
              Map.entry(8, "multi"),
              Map.entry(9, "resize"),
              Map.entry(10, "cache"),
              Map.entry(11, "fast-zero")));

  /**
   * An export.
   *
   * @param size bytes
   * @param blocks smallest, best and largest request in bytes; empty where the server does not say
   * @param contexts what can be asked about ranges
   */
  public record Entry(
      String name,
      String description,
      long size,
      int flags,
      List<Integer> blocks,
      List<String> contexts) {

    /** The flags in words, each followed by a space. */
    public String flagWords() {
      StringBuilder words = new StringBuilder();
      FLAGS.forEach(
          (bit, word) -> {
            if ((flags >> bit & 1) != 0) {
              words.append(word).append(' ');
            }
          });
      return words.toString();
    }
  }

  private final NbdChannel channel;

  private NbdCatalog(NbdChannel channel) {
    this.channel = channel;
  }

  /** Asks a server for all that it offers. */
  public static List<Entry> of(NbdAddress address) throws IOException {
    try (NbdChannel channel = new NbdChannel(address.connect(CONNECT_MILLIS))) {
      return new NbdCatalog(channel).list();
    }
  }

  private List<Entry> list() throws IOException {
    NbdClientHandshake.greet(channel);
    NbdClientHandshake.send(channel, Nbd.OPT_STRUCTURED_REPLY, ByteBuffer.allocate(0));
    Reply structured = NbdClientHandshake.receive(channel, Nbd.OPT_STRUCTURED_REPLY);
    channel.skipMessage(structured.length());
    Map<String, String> names = names();
    List<Entry> entries = new ArrayList<>();
    for (Map.Entry<String, String> name : names.entrySet()) {
      entries.add(info(name.getKey(), name.getValue(), !structured.isError()));
    }
    NbdClientHandshake.send(channel, Nbd.OPT_ABORT, ByteBuffer.allocate(0));
    return entries;
  }

  private Map<String, String> names() throws IOException {
    Map<String, String> names = new TreeMap<>();
    NbdClientHandshake.send(channel, Nbd.OPT_LIST, ByteBuffer.allocate(0));
    for (int i = 0; i < MOST; i++) {
      Reply reply = NbdClientHandshake.receive(channel, Nbd.OPT_LIST);
      if (reply.type() != Nbd.REP_SERVER) {
        channel.skipMessage(reply.length());
        if (reply.isError()) {
          throw new IOException("the server does not tell what it offers");
        }
        return names;
      }
      if (reply.length() < 4) {
        throw new ProtocolException("an export without a name");
      }
      int length = channel.u32();
      String name = channel.text(length, "an export's name");
      names.put(name, channel.text(reply.length() - 4 - length, "a description"));
    }
    throw new ProtocolException("the server offers more than %d disks".formatted(MOST));
  }

  private static ByteBuffer named(String name, int more) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(4 + bytes.length + more).putInt(bytes.length).put(bytes);
  }

  private Entry info(String name, String description, boolean structured) throws IOException {
    ByteBuffer data = named(name, 4).putShort((short) 1).putShort((short) Nbd.INFO_BLOCK_SIZE);
    NbdClientHandshake.send(channel, Nbd.OPT_INFO, data.flip());
    long size = 0;
    int flags = 0;
    List<Integer> blocks = List.of();
    for (int i = 0; i < MOST; i++) {
      Reply reply = NbdClientHandshake.receive(channel, Nbd.OPT_INFO);
      if (reply.type() != Nbd.REP_INFO || reply.length() < 2) {
        channel.skipMessage(reply.length());
        return new Entry(
            name, description, size, flags, blocks, structured ? contexts(name) : List.of());
      }
      int kind = channel.u16();
      if (kind == Nbd.INFO_EXPORT && reply.length() == 12) {
        size = channel.u64();
        flags = channel.u16();
      } else if (kind == Nbd.INFO_BLOCK_SIZE && reply.length() == 14) {
        blocks = List.of(channel.u32(), channel.u32(), channel.u32());
      } else {
        channel.skipMessage(reply.length() - 2);
      }
    }
    throw new ProtocolException("the server does not stop telling about '%s'".formatted(name));
  }

  private List<String> contexts(String name) throws IOException {
    NbdClientHandshake.send(channel, Nbd.OPT_LIST_META_CONTEXT, named(name, 4).putInt(0).flip());
    List<String> contexts = new ArrayList<>();
    for (int i = 0; i < MOST; i++) {
      Reply reply = NbdClientHandshake.receive(channel, Nbd.OPT_LIST_META_CONTEXT);
      if (reply.type() != Nbd.REP_META_CONTEXT || reply.length() < 4) {
        channel.skipMessage(reply.length());
        return contexts;
      }
      channel.skip(4);
      contexts.add(channel.text(reply.length() - 4, "a context's name"));
    }
    throw new ProtocolException("the server does not stop telling contexts");
  }
}
