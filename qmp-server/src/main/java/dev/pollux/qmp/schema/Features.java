package dev.pollux.qmp.schema;

import dev.pollux.core.config.Api;
import java.lang.reflect.AnnotatedElement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The special features of a command, event, member or value.
 *
 * @param unstable may change without notice
 * @param obsolete why and since when it is deprecated; empty where it is not
 */
public record Features(boolean unstable, Optional<Deprecation> obsolete) {
  /**
   * @param since version of QEMU
   * @param reason a sentence's middle: "no longer developed"
   * @param instead what to use in its place
   */
  public record Deprecation(String since, String reason, String instead) {}

  /** A plain interface. */
  public static final Features NONE = new Features(false, Optional.empty());

  static Features of(AnnotatedElement declaration) {
    Api.Obsolete obsolete = declaration.getAnnotation(Api.Obsolete.class);
    return new Features(
        declaration.isAnnotationPresent(Api.Unstable.class),
        Optional.ofNullable(obsolete)
            .map(o -> new Deprecation(o.since(), o.reason(), o.instead())));
  }

  public boolean isDeprecated() {
    return obsolete.isPresent();
  }

  /** As {@code query-qmp-schema} lists them. */
  public List<String> names() {
    List<String> names = new ArrayList<>();
    if (isDeprecated()) {
      names.add("deprecated");
    }
    if (unstable) {
      names.add("unstable");
    }
    return names;
  }
}
