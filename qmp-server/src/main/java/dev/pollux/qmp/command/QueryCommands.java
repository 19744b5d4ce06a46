package dev.pollux.qmp.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.cpu.CpuModel;
import dev.pollux.core.cpu.CpuTopology;
import dev.pollux.core.cpu.Vcpu;
import dev.pollux.core.machine.RunState;
import dev.pollux.devices.board.MachineType;
import dev.pollux.devices.board.Machines;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** Commands that look at the machine as a whole. */
public sealed interface QueryCommands<R> extends QmpCommand<R> {
  @Api.Doc("The parts of a version number.")
  record VersionTriple(long major, long minor, long micro) {}

  /** The version. */
  record VersionInfo(
      @Api.Doc("the version of QEMU whose interface this is") VersionTriple qemu,
      @Api.Name("package") @Api.Doc("the version of this program") String build) {
    /** QEMU's version whose monitor this is. */
    private static final VersionTriple INTERFACE = new VersionTriple(10, 2, 0);

    static VersionInfo of(String version) {
      return new VersionInfo(INTERFACE, "pollux " + version);
    }
  }

  @Api.Doc("The version of the program and of the interface.")
  record QueryVersion() implements QueryCommands<VersionInfo> {
    @Override
    public VersionInfo run(QmpContext context) {
      return VersionInfo.of(context.emulator().version());
    }
  }

  /** What the machine is doing. */
  record StatusInfo(
      @Api.Doc("whether the vCPUs execute") boolean running,
      @Api.Doc("what the machine is doing") RunState status) {}

  @Api.Doc("What the machine is doing.")
  record QueryStatus() implements QueryCommands<StatusInfo> {
    @Override
    public StatusInfo run(QmpContext context) {
      RunState state = context.machine().runState().current();
      return new StatusInfo(state.isRunning(), state);
    }
  }

  /** The machine's name. */
  record NameInfo(@Api.Doc("as given by -name; absent where it was not") Optional<String> name) {}

  @Api.Doc("The name of the virtual machine.")
  record QueryName() implements QueryCommands<NameInfo> {
    @Override
    public NameInfo run(QmpContext context) {
      return new NameInfo(Optional.of(context.machine().name()).filter(name -> !name.isEmpty()));
    }
  }

  /** The machine's identity. */
  record UuidInfo(@Api.Name("UUID") @Api.Doc("all zero where none was given") String uuid) {}

  @Api.Doc("The UUID of the virtual machine.")
  record QueryUuid() implements QueryCommands<UuidInfo> {
    @Override
    public UuidInfo run(QmpContext context) {
      UUID uuid = context.emulator().uuid();
      return new UuidInfo(uuid.toString());
    }
  }

  /** Architectures of guests. */
  enum SysEmuTarget {
    @Api.Name("x86_64")
    X86_64
  }

  @Api.Doc("Where a vCPU sits.")
  record CpuInstanceProperties(
      @Api.Name("socket-id") Optional<Long> socket,
      @Api.Name("core-id") Optional<Long> core,
      @Api.Name("thread-id") Optional<Long> thread) {}

  /** One vCPU. */
  record CpuInfoFast(
      @Api.Doc("its number") long cpuIndex,
      @Api.Doc("its place among the objects") String qomPath,
      @Api.Doc("the host's thread that executes it") long threadId,
      Optional<CpuInstanceProperties> props,
      SysEmuTarget target) {}

  @Api.Doc("The vCPUs, without disturbing them.")
  record QueryCpusFast() implements QueryCommands<List<CpuInfoFast>> {
    @Override
    public List<CpuInfoFast> run(QmpContext context) {
      return context.machine().vcpus().stream().map(QueryCpusFast::info).toList();
    }

    private static CpuInfoFast info(Vcpu vcpu) {
      int index = vcpu.index();
      CpuTopology topology = vcpu.model().topology();
      long core = index / topology.threads();
      return new CpuInfoFast(
          index,
          "/machine/unattached/device[%d]".formatted(index),
          HostThreads.idOf("CPU " + index),
          Optional.of(
              new CpuInstanceProperties(
                  Optional.of(core / topology.cores()),
                  Optional.of(core % topology.cores()),
                  Optional.of((long) index % topology.threads()))),
          SysEmuTarget.X86_64);
    }
  }

  /** One model of processor. */
  record CpuDefinitionInfo(
      String name,
      @Api.Doc("whether a guest with it can be moved to every host that has what it needs")
          Optional<Boolean> migrationSafe,
      @Api.Name("static") @Api.Doc("whether it will never change") boolean fixed,
      @Api.Doc("features of it that a guest here would not get")
          Optional<List<String>> unavailableFeatures,
      @Api.Doc("its type among the objects") String typename,
      @Api.Doc("the model that this is another name of") Optional<String> aliasOf,
      boolean deprecated) {}

