package dev.pollux.migration;

import dev.pollux.backend.net.Announcement;
import dev.pollux.core.config.Api;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.config.StrOrNull;
import java.lang.reflect.RecordComponent;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The numbers and words that tune migrations. As a request it holds what is to change; the
 * parameters in force hold a value for all but {@code blockBitmapMapping}.
 */
public record MigrationParameters(
    @Api.Unsigned
        @Api.Range(min = 0, max = 100_000)
        @Api.Doc("ms before the first announcement of the guest's place")
        Optional<Long> announceInitial,
    @Api.Unsigned @Api.Range(min = 0, max = 100_000) @Api.Doc("most ms between announcements")
        Optional<Long> announceMax,
    @Api.Unsigned @Api.Range(min = 0, max = 1000) @Api.Doc("number of announcements")
        Optional<Long> announceRounds,
    @Api.Unsigned @Api.Range(min = 1, max = 10_000) @Api.Doc("ms by which announcements move apart")
        Optional<Long> announceStep,
    @Api.Unsigned(bits = 8)
        @Api.Range(min = 1, max = 100, words = "an integer in the range of 1 to 100")
        @Api.Doc("percentage of rewritten memory that makes auto-converge act")
        Optional<Long> throttleTriggerThreshold,
    @Api.Unsigned(bits = 8)
        @Api.Range(min = 1, max = 99, words = "an integer in the range of 1 to 99")
        @Api.Doc("percentage of time that is taken from vCPUs at first")
        Optional<Long> cpuThrottleInitial,
    @Api.Unsigned(bits = 8)
        @Api.Range(min = 1, max = 99, words = "an integer in the range of 1 to 99")
        @Api.Doc("percentage by which it grows")
        Optional<Long> cpuThrottleIncrement,
    @Api.Doc("smaller steps towards the end") Optional<Boolean> cpuThrottleTailslow,
    @Api.Doc("object with the TLS credentials; empty for no TLS") Optional<StrOrNull> tlsCreds,
    @Api.Doc("name expected in the certificate") Optional<StrOrNull> tlsHostname,
    @Api.Doc("object that authorizes clients") Optional<StrOrNull> tlsAuthz,
    @Api.Unsigned @Api.Doc("bytes per second; 0 for no limit") Optional<Long> maxBandwidth,
    @Api.Unsigned @Api.Doc("bytes per second to reckon with for the switchover; 0 measures it")
        Optional<Long> availSwitchoverBandwidth,
    @Api.Unsigned
        @Api.Range(min = 0, max = 2_000_000, words = "an integer in the range of 0 to 2000000 ms")
        @Api.Doc("ms for which the guest may stand still")
        Optional<Long> downtimeLimit,
    @Api.Unsigned(bits = 32)
        @Api.Unstable
        @Api.Obsolete(
            since = Colo.DEPRECATED_SINCE,
            reason = Colo.DEPRECATED,
            instead = Colo.NOTHING)
        @Api.Doc("ms between checkpoints")
        Optional<Long> xCheckpointDelay,
    @Api.Unsigned(bits = 8) @Api.Range(min = 1, max = 255) @Api.Doc("connections of multifd")
        Optional<Long> multifdChannels,
    @Api.Unsigned @Api.Doc("bytes, a power of two") Optional<Long> xbzrleCacheSize,
    @Api.Unsigned @Api.Doc("bytes per second after the switchover; 0 for no limit")
        Optional<Long> maxPostcopyBandwidth,
    @Api.Unsigned(bits = 8) @Api.Doc("most of a vCPU's time that is taken, percent")
        Optional<Long> maxCpuThrottle,
    Optional<MultiFDCompression> multifdCompression,
    @Api.Unsigned(bits = 8) @Api.Range(min = 0, max = 9) Optional<Long> multifdZlibLevel,
    @Api.Unsigned(bits = 8) @Api.Range(min = 1, max = 9) Optional<Long> multifdQatzipLevel,
    @Api.Unsigned(bits = 8) @Api.Range(min = 0, max = 20) Optional<Long> multifdZstdLevel,
    @Api.Doc("names of dirty bitmaps on the other side")
        Optional<List<BitmapMigrationNodeAlias>> blockBitmapMapping,
    @Api.Unsigned
        @Api.Unstable
        @Api.Range(min = 1, max = 1000)
        @Api.Doc("ms between looks at the rate of writes")
        Optional<Long> xVcpuDirtyLimitPeriod,
    @Api.Unsigned
        @Api.Range(min = 1, max = Long.MAX_VALUE, words = "a value of at least 1 MB/s")
        @Api.Doc("MB/s that a vCPU may write")
        Optional<Long> vcpuDirtyLimit,
    Optional<MigMode> mode,
    @Api.Doc("where zero pages are looked for") Optional<ZeroPageDetection> zeroPageDetection,
    @Api.Doc("past the host's page cache") Optional<Boolean> directIo,
    @Api.Doc("program that cpr-exec starts") Optional<List<String>> cprExecCommand,
    @Api.Unsigned
        @Api.Unstable
        @Api.Range(min = 200, max = 60_000)
        @Api.Doc("ms of silence after which the other side of a pair counts as dead")
        Optional<Long> xPolluxSilence) {
  /** How multifd makes memory smaller. */
  public enum MultiFDCompression {
    NONE,
    ZLIB,
    ZSTD
  }

  /** What a migration is for. */
  public enum MigMode {
    NORMAL,
    CPR_REBOOT,
    CPR_TRANSFER,
    CPR_EXEC
  }

  /** Where zero pages are found. */
  public enum ZeroPageDetection {
    NONE,
    @Api.Doc("in the migration thread")
    LEGACY,
    @Api.Doc("in the threads of multifd")
    MULTIFD
  }

  /** A dirty bitmap's name on the other side. */
  public record BitmapMigrationBitmapAlias(String name, String alias) {}

  /** A disk's name on the other side. */
  public record BitmapMigrationNodeAlias(
      String nodeName, String alias, List<BitmapMigrationBitmapAlias> bitmaps) {}

  private static final long PAGE = 4096;

  /** What is in force before anybody sets anything. */
  public static final MigrationParameters DEFAULTS =
      new MigrationParameters(
          Optional.of(50L),
          Optional.of(550L),
          Optional.of(5L),
          Optional.of(100L),
          Optional.of(50L),
          Optional.of(20L),
          Optional.of(10L),
          Optional.of(false),
          Optional.of(new StrOrNull("")),
          Optional.of(new StrOrNull("")),
          Optional.of(new StrOrNull("")),
          Optional.of(128L << 20),
          Optional.of(0L),
          Optional.of(300L),
          Optional.of(20_000L),
          Optional.of(2L),
          Optional.of(64L << 20),
          Optional.of(0L),
          Optional.of(99L),
          Optional.of(MultiFDCompression.NONE),
          Optional.of(1L),
          Optional.of(1L),
          Optional.of(1L),
          Optional.empty(),
          Optional.of(1000L),
          Optional.of(1L),
          Optional.of(MigMode.NORMAL),
          Optional.of(ZeroPageDetection.MULTIFD),
          Optional.of(false),
          Optional.of(List.of()),
          Optional.of(3000L));

  /** How a guest that has arrived is announced. */
  public Announcement announcement() {
    return new Announcement(
        announceInitial.orElseThrow(),
        announceMax.orElseThrow(),
        announceRounds.orElseThrow(),
        announceStep.orElseThrow());
  }

  /**
   * These parameters with some changed.
   *
   * @throws ConfigException if one of the changes is out of its range, for instance with {@code
   *     Parameter 'multifd-channels' expects a value between 1 and 255}
   */
  public MigrationParameters with(MigrationParameters changes) {
    RecordComponent[] components = MigrationParameters.class.getRecordComponents();
    Object[] values = new Object[components.length];
    try {
      for (int i = 0; i < components.length; i++) {
        Optional<?> change = (Optional<?>) components[i].getAccessor().invoke(changes);
        if (change.isPresent() && change.get() instanceof Long number) {
          checkRange(components[i], number);
        }
        values[i] = change.isPresent() ? change : components[i].getAccessor().invoke(this);
      }
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
    MigrationParameters merged = of(values);
    merged.checkTogether();
    return merged;
  }

  /**
   * @param values of all components, in their order
   */
  static MigrationParameters of(Object[] values) {
    Class<?>[] types =
        Stream.of(MigrationParameters.class.getRecordComponents())
            .map(RecordComponent::getType)
            .toArray(Class<?>[]::new);
    try {
      return MigrationParameters.class.getDeclaredConstructor(types).newInstance(values);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void checkRange(RecordComponent component, long value) {
    Api.Range range = component.getAnnotation(Api.Range.class);
    if (range != null
        && (Long.compareUnsigned(value, range.min()) < 0
            || Long.compareUnsigned(value, range.max()) > 0)) {
      throw expects(
          label(component.getName()),
          range.words().isEmpty()
              ? "a value between %d and %d".formatted(range.min(), range.max())
              : range.words());
    }
  }

  private void checkTogether() {
    long cache = xbzrleCacheSize.orElseThrow();
    if (cache < PAGE || Long.bitCount(cache) != 1) {
      throw expects("xbzrle-cache-size", "a power of two no less than the target page size");
    }
    long most = maxCpuThrottle.orElseThrow();
    if (most < cpuThrottleInitial.orElseThrow() || most > 99) {
      throw expects("max-cpu-throttle", "an integer in the range of cpu-throttle-initial to 99");
    }
  }

  /**
   * Refuses values whose effect is not built. What only tunes a capability that can not be switched
   * on, such as xbzrle, may have any value.
   *
   * @throws ConfigException if there is such a value, with the parameter's name
   */
  void checkBuilt() {
    refuse(multifdCompression.orElseThrow() != MultiFDCompression.NONE, "multifd-compression");
    refuse(!tlsCreds.orElseThrow().value().isEmpty(), "tls-creds");
    refuse(!tlsHostname.orElseThrow().value().isEmpty(), "tls-hostname");
    refuse(!tlsAuthz.orElseThrow().value().isEmpty(), "tls-authz");
    refuse(mode.orElseThrow() != MigMode.NORMAL, "mode");
    refuse(!cprExecCommand.orElseThrow().isEmpty(), "cpr-exec-command");
    refuse(directIo.orElseThrow(), "direct-io");
    refuse(blockBitmapMapping.filter(list -> !list.isEmpty()).isPresent(), "block-bitmap-mapping");
  }

  private static void refuse(boolean wanted, String parameter) {
    if (wanted) {
      throw new ConfigException(
          "Parameter '%s': this value is not built into this program yet".formatted(parameter));
    }
  }

  private static ConfigException expects(String name, String what) {
    return new ConfigException("Parameter '%s' expects %s".formatted(name, what));
  }

  /** The name of a component, for instance {@code max-bandwidth}. */
  static String label(String javaName) {
    return javaName.replaceAll("([A-Z])", "-$1").toLowerCase(java.util.Locale.ROOT);
  }
}
