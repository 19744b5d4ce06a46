package dev.pollux.cli;

import dev.pollux.core.cpu.CpuFeature;
import dev.pollux.core.host.UserCache;
import dev.pollux.core.jit.store.StorePurpose;
import dev.pollux.core.jit.store.TranslationStore;
import java.io.IOException;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The translations of earlier runs, in {@code $XDG_CACHE_HOME/pollux/translations}, by default
 * below {@code ~/.cache}. All vCPUs of a machine share them.
 */
final class KeptTranslations {
  private static final Logger log = LoggerFactory.getLogger(KeptTranslations.class);

  private boolean wanted;
  private TranslationStore store;

  /**
   * @param wanted false: none are kept or used
   */
  KeptTranslations(boolean wanted) {
    this.wanted = wanted;
  }

  /** Those for a guest with these features, or null. */
  synchronized TranslationStore of(Set<CpuFeature> guest) {
    if (wanted && store == null) {
      wanted = false; // one attempt
      try {
        store = TranslationStore.open(UserCache.folder("translations"), StorePurpose.of(guest));
      } catch (IOException e) {
        log.info("translations are not kept for later runs: {}", e.getMessage());
      }
    }
    return store;
  }
}