  @Api.Doc("The models of processors.")
  record QueryCpuDefinitions() implements QueryCommands<List<CpuDefinitionInfo>> {
    @Override
    public List<CpuDefinitionInfo> run(QmpContext context) {
      return context.machine().vcpus().stream()
          .limit(1)
          .flatMap(vcpu -> vcpu.model().known().stream())
          .map(QueryCpuDefinitions::info)
          .toList();
    }

    private static CpuDefinitionInfo info(CpuModel.Known model) {
      return new CpuDefinitionInfo(
          model.name(),
          Optional.of(model.named()),
          false,
          Optional.of(model.unavailable().stream().map(CpuFeature::qemuName).toList()),
          model.name() + "-x86_64-cpu",
          model.aliasOf(),
          false);
    }
  }

  /** How a model is told. */
  enum CpuModelExpansionType {
    @Api.Name("static")
    @Api.Doc("by features alone, from a base that never changes")
    BASE,
    @Api.Doc("under its name, with all features")
    FULL
  }

  @Api.Doc("A model of processor, and how it is changed.")
  record CpuModelInfo(
      String name, @Api.Doc("features and properties by name") Optional<JsonNode> props) {}

  @Api.Doc("What a model of processor is made of.")
  record CpuModelExpansionInfo(CpuModelInfo model) {}

  @Api.Doc("The features that a guest with a model of processor has here.")
  record QueryCpuModelExpansion(CpuModelExpansionType type, CpuModelInfo model)
      implements QueryCommands<CpuModelExpansionInfo> {
    @Override
    public CpuModelExpansionInfo run(QmpContext context) {
      CpuModel expanded = expand();
      ObjectNode props = JsonNodeFactory.instance.objectNode();
      for (CpuFeature feature : CpuFeature.values()) {
        props.put(feature.qemuName(), expanded.has(feature));
      }
      String name = type == CpuModelExpansionType.FULL ? expanded.name() : "base";
      return new CpuModelExpansionInfo(new CpuModelInfo(name, Optional.of(props)));
    }

    private CpuModel expand() {
      StringBuilder option = new StringBuilder(model.name());
      model
          .props()
          .ifPresent(
              props ->
                  props
                      .properties()
                      .forEach(
                          p -> option.append(',').append(p.getKey()).append('=').append(text(p))));
      try {
        return new CpuModel(option.toString());
      } catch (IllegalArgumentException e) {
        throw new ConfigException(e.getMessage(), e);
      }
    }

    private static String text(Map.Entry<String, JsonNode> property) {
      JsonNode value = property.getValue();
      return value.isBoolean() ? value.asBoolean() ? "on" : "off" : value.asText();
    }
  }

  /** What the machine can do. */
  record CurrentMachineParams(
      @Api.Name("wakeup-suspend-support")
          @Api.Doc("whether a guest that sleeps in RAM can be woken")
          boolean wakeupSuspendSupport) {}

  @Api.Doc("What the machine can do beyond what its type says.")
  record QueryCurrentMachine() implements QueryCommands<CurrentMachineParams> {
    @Override
    public CurrentMachineParams run(QmpContext context) {
      return new CurrentMachineParams(true);
    }
  }

  /** As many as have APIC ids of eight bits. */
  int MOST_CPUS = 255;

  /** One type of machine. */
  record MachineInfo(
      String name,
      @Api.Doc("another name for it") Optional<String> alias,
      @Api.Doc("whether it is the default") Optional<Boolean> isDefault,
      @Api.Doc("most vCPUs") long cpuMax,
      boolean hotpluggableCpus,
      boolean numaMemSupported,
      boolean deprecated,
      Optional<String> defaultCpuType,
      Optional<String> defaultRamId) {}

  @Api.Doc("The types of machines.")
  record QueryMachines() implements QueryCommands<List<MachineInfo>> {
    @Override
    public List<MachineInfo> run(QmpContext context) {
      List<MachineInfo> rows = new ArrayList<>();
      for (MachineType type : Machines.ALL) {
        Optional<String> alias = Optional.of(type.alias()).filter(name -> !name.isEmpty());
        rows.add(row(type.name(), alias, type.isDefault()));
        type.olderNames().forEach(name -> rows.add(row(name, Optional.empty(), false)));
      }
      return rows;
    }

    private static MachineInfo row(String name, Optional<String> alias, boolean isDefault) {
      return new MachineInfo(
          name,
          alias,
          isDefault ? Optional.of(true) : Optional.empty(),
          MOST_CPUS,
          false,
          false,
          false,
          Optional.of("max-x86_64-cpu"),
          Optional.of("pc.ram"));
    }
  }
}
