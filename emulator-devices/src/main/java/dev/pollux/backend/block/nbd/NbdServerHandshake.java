package dev.pollux.backend.block.nbd;

import java.io.IOException;
import java.net.ProtocolException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** The server's half of the talk that comes before requests. One thread. */
final class NbdServerHandshake {
  /** The number of {@code base:allocation}. */
  static final int CONTEXT = 1;

  /** A client that wants more than this wants none of the disks. */
  private static final int MOST_OPTIONS = 1000;

  private static final int PREFERRED = 4096;

  /**
   * What was agreed upon.
   *
   * @param structured replies come in chunks
   * @param status the client may ask what a range holds
   */
  record Agreed(NbdExport export, boolean structured, boolean status) {}

  private final NbdChannel channel;
  private final NbdServer.Directory directory;

  private boolean zeroes;
  private boolean structured;

  /** The export that a context was chosen for; null before. */
  private String contextOf;

  NbdServerHandshake(NbdChannel channel, NbdServer.Directory directory) {
    this.channel = channel;
    this.directory = directory;
  }

  /** Returns empty where the client has gone without asking for a disk. */
  Optional<Agreed> run() throws IOException {
    ByteBuffer greeting = ByteBuffer.allocate(18);
    greeting.putLong(Nbd.INIT_MAGIC).putLong(Nbd.OPTION_MAGIC);
    channel.write(greeting.putShort((short) (Nbd.FIXED_NEWSTYLE | Nbd.NO_ZEROES)).flip());
    int flags = channel.u32();
    if ((flags & ~(Nbd.FIXED_NEWSTYLE | Nbd.NO_ZEROES)) != 0) {
      throw new ProtocolException("the client's flags %#x are unknown".formatted(flags));
    }
    zeroes = (flags & Nbd.NO_ZEROES) == 0;
    for (int i = 0; i < MOST_OPTIONS; i++) {
      if (channel.isAtEnd()) {
        return Optional.empty();
      }
      if (channel.u64() != Nbd.OPTION_MAGIC) {
        throw new ProtocolException("an option begins with something else");
      }
      int option = channel.u32();
      int length = channel.u32();
      if (option == Nbd.OPT_ABORT) {
        channel.skipMessage(length);
        reply(option, Nbd.REP_ACK);
        return Optional.empty();
      }
      Optional<Agreed> agreed = option(option, length);
      if (agreed.isPresent()) {
        return agreed;
      }
    }
    throw new ProtocolException("more than %d options".formatted(MOST_OPTIONS));
  }

  private Optional<Agreed> option(int option, int length) throws IOException {
    switch (option) {
      case Nbd.OPT_EXPORT_NAME -> {
        return Optional.of(exportName(length));
      }
      case Nbd.OPT_INFO, Nbd.OPT_GO -> {
        return info(option, length);
      }
      case Nbd.OPT_LIST -> list(length);
      case Nbd.OPT_STRUCTURED_REPLY -> {
        channel.skipMessage(length);
        structured = length == 0 || structured;
        reply(option, length == 0 ? Nbd.REP_ACK : Nbd.REP_ERR_INVALID);
      }
      case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT -> contexts(option, length);
      case Nbd.OPT_STARTTLS -> {
        channel.skipMessage(length);
        refuse(option, Nbd.REP_ERR_POLICY, "TLS is not supported");
      }
      default -> {
        channel.skipMessage(length);
        refuse(option, Nbd.REP_ERR_UNSUP, "Unsupported option " + Integer.toUnsignedString(option));
      }
    }
    return Optional.empty();
  }

  // ---- replies ----

  private void reply(int option, int type, byte... data) throws IOException {
    ByteBuffer message = ByteBuffer.allocate(20 + data.length);
    message.putLong(Nbd.OPTION_REPLY_MAGIC).putInt(option).putInt(type).putInt(data.length);
    channel.write(message.put(data).flip());
  }

