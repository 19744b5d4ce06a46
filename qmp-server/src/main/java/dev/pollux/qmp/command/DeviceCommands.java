package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.machine.IoThread;
import dev.pollux.devices.model.DeviceManager;
import dev.pollux.devices.model.LiveProperty;
import dev.pollux.devices.model.Property;
import dev.pollux.devices.model.TreeNode;
import dev.pollux.devices.model.TypeTree;
import dev.pollux.devices.model.UserObject;
import dev.pollux.qmp.schema.Qmp;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Commands on devices, objects and their properties. */
public sealed interface DeviceCommands<R> extends QmpCommand<R> {
  ObjectMapper JSON = new ObjectMapper();

  @Api.Name("device_add")
  @Api.Doc("Adds a device, and tells the guest; which members there are depends on the driver.")
  record DeviceAdd(
      @Api.Doc("the device's type") String driver,
      @Api.Doc("the bus; the first that fits by default") Optional<String> bus,
      @Api.Doc("a name for it") Optional<String> id,
      @Qmp.Rest ObjectNode options)
      implements DeviceCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      ObjectNode all = options.deepCopy();
      all.put("driver", driver);
      bus.ifPresent(name -> all.put("bus", name));
      id.ifPresent(name -> all.put("id", name));
      context.devices().add(OptionText.of("device_add " + driver, all), true);
      return null;
    }
  }

  @Api.Name("device_del")
  @Api.Doc(
      "Asks the guest to let go of a device; DEVICE_DELETED comes when it has, and then the device"
          + " is gone.")
  record DeviceDel(@Api.Doc("its id, or its path") String id) implements DeviceCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.devices().requestRemoval(id);
      return null;
    }
  }

  /** A property of an object or a type. */
  record ObjectPropertyInfo(
      String name,
      String type,
      Optional<String> description,
      @Api.Doc("what it is where nothing is given") Optional<JsonNode> defaultValue) {
    static ObjectPropertyInfo of(LiveProperty property) {
      return new ObjectPropertyInfo(
          property.name(), property.type(), filled(property.description()), Optional.empty());
    }

    static <T> ObjectPropertyInfo of(Property<T> property) {
      return new ObjectPropertyInfo(
          property.name(),
          property.type(),
          filled(property.description()),
          Optional.of(json(property.show(property.otherwise()))));
    }

    private static Optional<String> filled(String text) {
      return Optional.of(text).filter(t -> !t.isEmpty());
    }
  }

  private static JsonNode json(Object value) {
    return JSON.valueToTree(value);
  }

  @Api.Doc("The properties of a type of device.")
  record DeviceListProperties(String typename) implements DeviceCommands<List<ObjectPropertyInfo>> {
    @Override
    public List<ObjectPropertyInfo> run(QmpContext context) {
      TypeTree.Type type = context.types().findDevice(typename);
      List<ObjectPropertyInfo> rows = new ArrayList<>();
      type.properties().forEach(property -> rows.add(ObjectPropertyInfo.of(property)));
      return rows;
    }
  }

  @Api.Doc("The properties of a type.")
  record QomListProperties(String typename) implements DeviceCommands<List<ObjectPropertyInfo>> {
    @Override
    public List<ObjectPropertyInfo> run(QmpContext context) {
      TypeTree.Type type = context.types().find(typename);
      List<ObjectPropertyInfo> rows = new ArrayList<>();
      type.properties().forEach(property -> rows.add(ObjectPropertyInfo.of(property)));
      return rows;
    }
  }

  @Api.Doc("The properties of an object, its children among them.")
  record QomList(@Api.Doc("absolute, or the end of one path") String path)
      implements DeviceCommands<List<ObjectPropertyInfo>> {
    @Override
    public List<ObjectPropertyInfo> run(QmpContext context) {
      TreeNode node = context.devices().tree().find(path);
      List<ObjectPropertyInfo> rows = new ArrayList<>();
      node.properties().forEach(property -> rows.add(ObjectPropertyInfo.of(property)));
      node.children()
          .forEach(
              child ->
                  rows.add(
                      new ObjectPropertyInfo(
                          child.name(),
                          "child<%s>".formatted(child.type()),
                          Optional.empty(),
                          Optional.empty())));
      return rows;
    }
  }

  @Api.Doc("The value of a property; a child's is its path.")
  record QomGet(String path, String property) implements DeviceCommands<JsonNode> {
    @Override
    public JsonNode run(QmpContext context) {
      TreeNode node = context.devices().tree().find(path);
      Optional<TreeNode> child = node.child(property);
      if (child.isPresent()) {
        return json(child.get().path());
      }
      LiveProperty found = node.property(property);
      if (found.get() == null) {
        throw new ConfigException("Property '%s' can only be set".formatted(property));
      }
      return json(found.get().get());
    }
  }

  @Api.Doc("Sets a property.")
  record QomSet(String path, String property, JsonNode value) implements DeviceCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      LiveProperty found = context.devices().tree().find(path).property(property);
      if (found.set() == null) {
        throw new ConfigException("Property '%s' is read-only".formatted(property));
      }
      found.set().accept(JSON.convertValue(value, Object.class));
      return null;
    }
  }

  /** A type. */
  record ObjectTypeInfo(
      String name,
      @Api.Name("abstract") @Api.Doc("there is none of exactly this type") Optional<Boolean> base,
      Optional<String> parent) {}

  @Api.Doc("The types of objects.")
  record QomListTypes(
      @Api.Name("implements") @Api.Doc("only those below this type") Optional<String> ancestor,
      @Api.Name("abstract") @Api.Doc("abstract ones too") Optional<Boolean> base)
      implements DeviceCommands<List<ObjectTypeInfo>> {
    @Override
    public List<ObjectTypeInfo> run(QmpContext context) {
      return context.types().below(ancestor, base.orElse(false)).stream()
          .map(
              type ->
                  new ObjectTypeInfo(
                      type.name(),
                      type.isAbstract() ? Optional.of(true) : Optional.empty(),
                      Optional.of(type.parent()).filter(parent -> !parent.isEmpty())))
          .toList();
    }
  }

  @Api.Doc("Makes an object; which members there are depends on its type.")
  record ObjectAdd(String qomType, String id, @Qmp.Rest ObjectNode options)
      implements DeviceCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      ObjectNode all = options.deepCopy();
      all.put("qom-type", qomType);
      all.put("id", id);
      DeviceManager devices = context.devices();
      devices
          .services()
          .objects()
          .add(devices.services(), OptionText.of("object-add " + qomType, all));
      return null;
    }
  }

  @Api.Doc("Removes an object that nothing uses.")
  record ObjectDel(String id) implements DeviceCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.devices().services().objects().remove(id);
      return null;
    }
  }

  /** A thread that works on queues of devices. */
  @Api.Name("IOThreadInfo")
  record IoThreadInfo(
      String id,
      @Api.Doc("the host's thread") long threadId,
      @Api.Doc("ns for which it looks for more work before it sleeps") long pollMaxNs,
      long pollGrow,
      long pollShrink,
      long aioMaxBatch) {}

  @Api.Doc("The objects of the type iothread.")
  record QueryIothreads() implements DeviceCommands<List<IoThreadInfo>> {
    @Override
    public List<IoThreadInfo> run(QmpContext context) {
      List<IoThreadInfo> rows = new ArrayList<>();
      for (TreeNode node : context.devices().tree().objects().children()) {
        if (node instanceof UserObject object && object.target() instanceof IoThread thread) {
          rows.add(
              new IoThreadInfo(
                  node.name(), HostThreads.idOf(thread.name()), thread.pollNanos(), 0, 0, 0));
        }
      }
      return rows;
    }
  }
}
