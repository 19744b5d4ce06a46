package dev.pollux.qmp.schema;

import dev.pollux.core.config.Api;
import java.lang.reflect.AnnotatedElement;
import java.util.Locale;
import java.util.regex.Pattern;

/** Java's names in QMP's spelling. */
final class Names {
  private static final Pattern WORD_START =
      Pattern.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])");

  private Names() {}

  /** {@code lastMode} and {@code QueryStatus} as {@code last-mode} and {@code query-status}. */
  static String kebab(AnnotatedElement declaration, String javaName) {
    Api.Name name = declaration.getAnnotation(Api.Name.class);
    return name != null
        ? name.value()
        : WORD_START.matcher(javaName).replaceAll("-").toLowerCase(Locale.ROOT);
  }

  /** {@code POSTCOPY_RAM} as {@code postcopy-ram}. */
  static String constant(AnnotatedElement declaration, String javaName) {
    Api.Name name = declaration.getAnnotation(Api.Name.class);
    return name != null ? name.value() : javaName.toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** {@code ColoExit} as {@code COLO_EXIT}. */
  static String event(Class<?> declaration) {
    Api.Name name = declaration.getAnnotation(Api.Name.class);
    return name != null
        ? name.value()
        : WORD_START.matcher(declaration.getSimpleName()).replaceAll("_").toUpperCase(Locale.ROOT);
  }

  static String type(Class<?> declaration) {
    Api.Name name = declaration.getAnnotation(Api.Name.class);
    return name != null ? name.value() : declaration.getSimpleName();
  }

  static String doc(AnnotatedElement declaration) {
    Api.Doc doc = declaration.getAnnotation(Api.Doc.class);
    return doc == null ? "" : doc.value().strip();
  }
}
