package dev.pollux.qmp.command;

import dev.pollux.core.config.Api;
import dev.pollux.qmp.protocol.ErrorClass;
import dev.pollux.qmp.protocol.QmpException;
import dev.pollux.qmp.schema.Qmp;
import java.util.ArrayList;
import java.util.List;

/**
 * Commands that cut connections of a machine that is stuck. Any thread, without the machine lock.
 */
public sealed interface YankCommands<R> extends QmpCommand<R> {
  /** What can have connections. */
  enum YankInstanceType {
    BLOCK_NODE,
    CHARDEV,
    MIGRATION
  }

  /** Something with connections. */
  @Api.Union(values = YankInstanceType.class)
  sealed interface YankInstance {
    record BlockNode(String nodeName) implements YankInstance {}

    record Chardev(@Api.Doc("the character device's name") String id) implements YankInstance {}

    record Migration() implements YankInstance {}
  }

  @Qmp.OutOfBand
  @Api.Doc("What can be given to yank.")
  record QueryYank() implements YankCommands<List<YankInstance>> {
    @Override
    public List<YankInstance> run(QmpContext context) {
      List<YankInstance> instances = new ArrayList<>();
      context
          .blocks()
          .connections()
          .keySet()
          .forEach(name -> instances.add(new YankInstance.BlockNode(name)));
      context
          .charDevices()
          .sockets()
          .keySet()
          .forEach(id -> instances.add(new YankInstance.Chardev(id)));
      if (context.migration().isYankable()) {
        instances.add(new YankInstance.Migration());
      }
      return instances;
    }
  }

  @Qmp.OutOfBand
  @Api.Doc(
      "Cuts all connections of some instances at once, so that nothing waits for them any more.")
  record Yank(List<YankInstance> instances) implements YankCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      List<Runnable> cuts = new ArrayList<>();
      for (YankInstance instance : instances) {
        cuts.add(cut(instance, context));
      }
      cuts.forEach(Runnable::run);
      return null;
    }

    private static Runnable cut(YankInstance instance, QmpContext context) throws QmpException {
      Runnable cut =
          switch (instance) {
            case YankInstance.BlockNode(String name) -> context.blocks().connections().get(name);
            case YankInstance.Chardev(String id) -> context.charDevices().sockets().get(id);
            case YankInstance.Migration() ->
                context.migration().isYankable() ? context.migration()::yank : null;
          };
      if (cut == null) {
        throw new QmpException(ErrorClass.DEVICE_NOT_FOUND, "Instance not found");
      }
      return cut;
    }
  }
}
