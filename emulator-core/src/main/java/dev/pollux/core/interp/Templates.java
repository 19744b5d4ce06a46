package dev.pollux.core.interp;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Copies of template classes, one per {@link Shape} in use. A template is an ordinary class whose
 * behaviour depends on the constants in its shape; each copy is a hidden class of the same bytes
 * with its own shape, so that the compiler sees a small method without a choice in it, and a
 * profile of its own. Copies are made when an instruction first needs them.
 */
final class Templates<T> {
  private final Class<? extends T> template;
  private final Map<Shape, T> copies = new ConcurrentHashMap<>();
  private byte[] bytes;

  /**
   * @param template a class with a constructor without parameters, which makes a prototype
   */
  Templates(Class<? extends T> template) {
    this.template = template;
  }

  /** The prototype of the copy for a shape. */
  T get(Shape shape) {
    T copy = copies.get(shape);
    return copy != null ? copy : copies.computeIfAbsent(shape, this::make);
  }

  private T make(Shape shape) {
    try {
      Class<?> hidden =
          MethodHandles.lookup()
              .defineHiddenClassWithClassData(classBytes(), shape, false)
              .lookupClass();
      return cast(hidden.getDeclaredConstructor().newInstance());
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(template + " " + shape, e);
    }
  }

  @SuppressWarnings("unchecked") // the copy has the template's superclass
  private T cast(Object copy) {
    return (T) copy;
  }

  private synchronized byte[] classBytes() {
    if (bytes == null) {
      String name = template.getName();
      try (InputStream in =
          template.getResourceAsStream(name.substring(name.lastIndexOf('.') + 1) + ".class")) {
        if (in == null) {
          throw new IllegalStateException("no class file of " + name);
        }
        bytes = in.readAllBytes();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return bytes;
  }
}
