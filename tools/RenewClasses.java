import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFile.StackMapsOption;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.Label;
import java.lang.classfile.MethodModel;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.InvokeDynamicInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.DirectMethodHandleDesc;
import java.lang.constant.MethodTypeDesc;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Writes classes anew that the JVM's cache of linked classes would not take, or not whole, so that
 * work of each start would remain.
 *
 * <ul>
 *   <li>Classes of a library that was compiled for an old Java get the class file version of Java
 *       21, with stack maps: the cache takes none below version 50.
 *   <li>{@code switch} over types, and {@code equals} and {@code hashCode} of records, become
 *       methods that do the same. The JVM makes hidden classes and method handles for them when
 *       they are executed first, which no cache keeps.
 * </ul>
 *
 * <p>Arguments: the jars, which are replaced. What their classes refer to lies in the jars beside
 * them or is named here, too.
 */
class RenewClasses {
  private static final String SUFFIX = ".class";
  private static final int FIRST_WITH_STACK_MAPS = 50;

  private static final ClassDesc SWITCHES = ClassDesc.of("java.lang.runtime.SwitchBootstraps");
  private static final ClassDesc RECORDS = ClassDesc.of("java.lang.runtime.ObjectMethods");
  private static final ClassDesc OBJECTS = ClassDesc.of("java.util.Objects");

  private final ClassFile classes;

  private RenewClasses(ClassLoader all) {
    classes =
        ClassFile.of(
            StackMapsOption.GENERATE_STACK_MAPS,
            ClassHierarchyResolverOption.of(
                ClassHierarchyResolver.ofResourceParsing(all)
                    .orElse(ClassHierarchyResolver.defaultResolver())));
  }

  public static void main(String[] jars) throws IOException {
    List<URL> all = new ArrayList<>();
    for (String jar : jars) {
      all.add(new File(jar).toURI().toURL());
      for (File beside : Path.of(jar).toAbsolutePath().getParent().toFile().listFiles()) {
        if (beside.getName().endsWith(".jar")) {
          all.add(beside.toURI().toURL());
        }
      }
    }
    try (URLClassLoader loader = new URLClassLoader(all.toArray(URL[]::new))) {
      RenewClasses renewal = new RenewClasses(loader);
      for (String jar : jars) {
        renewal.renewJar(Path.of(jar));
      }
    }
  }

  private void renewJar(Path file) throws IOException {
    Path renewed = Path.of(file + ".new");
    try (ZipFile old = new ZipFile(file.toFile());
        OutputStream stream = Files.newOutputStream(renewed);
        ZipOutputStream out = new ZipOutputStream(stream)) {
      for (ZipEntry entry : Collections.list(old.entries())) {
        byte[] bytes = old.getInputStream(entry).readAllBytes();
        if (entry.getName().endsWith(SUFFIX) && !entry.getName().startsWith("META-INF/")) {
          bytes = renew(bytes);
        }
        ZipEntry copy = new ZipEntry(entry.getName());
        copy.setTime(entry.getTime());
        out.putNextEntry(copy);
        out.write(bytes);
        out.closeEntry();
      }
    }
    Files.move(renewed, file, StandardCopyOption.REPLACE_EXISTING);
  }

  private byte[] renew(byte[] bytes) {
    ClassModel model = classes.parse(bytes);
    if (model.majorVersion() < FIRST_WITH_STACK_MAPS) {
      ClassTransform version =
          (builder, element) -> {
            if (element instanceof ClassFileVersion) {
              builder.withVersion(ClassFile.JAVA_21_VERSION, 0);
            } else {
              builder.with(element);
            }
          };
      // Stack maps are made for code that is written anew only.
      ClassTransform code =
          ClassTransform.transformingMethodBodies((builder, e) -> builder.with(e));
      return classes.transformClass(model, version.andThen(code));
    }
    PlainMethods plain = new PlainMethods(model);
    ClassTransform calls =
        ClassTransform.transformingMethodBodies(
            RenewClasses::isLinkedAtEachStart,
            (builder, e) -> {
              if (e instanceof InvokeDynamicInstruction site && isLinkedAtEachStart(site)) {
                plain.call(builder, site);
              } else {
                builder.with(e);
              }
            });
    return model.methods().stream().anyMatch(RenewClasses::isLinkedAtEachStart)
        ? classes.transformClass(
            model, calls.andThen(ClassTransform.endHandler(plain::writeMethods)))
        : bytes;
  }

  private static boolean isLinkedAtEachStart(MethodModel method) {
    return method.code().isPresent()
        && method.code().get().elementStream().anyMatch(RenewClasses::isLinkedAtEachStart);
  }

  private static boolean isLinkedAtEachStart(CodeElement element) {
    if (!(element instanceof InvokeDynamicInstruction site)) {
      return false;
    }
    DirectMethodHandleDesc bootstrap = site.bootstrapMethod();
    return bootstrap.owner().equals(SWITCHES)
            && bootstrap.methodName().equals("typeSwitch")
            && site.bootstrapArgs().stream().allMatch(ClassDesc.class::isInstance)
        || bootstrap.owner().equals(RECORDS) && !site.name().stringValue().equals("toString");
  }

