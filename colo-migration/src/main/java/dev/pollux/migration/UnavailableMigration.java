package dev.pollux.migration;

import dev.pollux.core.config.ConfigException;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Lets capabilities and parameters be set and looked at, for machines that cannot migrate. */
public final class UnavailableMigration implements MigrationService {
  private final MigrationCapabilities capabilities = new MigrationCapabilities();
  private MigrationParameters parameters = MigrationParameters.DEFAULTS;

  @Override
  public MigrationCapabilities capabilities() {
    return capabilities;
  }

  @Override
  public void setCapabilities(Map<MigrationCapability, Boolean> changes) {
    capabilities.change(changes, parameters, MigrationStatus.NONE, false);
  }

  @Override
  public MigrationParameters parameters() {
    return parameters;
  }

  @Override
  public void setParameters(MigrationParameters changes) {
    parameters = parameters.with(changes);
  }

  @Override
  public MigrationInfo info() {
    return MigrationInfo.EMPTY;
  }

  @Override
  public void migrate(MigrationAddress to, boolean resume) {
    throw new ConfigException("this machine cannot be migrated");
  }

  @Override
  public void incoming(MigrationAddress from, boolean exitOnError) {
    throw new ConfigException("'-incoming' was not specified on the command line");
  }

  @Override
  public void cancel() {}

  @Override
  public void continueFrom(MigrationStatus state) {
    throw new ConfigException("Migration not in expected state: none");
  }

  @Override
  public boolean isIncoming() {
    return false;
  }

  @Override
  public void setAutostart(boolean autostart) {}

  @Override
  public Optional<String> whyNotStart() {
    return Optional.empty();
  }

  @Override
  public ColoStatus coloStatus() {
    return ColoStatus.NONE;
  }

  @Override
  public ColoStatistics coloStatistics() {
    return new ColoStatistics(0, List.of(), List.of(), 0, 0, 0, 0, 0, 0, Optional.empty());
  }

  @Override
  public void lostHeartbeat() {
    throw new ConfigException("The feature 'colo' is not enabled");
  }

  @Override
  public void checkpoint() {}

  @Override
  public boolean isYankable() {
    return false;
  }

  @Override
  public void yank() {}
}