  private void refuse(int option, int type, String text) throws IOException {
    reply(option, type, utf8(text));
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  // ---- options ----

  private Agreed exportName(int length) throws IOException {
    String name = channel.text(length, "an export's name");
    NbdExport export =
        directory
            .find(name)
            .orElseThrow(() -> new ProtocolException("export '%s' not present".formatted(name)));
    ByteBuffer answer = ByteBuffer.allocate(10 + (zeroes ? Nbd.EXPORT_NAME_ZEROES : 0));
    answer.putLong(export.node().length()).putShort((short) export.flags(structured));
    channel.write(answer.rewind());
    return agreed(export);
  }

  private Agreed agreed(NbdExport export) {
    return new Agreed(export, structured, structured && export.name().equals(contextOf));
  }

  /** The data of an option, whose parts have lengths in them. */
  private ByteBuffer data(int length) throws IOException {
    if (length < 0 || length > 4 * Nbd.MOST_NAME) {
      throw new ProtocolException(
          "an option of %s bytes".formatted(Integer.toUnsignedString(length)));
    }
    return ByteBuffer.wrap(channel.bytes(length));
  }

  /** Text with its length before it; empty where it does not fit. */
  private static Optional<String> text(ByteBuffer data) {
    if (data.remaining() < 4) {
      return Optional.empty();
    }
    int length = data.getInt();
    if (length < 0 || length > data.remaining() || length > Nbd.MOST_NAME) {
      return Optional.empty();
    }
    byte[] bytes = new byte[length];
    data.get(bytes);
    return Optional.of(new String(bytes, StandardCharsets.UTF_8));
  }

  private Optional<Agreed> info(int option, int length) throws IOException {
    ByteBuffer data = data(length);
    Optional<String> name = text(data);
    if (name.isEmpty()
        || data.remaining() < 2
        || (data.getShort() & 0xffff) * 2 != data.remaining()) {
      refuse(option, Nbd.REP_ERR_INVALID, "the lengths in the option do not fit together");
      return Optional.empty();
    }
    Optional<NbdExport> export = directory.find(name.get());
    if (export.isEmpty()) {
      refuse(option, Nbd.REP_ERR_UNKNOWN, "export '%s' not present".formatted(name.get()));
      return Optional.empty();
    }
    while (data.hasRemaining()) {
      tell(option, data.getShort(), export.get());
    }
    NbdExport found = export.get();
    ByteBuffer size = ByteBuffer.allocate(12).putShort((short) Nbd.INFO_EXPORT);
    size.putLong(found.node().length()).putShort((short) found.flags(structured));
    reply(option, Nbd.REP_INFO, size.array());
    reply(option, Nbd.REP_ACK);
    return option == Nbd.OPT_GO ? Optional.of(agreed(found)) : Optional.empty();
  }

  private void tell(int option, int kind, NbdExport export) throws IOException {
    switch (kind) {
      case Nbd.INFO_NAME -> info(option, kind, utf8(export.name()));
      case Nbd.INFO_DESCRIPTION -> info(option, kind, utf8(export.description()));
      case Nbd.INFO_BLOCK_SIZE ->
          info(
              option,
              kind,
              ByteBuffer.allocate(12).putInt(1).putInt(PREFERRED).putInt(Nbd.MOST_DATA).array());
      default -> {} // clients may ask for anything
    }
  }

  private void info(int option, int kind, byte... data) throws IOException {
    ByteBuffer message = ByteBuffer.allocate(2 + data.length).putShort((short) kind).put(data);
    reply(option, Nbd.REP_INFO, message.array());
  }

  private void list(int length) throws IOException {
    channel.skipMessage(length);
    if (length != 0) {
      refuse(Nbd.OPT_LIST, Nbd.REP_ERR_INVALID, "NBD_OPT_LIST has no data");
      return;
    }
    for (NbdExport export : directory.all()) {
      byte[] name = utf8(export.name());
      byte[] description = utf8(export.description());
      ByteBuffer message = ByteBuffer.allocate(4 + name.length + description.length);
      message.putInt(name.length).put(name).put(description);
      reply(Nbd.OPT_LIST, Nbd.REP_SERVER, message.array());
    }
    reply(Nbd.OPT_LIST, Nbd.REP_ACK);
  }

  private void contexts(int option, int length) throws IOException {
    ByteBuffer data = data(length);
    Optional<String> name = text(data);
    if (!structured || name.isEmpty() || data.remaining() < 4) {
      refuse(option, Nbd.REP_ERR_INVALID, "contexts need structured replies, and a name");
      return;
    }
    if (directory.find(name.get()).isEmpty()) {
      refuse(option, Nbd.REP_ERR_UNKNOWN, "export '%s' not present".formatted(name.get()));
      return;
    }
    boolean set = option == Nbd.OPT_SET_META_CONTEXT;
    int queries = data.getInt();
    boolean wanted = !set && queries == 0;
    for (int i = 0; i < queries; i++) {
      Optional<String> query = text(data);
      if (query.isEmpty()) {
        refuse(option, Nbd.REP_ERR_INVALID, "a query does not fit into the option");
        return;
      }
      wanted |= query.get().equals(Nbd.BASE_ALLOCATION) || !set && query.get().equals("base:");
    }
    if (set) {
      contextOf = wanted ? name.get() : null;
    }
    if (wanted) {
      byte[] context = utf8(Nbd.BASE_ALLOCATION);
      ByteBuffer message = ByteBuffer.allocate(4 + context.length);
      message.putInt(set ? CONTEXT : 0).put(context);
      reply(option, Nbd.REP_META_CONTEXT, message.array());
    }
    reply(option, Nbd.REP_ACK);
  }
}
