package dev.pollux.qmp.command;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.graph.BlockExports;
import dev.pollux.backend.block.nbd.NbdAddress;
import dev.pollux.core.config.Api;
import dev.pollux.qmp.protocol.QmpException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;

/** Commands on disks that other programs reach, and on the NBD server that offers them. */
public sealed interface ExportCommands<R> extends QmpCommand<R> {
  @Api.Doc("Starts the NBD server.")
  record NbdServerStart(
      ChardevCommands.SocketAddressLegacy addr,
      @Api.Doc("TLS is not supported") Optional<String> tlsCreds,
      Optional<String> tlsAuthz,
      @Api.Doc("at a time, 100 by default; 0 for any number") @Api.Unsigned(bits = 32)
          Optional<Long> maxConnections)
      implements ExportCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      if (tlsCreds.isPresent() || tlsAuthz.isPresent()) {
        throw new QmpException("TLS is not supported; leave tls-creds and tls-authz out");
      }
      NbdAddress address =
          switch (addr) {
            case ChardevCommands.SocketAddressLegacy.Unix(ChardevCommands.UnixSocketAddress file) ->
                new NbdAddress.Unix(file.path());
            case ChardevCommands.SocketAddressLegacy.Inet(ChardevCommands.InetSocketAddress inet) ->
                new NbdAddress.Inet(inet.host(), NbdAddress.port(inet.port()));
          };
      long most = maxConnections.orElse((long) BlockExports.MOST_CONNECTIONS);
      context.blocks().exports().startServer(address, (int) Math.min(most, Integer.MAX_VALUE));
      return null;
    }
  }

  @Api.Doc("Stops the NBD server and removes its exports.")
  record NbdServerStop() implements ExportCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.blocks().exports().stopServer();
      return null;
    }
  }

  @Api.Obsolete(
      since = "5.2",
      reason = "there are exports of other kinds",
      instead = "block-export-add")
  @Api.Doc("Offers a node through the NBD server.")
  record NbdServerAdd(
      @Api.Doc("node or backend") String device,
      @Api.Doc("by which clients ask for it; that of the device by default") Optional<String> name,
      Optional<String> description,
      Optional<Boolean> writable)
      implements ExportCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      String id = name.orElse(device);
      return add(context, id, device, id, description, writable);
    }
  }

  /** What becomes of an export that has clients. */
  enum BlockExportRemoveMode {
    SAFE,
    HARD
  }

  @Api.Obsolete(
      since = "5.2",
      reason = "there are exports of other kinds",
      instead = "block-export-del")
  @Api.Doc("Removes an export of the NBD server.")
  record NbdServerRemove(String name, Optional<BlockExportRemoveMode> mode)
      implements ExportCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      return delete(context, name, mode);
    }
  }

  /** Kinds of exports. */
  enum BlockExportType {
    NBD
  }

  @Api.Doc("Offers a node to other programs.")
  record BlockExportAdd(
      BlockExportType type,
      String id,
      String nodeName,
      Optional<Boolean> writable,
      @Api.Doc("each write reaches the disk before it is acknowledged")
          Optional<Boolean> writethrough,
      @Api.Doc("by which clients ask for it; that of the node by default") Optional<String> name,
      Optional<String> description)
      implements ExportCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      BlockNode _ = context.blocks().requireNode(nodeName);
      add(context, id, nodeName, name.orElse(nodeName), description, writable);
      context.blocks().exports().all().stream()
          .filter(entry -> entry.id().equals(id))
          .forEach(entry -> entry.export().backend().setWriteCache(!writethrough.orElse(false)));
      return null;
    }
  }

  @Api.Doc("Removes an export.")
  record BlockExportDel(String id, Optional<BlockExportRemoveMode> mode)
      implements ExportCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      return delete(context, id, mode);
    }
  }

  /** A node that other programs reach. */
  record BlockExportInfo(String id, BlockExportType type, String nodeName, boolean shuttingDown) {}

  @Api.Doc("The nodes that other programs reach.")
  record QueryBlockExports() implements ExportCommands<List<BlockExportInfo>> {
    @Override
    public List<BlockExportInfo> run(QmpContext context) {
      return context.blocks().exports().all().stream()
          .map(
              entry ->
                  new BlockExportInfo(
                      entry.id(), BlockExportType.NBD, entry.export().node().name(), false))
          .toList();
    }
  }

  private static Void add(
      QmpContext context,
      String id,
      String node,
      String name,
      Optional<String> description,
      Optional<Boolean> writable)
      throws QmpException {
    try {
      context
          .blocks()
          .exports()
          .add(id, node, name, description.orElse(""), writable.orElse(false));
      return null;
    } catch (IOException e) {
      throw new QmpException(e.getMessage());
    }
  }

  private static Void delete(QmpContext context, String id, Optional<BlockExportRemoveMode> mode)
      throws QmpException {
    BlockExports exports = context.blocks().exports();
    if (mode.orElse(BlockExportRemoveMode.SAFE) == BlockExportRemoveMode.SAFE
        && exports.isInUse(id)) {
      throw new QmpException("export '%s' still in use".formatted(id));
    }
    exports.remove(id);
    return null;
  }
}
