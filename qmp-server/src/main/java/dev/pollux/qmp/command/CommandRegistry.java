package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.config.ConfigException;
import dev.pollux.qmp.protocol.ErrorClass;
import dev.pollux.qmp.protocol.QmpCommands;
import dev.pollux.qmp.protocol.QmpException;
import dev.pollux.qmp.protocol.QmpSession;
import dev.pollux.qmp.schema.CommandSpec;
import dev.pollux.qmp.schema.CompatPolicy;
import dev.pollux.qmp.schema.EventSpec;
import dev.pollux.qmp.schema.Introspection;
import dev.pollux.qmp.schema.JsonMapper;
import dev.pollux.qmp.schema.QmpType;
import dev.pollux.qmp.schema.TypeCatalog;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/** All commands and events of one emulator. Constant once made; any thread. */
public final class CommandRegistry implements QmpCommands {
  /** The groups; each record in one of them is a command. */
  private static final List<Class<?>> GROUPS =
      List.of(
          ProtocolCommands.class,
          QueryCommands.class,
          MachineCommands.class,
          ChardevCommands.class,
          DeviceCommands.class,
          BalloonCommands.class,
          NetworkCommands.class,
          DisplayCommands.class,
          VncCommands.class,
          PciCommands.class,
          BlockCommands.class,
          BlockQueries.class,
          ExportCommands.class,
          JobCommands.class,
          BlockJobCommands.class,
          MigrationCommands.class,
          ColoCommands.class,
          YankCommands.class);

  private static final String NEGOTIATION = "qmp_capabilities";

  private final Emulator emulator;
  private final CompatPolicy policy;
  private final JsonMapper mapper;
  private final TypeCatalog types = new TypeCatalog();
  private final Map<String, Command> commands = new LinkedHashMap<>();
  private final Map<Class<?>, EventSpec> events = new LinkedHashMap<>();

  public CommandRegistry(Emulator emulator, CompatPolicy policy) {
    this.emulator = emulator;
    this.policy = policy;
    this.mapper = new JsonMapper(policy);
    for (Class<?> group : GROUPS) {
      for (Class<?> record : group.getPermittedSubclasses()) {
        CommandSpec spec = CommandSpec.of(types, record, types.of(replyOf(record)));
        commands.put(spec.name(), new Command(spec));
      }
    }
    for (Class<?> record : Events.class.getPermittedSubclasses()) {
      events.put(record, EventSpec.of(types, record));
    }
  }

  private static Type replyOf(Class<?> record) {
    for (Method method : record.getDeclaredMethods()) {
      if (method.getName().equals("run") && !method.isBridge()) {
        return method.getGenericReturnType() instanceof ParameterizedType type
                && type.getRawType() == CompletableFuture.class
            ? type.getActualTypeArguments()[0]
            : method.getGenericReturnType();
      }
    }
    throw new IllegalStateException(record + " has no run method");
  }

  /** A command that clients can run. */
  private final class Command implements Entry {
    private final CommandSpec spec;

    Command(CommandSpec spec) {
      this.spec = spec;
    }

    @Override
    public boolean allowsOutOfBand() {
      return spec.outOfBand();
    }

    @Override
    public boolean isNegotiation() {
      return spec.name().equals(NEGOTIATION);
    }

    @Override
    public CompletableFuture<JsonNode> run(ObjectNode arguments, QmpSession session)
        throws QmpException {
      QmpCommand<?> command = (QmpCommand<?>) mapper.read(spec.arguments(), arguments);
      try {
        Object reply = command.run(new QmpContext(emulator, CommandRegistry.this, session));
        return reply instanceof CompletableFuture<?> later
            ? later.thenApply(value -> mapper.write(spec.reply(), value))
            : CompletableFuture.completedFuture(mapper.write(spec.reply(), reply));
      } catch (ConfigException e) {
        throw e.isDeviceNotFound()
            ? new QmpException(ErrorClass.DEVICE_NOT_FOUND, e.getMessage())
            : new QmpException(e.getMessage());
      }
    }
  }

  @Override
  public Optional<Entry> find(String name) throws QmpException {
    Command command = commands.get(name);
    if (command != null) {
      policy.check(command.spec.features(), "command", name);
    }
    return Optional.ofNullable(command);
  }

  @Override
  public Executor loop() {
    return emulator.machine().loop()::post;
  }

  @Override
  public JsonNode version() {
    QmpType type = types.of(QueryCommands.VersionInfo.class);
    return mapper.write(type, QueryCommands.VersionInfo.of(emulator.version()));
  }

  /** Names of all commands. */
  public Set<String> names() {
    return commands.keySet();
  }

  /** The commands as clients see them. */
  public List<CommandSpec> commands() {
    return commands.values().stream().map(command -> command.spec).toList();
  }

  /** The events as clients see them. */
  public Collection<EventSpec> events() {
    return events.values();
  }

  /** What {@code query-qmp-schema} returns. */
  public List<JsonNode> introspection() {
    return Introspection.of(commands(), events());
  }

  /** How clients see an event; whether they may is up to {@link #policy}. */
  public EventSpec spec(Events event) {
    return events.get(event.getClass());
  }

  /** The data of an event; null where it has none. */
  public JsonNode data(Events event) {
    EventSpec spec = spec(event);
    return spec.data().members().isEmpty() ? null : mapper.write(spec.data(), event);
  }

  public CompatPolicy policy() {
    return policy;
  }
}
