package dev.pollux.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.OptionSpec;

/** What is read without picocli is what picocli would have read. */
class RunWordsTest {
  @Test
  void everyOptionMeansTheSame() {
    List<String> absent =
        fields(AbsentHardware.class)
            .flatMap(
                f -> Stream.of(f.getAnnotation(CommandLine.Option.class)).map(o -> o.names()[0]))
            .toList();
    int read = 0;
    for (OptionSpec option : new CommandLine(new RunCommand()).getCommandSpec().options()) {
      if (option.usageHelp() || absent.contains(option.names()[0])) {
        continue;
      }
      for (String name : option.names()) {
        boolean flag = option.arity().max() == 0;
        assertSame(flag ? List.of(name) : List.of(name, "-x=1,y"));
        assertSame(flag ? List.of(name, name) : List.of(name, "one", "disk", name, "two"));
        read++;
      }
    }
    assertTrue(read > 60, read + " options");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "disk.qcow2",
        "-m 1G -M q35 -m 2G -machine graphics=off disk.img -S",
        "-append -S -kernel -m -nographic -nographic",
        "-serial null -serial -serial -cpu a -cpu b -d x -D y -d z",
      })
  void linesMeanTheSame(String line) {
    assertSame(line.isEmpty() ? List.of() : List.of(line.split(" ")));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"-help", "-m", "-m=1G", "-m1G", "-nosuch", "a b", "--", "-audio none", "-S=on"})
  void theRestIsPicoclis(String line) {
    assertEquals(Optional.empty(), RunWords.read(List.of(line.split(" "))));
  }

  @Test
  void whatIsNoPathIsPicoclis() {
    assertEquals(Optional.empty(), RunWords.read(List.of("-kernel", "a\0b")));
    assertEquals(Optional.empty(), RunWords.read(List.of("")));
  }

  private static void assertSame(List<String> words) {
    List<String> line = new ArrayList<>(words);
    line.addFirst(RunCommand.NAME);
    RunCommand byPicocli =
        (RunCommand)
            Main.parse(line.toArray(String[]::new)).subcommand().commandSpec().userObject();
    assertEquals(
        values(byPicocli.options), values(RunWords.read(words).orElseThrow()), line::toString);
  }

  /** The options of all groups, by their fields' names. */
  private static Map<String, Object> values(RunOptions options) {
    Map<String, Object> values = new TreeMap<>();
    for (Field group : fields(RunOptions.class).toList()) {
      for (Field option : fields(group.getType()).toList()) {
        values.put(
            group.getName() + "." + option.getName(),
            String.valueOf(get(option, get(group, options))));
      }
    }
    return values;
  }

  private static Stream<Field> fields(Class<?> type) {
    return Stream.of(type.getDeclaredFields())
        .filter(f -> !f.isSynthetic() && !Modifier.isStatic(f.getModifiers()));
  }

  private static Object get(Field field, Object of) {
    try {
      field.setAccessible(true);
      return field.get(of);
    } catch (IllegalAccessException e) {
      throw new AssertionError(e);
    }
  }
}
