package dev.pollux.qmp.schema;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * What declarations say that matters to QMP only; the rest is in {@link
 * dev.pollux.core.config.Api}.
 */
public final class Qmp {
  private Qmp() {}

  /** A command that may be sent with {@code exec-oob}. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.TYPE)
  public @interface OutOfBand {}

  /** The one component of a command: its members are the command's arguments. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.RECORD_COMPONENT)
  public @interface Boxed {}

  /** An event of which a client gets at most one a second; of those in between it gets the last. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.TYPE)
  public @interface RateLimited {
    /** The member for each value of which the limit counts separately; empty for none. */
    String per() default "";
  }

  /** On a record's last component, an object: takes the members that no other component takes. */
  @Retention(RetentionPolicy.RUNTIME)
  @Target(ElementType.RECORD_COMPONENT)
  public @interface Rest {}
}
