package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import dev.pollux.core.config.Api;
import dev.pollux.qmp.protocol.QmpException;
import java.util.List;
import java.util.Optional;

/** Commands about the protocol itself. */
public sealed interface ProtocolCommands<R> extends QmpCommand<R> {
  /** Capabilities of the protocol. */
  enum QMPCapability {
    @Api.Doc("Commands can be executed at once, past those that wait.")
    OOB
  }

  @Api.Name("qmp_capabilities")
  @Api.Doc("Completes negotiation; the first command on a connection.")
  record QmpCapabilities(@Api.Doc("capabilities to enable") Optional<List<QMPCapability>> enable)
      implements ProtocolCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      context.session().negotiate(enable.orElse(List.of()).contains(QMPCapability.OOB));
      return null;
    }
  }

  /** A command's name. */
  record CommandInfo(@Api.Doc("the command's name") String name) {}

  @Api.Doc("Lists the commands.")
  record QueryCommands() implements ProtocolCommands<List<CommandInfo>> {
    @Override
    public List<CommandInfo> run(QmpContext context) {
      return context.commands().names().stream().map(CommandInfo::new).toList();
    }
  }

  @Api.Doc("Describes all commands, events and types.")
  record QueryQmpSchema() implements ProtocolCommands<List<JsonNode>> {
    @Override
    public List<JsonNode> run(QmpContext context) {
      return context.commands().introspection();
    }
  }
}
