package dev.pollux.core.config;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * What the declarations of interfaces to programs (commands, events, capabilities, parameters) say
 * about themselves beyond their Java form.
 *
 * <p>Names come from Java's: {@code lastMode} is {@code last-mode}, {@code QueryStatus} is {@code
 * query-status}, {@code POST_MIGRATE} is {@code post-migrate}, an event {@code ColoExit} is {@code
 * COLO_EXIT}.
 */
public final class Api {
  private Api() {}

  /** Another name than the one Java's gives. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target({ElementType.TYPE, ElementType.FIELD, ElementType.RECORD_COMPONENT})
  public @interface Name {
    String value();
  }

  /** A sentence for the reference pages. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target({ElementType.TYPE, ElementType.FIELD, ElementType.RECORD_COMPONENT})
  public @interface Doc {
    String value();
  }

  /** May change or vanish without notice. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target({ElementType.TYPE, ElementType.FIELD, ElementType.RECORD_COMPONENT})
  public @interface Unstable {}

  /** Will vanish. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target({ElementType.TYPE, ElementType.FIELD, ElementType.RECORD_COMPONENT})
  public @interface Obsolete {
    /** The version of QEMU that first said so. */
    String since();

    String reason();

    /** What to use in its place. */
    String instead();
  }

  /** An unsigned whole number; the default of a {@code long} is signed with 64 bits. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.RECORD_COMPONENT)
  public @interface Unsigned {
    int bits() default 64;
  }

  /** On a sealed interface: its records are told apart by a member. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.TYPE)
  public @interface Union {
    /** The member's name. */
    String tag() default "type";

    /** Its values, named as the records are. */
    Class<? extends Enum<?>> values();
  }

  /** The least and the most a number may be. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.RECORD_COMPONENT)
  public @interface Range {
    long min();

    long max();

    /** How errors put it; "a value between min and max" where it is left out. */
    String words() default "";
  }
}