  /** The methods that a class gets, one for each call site. */
  private static final class PlainMethods {
    private final ClassDesc owner;
    private final boolean isInterface;
    private final Map<String, MethodTypeDesc> types = new LinkedHashMap<>();
    private final Map<String, Consumer<CodeBuilder>> bodies = new LinkedHashMap<>();

    PlainMethods(ClassModel model) {
      owner = model.thisClass().asSymbol();
      isInterface = model.flags().has(java.lang.reflect.AccessFlag.INTERFACE);
    }

    void call(CodeBuilder code, InvokeDynamicInstruction site) {
      String kind = site.name().stringValue();
      String name = kind + "$plain" + bodies.size();
      List<ConstantDesc> arguments = site.bootstrapArgs();
      types.put(name, site.typeSymbol());
      bodies.put(
          name,
          switch (kind) {
            case "equals" -> body -> writeEquals(body, getters(arguments));
            case "hashCode" -> body -> writeHashCode(body, getters(arguments));
            default -> body -> writeTypeSwitch(body, arguments);
          });
      code.invokestatic(owner, name, site.typeSymbol(), isInterface);
    }

    void writeMethods(java.lang.classfile.ClassBuilder builder) {
      int flags = ClassFile.ACC_PRIVATE | ClassFile.ACC_STATIC | ClassFile.ACC_SYNTHETIC;
      bodies.forEach(
          (name, body) -> builder.withMethodBody(name, types.get(name), flags, body::accept));
    }

    /** -1 of null, else the first label from {@code restart} on that the object is of. */
    private static void writeTypeSwitch(CodeBuilder code, List<ConstantDesc> labels) {
      Label isNull = code.newLabel();
      code.aload(0).ifnull(isNull);
      for (int i = 0; i < labels.size(); i++) {
        Label next = code.newLabel();
        code.iload(1).loadConstant(i).if_icmpgt(next);
        code.aload(0).instanceOf((ClassDesc) labels.get(i)).ifeq(next);
        code.loadConstant(i).ireturn();
        code.labelBinding(next);
      }
      code.loadConstant(labels.size()).ireturn();
      code.labelBinding(isNull).loadConstant(-1).ireturn();
    }

    /** The fields: the arguments behind the record's class and the names. */
    private static List<DirectMethodHandleDesc> getters(List<ConstantDesc> arguments) {
      return arguments.stream().skip(2).map(DirectMethodHandleDesc.class::cast).toList();
    }

    private void writeEquals(CodeBuilder code, List<DirectMethodHandleDesc> fields) {
      Label other = code.newLabel();
      Label differs = code.newLabel();
      code.aload(0).aload(1).if_acmpne(other);
      code.iconst_1().ireturn();
      code.labelBinding(other);
      code.aload(1).instanceOf(owner).ifeq(differs);
      for (DirectMethodHandleDesc field : fields) {
        ClassDesc type = field.invocationType().returnType();
        code.aload(0).getfield(owner, field.methodName(), type);
        code.aload(1).checkcast(owner).getfield(owner, field.methodName(), type);
        switch (TypeKind.from(type)) {
          case REFERENCE ->
              code.invokestatic(
                      OBJECTS,
                      "equals",
                      MethodTypeDesc.of(
                          ConstantDescs.CD_boolean,
                          ConstantDescs.CD_Object,
                          ConstantDescs.CD_Object))
                  .ifeq(differs);
          case LONG -> code.lcmp().ifne(differs);
          case FLOAT, DOUBLE ->
              code.invokestatic(
                      wrapper(type), "compare", MethodTypeDesc.of(ConstantDescs.CD_int, type, type))
                  .ifne(differs);
          default -> code.if_icmpne(differs);
        }
      }
      code.iconst_1().ireturn();
      code.labelBinding(differs).iconst_0().ireturn();
    }

    private void writeHashCode(CodeBuilder code, List<DirectMethodHandleDesc> fields) {
      code.iconst_0();
      for (DirectMethodHandleDesc field : fields) {
        ClassDesc type = field.invocationType().returnType();
        boolean reference = TypeKind.from(type) == TypeKind.REFERENCE;
        code.bipush(31).imul();
        code.aload(0).getfield(owner, field.methodName(), type);
        code.invokestatic(
            reference ? OBJECTS : wrapper(type),
            "hashCode",
            MethodTypeDesc.of(ConstantDescs.CD_int, reference ? ConstantDescs.CD_Object : type));
        code.iadd();
      }
      code.ireturn();
    }

    private static ClassDesc wrapper(ClassDesc primitive) {
      return switch (TypeKind.from(primitive)) {
        case BOOLEAN -> ConstantDescs.CD_Boolean;
        case BYTE -> ConstantDescs.CD_Byte;
        case CHAR -> ConstantDescs.CD_Character;
        case SHORT -> ConstantDescs.CD_Short;
        case INT -> ConstantDescs.CD_Integer;
        case LONG -> ConstantDescs.CD_Long;
        case FLOAT -> ConstantDescs.CD_Float;
        case DOUBLE -> ConstantDescs.CD_Double;
        case REFERENCE, VOID -> throw new IllegalArgumentException(primitive.toString());
      };
    }
  }
}
