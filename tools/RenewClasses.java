import java.io.IOException;
import java.io.OutputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFile.StackMapsOption;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassTransform;
import java.lang.constant.ClassDesc;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Collections;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Gives the classes of a library that was compiled for an old Java the class file version of Java
 * 21, with stack maps: the JVM's cache of linked classes takes none below version 50, so that they
 * would be parsed, and verified in the slow way of old, at each start.
 *
 * <p>Arguments: the jars, which are replaced.
 */
class RenewClasses {
  private static final String SUFFIX = ".class";

  public static void main(String[] jars) throws IOException {
    for (String jar : jars) {
      Path file = Path.of(jar);
      Path renewed = Path.of(jar + ".new");
      try (ZipFile old = new ZipFile(jar);
          OutputStream stream = Files.newOutputStream(renewed);
          ZipOutputStream out = new ZipOutputStream(stream)) {
        renew(old, out);
      }
      Files.move(renewed, file, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static void renew(ZipFile old, ZipOutputStream out) throws IOException {
    ClassHierarchyResolver itsOwn =
        ClassHierarchyResolver.ofResourceParsing(
            name -> {
              ZipEntry entry = old.getEntry(fileOf(name));
              try {
                return entry == null ? null : old.getInputStream(entry);
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
            });
    ClassFile classes =
        ClassFile.of(
            StackMapsOption.GENERATE_STACK_MAPS,
            ClassHierarchyResolverOption.of(
                itsOwn.orElse(ClassHierarchyResolver.defaultResolver())));
    for (ZipEntry entry : Collections.list(old.entries())) {
      byte[] bytes = old.getInputStream(entry).readAllBytes();
      if (entry.getName().endsWith(SUFFIX) && !entry.getName().startsWith("META-INF/")) {
        bytes = renew(classes, bytes);
      }
      out.putNextEntry(new ZipEntry(entry.getName()));
      out.write(bytes);
      out.closeEntry();
    }
  }

  private static byte[] renew(ClassFile classes, byte[] bytes) {
    ClassTransform version =
        (builder, element) -> {
          if (element instanceof ClassFileVersion) {
            builder.withVersion(ClassFile.JAVA_21_VERSION, 0);
          } else {
            builder.with(element);
          }
        };
    // Stack maps are made for code that is written anew only.
    ClassTransform code = ClassTransform.transformingMethodBodies((builder, e) -> builder.with(e));
    return classes.transformClass(classes.parse(bytes), version.andThen(code));
  }

  private static String fileOf(ClassDesc name) {
    String descriptor = name.descriptorString();
    return descriptor.substring(1, descriptor.length() - 1) + SUFFIX;
  }
}
