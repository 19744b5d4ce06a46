package dev.pollux.junit;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * What runs in the machine, or the pair, that a test method gets as its parameter. On a class it is
 * for all its methods that have none.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.TYPE, ElementType.METHOD})
public @interface Guest {
  /** Options of {@code pollux run}, word by word, as on its command line. */
  String[] value() default {};

  /** Makes more of the options, and files that they need. */
  Class<? extends GuestImage> image() default GuestImage.None.class;

  /**
   * A Debian kernel with a busybox shell on its console, {@code cloud} or {@code generic}; where it
   * has not been fetched with {@code pollux guest linux} the test is skipped.
   */
  String linux() default "";

  /** Modules of that kernel, for instance {@code virtio_pci} and {@code virtio_net}. */
  String[] modules() default {};

  /** Files for that guest, each {@code PATH:PATH IN THE GUEST}. */
  String[] files() default {};

  /** Size of a new empty virtio disk, for instance {@code 64M}; empty for none. */
  String disk() default "";

  /**
   * Room for the disk's images, for instance {@code 32M}: they are on a file system of this size,
   * which {@link PolluxGuest#fillDisk} can fill; empty for as much as the host has. Where the host
   * lets this user mount none, the test is skipped.
   */
  String room() default "";

  /** TCP ports of the guest that get one of the host's each, on a user-mode network. */
  int[] forwards() default {};

  /** Options of {@code pollux pair}, word by word, for instance {@code --delay 50}. */
  String[] pair() default {};
}
