package dev.pollux.core.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceOptionsTest {
  @Test
  void firstPartBelongsToTheImpliedKey() {
    DeviceOptions options = DeviceOptions.parse("-device", "isa-serial,id=a,loud", "driver");
    assertEquals("isa-serial", options.required("driver"));
    assertEquals("a", options.required("id"));
    assertTrue(options.bool("loud", false));
    assertFalse(options.bool("quiet", false));
    options.rejectUnknown();
  }

  @Test
  void doubledCommasAreOne() {
    DeviceOptions options = DeviceOptions.parse("-chardev", "file,path=a,,b,,,id=x", "backend");
    assertEquals("a,b,", options.required("path"));
    assertEquals("x", options.required("id"));
  }

  @Test
  void valuesMayHoldEqualsSignsAndBeEmpty() {
    DeviceOptions options = DeviceOptions.parse("-x", "a=b=c,d=", "");
    assertEquals("b=c", options.required("a"));
    assertEquals("", options.string("d", "other"));
    assertThrows(ConfigException.class, () -> options.required("d"));
  }

  @Test
  void laterOptionsWin() {
    DeviceOptions options =
        DeviceOptions.parse("-machine", List.of("pc,hpet=on", "hpet=off"), "type");
    assertEquals("pc", options.required("type"));
    assertFalse(options.bool("hpet", true));
  }

  @ParameterizedTest
  @CsvSource({
    "512, 536870912",
    "512M, 536870912",
    "1.5g, 1610612736",
    "0x10K, 16384",
    "7B, 7",
    "2T, 2199023255552"
  })
  void sizesHaveSuffixes(String text, long bytes) {
    assertEquals(bytes, DeviceOptions.parse("-m", text, "size").size("size", 0, 'M'));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "M", "-5", "1Q", "1MM", "abc", "16E", "99999999999999999999T", "1,5"})
  void badSizesAreRefused(String text) {
    assertThrows(
        ConfigException.class,
        () -> {
          DeviceOptions options = DeviceOptions.parse("-m", text, "size");
          options.size("size", 0, 'M');
          options.rejectUnknown();
        });
  }

  @Test
  void numbersHaveARange() {
    DeviceOptions options = DeviceOptions.parse("-x", "a=10,b=0x10,c=010,d=11,e=ten", "");
    assertEquals(10, options.number("a", 0, 0, 10));
    assertEquals(16, options.number("b", 0, 0, 16));
    assertEquals(10, options.number("c", 0, 0, 10));
    assertThrows(ConfigException.class, () -> options.number("d", 0, 0, 10));
    assertThrows(ConfigException.class, () -> options.number("e", 0, 0, 10));
  }

  @Test
  void unknownPropertiesNameTheNearestKnownOne() {
    DeviceOptions options = DeviceOptions.parse("-device", "isa-debug-exit,iobsae=0x501", "driver");
    assertEquals("isa-debug-exit", options.required("driver"));
    assertEquals(1, options.number("iobase", 1, 0, 0xffff));
    ConfigException error = assertThrows(ConfigException.class, options::rejectUnknown);
    assertEquals(
        "-device isa-debug-exit,iobsae=0x501: unknown property \"iobsae\"; did you mean"
            + " \"iobase\"?",
        error.getMessage());
  }

  @Test
  void choicesNameTheNearestWord() {
    DeviceOptions options = DeviceOptions.parse("-rtc", "clock=hots", "base");
    ConfigException error =
        assertThrows(
            ConfigException.class,
            () -> options.choice("clock", 1, Map.of("host", 1, "vm", 2, "rt", 3)));
    assertEquals(
        "-rtc clock=hots: unknown clock \"hots\"; did you mean \"host\"?", error.getMessage());
  }

  @Test
  void everyErrorIsOneLine() {
    for (String text : List.of("=", ",", "a=\n,,", "==,=", ",,,,", "\0")) {
      try {
        DeviceOptions options = DeviceOptions.parse("-x", text, "k");
        options.bool("k", true);
        options.rejectUnknown();
      } catch (ConfigException e) {
        assertTrue(e.getMessage().startsWith("-x "), e.getMessage());
      }
    }
  }
}
