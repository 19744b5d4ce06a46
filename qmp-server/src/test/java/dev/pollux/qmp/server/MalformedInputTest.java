package dev.pollux.qmp.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Input that is wrong gets QEMU's answer (as observed with version 7.2), and the next command
 * works.
 */
class MalformedInputTest {
  private final TestMonitor monitor = TestMonitor.negotiated();

  @AfterEach
  void close() {
    monitor.close();
  }

  private void assertRecovers() throws InterruptedException {
    assertEquals("1", monitor.execute("{'execute':'query-status','id':1}").path("id").asText());
    assertTrue(monitor.isSilent());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      textBlock =
          """
          [1,2]                                          | QMP input must be a JSON object
          5                                              | QMP input must be a JSON object
          null                                           | QMP input must be a JSON object
          'x'                                            | QMP input must be a JSON object
          {}                                             | QMP input lacks member 'execute'
          {'execute': 5}                                 | QMP input member 'execute' must be a string
          {'foo': 5}                                     | QMP input member 'foo' is unexpected
          {'execute':'stop','foo':5}                     | QMP input member 'foo' is unexpected
          {'execute':'stop','arguments':5}               | QMP input member 'arguments' must be an object
          {'execute':'stop','arguments':{'x':1}}         | Parameter 'x' is unexpected
          {'execute':'stop','exec-oob':'stop'}           | QMP input member 'execute' clashes with 'exec-oob'
          {'exec-oob':'stop','execute':'stop'}           | QMP input member 'execute' clashes with 'exec-oob'
          {'exec-oob':'query-status'}                    | The command query-status does not support OOB
          {execute: 'stop'}                              | JSON parse error, invalid keyword 'execute'
          {'execute':'stop' 'id':1}                      | JSON parse error, expected separator in dict
          {'execute':'stop','execute':'stop'}            | JSON parse error, duplicate key
          {'execute' 'stop'}                             | JSON parse error, missing : in object pair
          {'execute':}                                   | JSON parse error, expecting value
          {'execute':'stop',}                            | JSON parse error, expecting value
          {5:1}                                          | JSON parse error, key is not a string in object
          [1 2]                                          | JSON parse error, expected separator in list
          tru                                            | JSON parse error, invalid keyword 'tru'
          True                                           | JSON parse error, stray 'T'
          #                                              | JSON parse error, stray '#'
          01                                             | JSON parse error, stray '01'
          {'execute':'query-name','id':1e400}            | JSON parse error, number too large
          {'execute':'query-name','id':-1e400}           | JSON parse error, number too large
          -a                                             | JSON parse error, stray '-a'
          "\\q"                                          | JSON parse error, invalid escape sequence in string
          "\\ud800"                                      | JSON parse error, \\ud800 is not a valid Unicode character
          "\\u12"                                        | JSON parse error, \\u12" is not a valid Unicode character
          {'execute':'migrate-set-capabilities'}         | Parameter 'capabilities' is missing
          {'execute':'migrate-set-capabilities','arguments':{'capabilities':[5]}}   | Invalid parameter type for 'capabilities[0]', expected: object
          {'execute':'migrate-set-capabilities','arguments':{'capabilities':5}}     | Invalid parameter type for 'capabilities', expected: array
          {'execute':'migrate-set-capabilities','arguments':{'capabilities':[{'capability':'events'}]}}                 | Parameter 'capabilities[0].state' is missing
          {'execute':'migrate-set-capabilities','arguments':{'capabilities':[{'capability':'events','state':1}]}}       | Invalid parameter type for 'capabilities[0].state', expected: boolean
          {'execute':'migrate-set-capabilities','arguments':{'capabilities':[{'capability':'nope','state':true}]}}      | Parameter 'capability' does not accept value 'nope'
          {'execute':'migrate-set-capabilities','arguments':{'capabilities':[{'capability':'events','state':true,'z':1}]}} | Parameter 'capabilities[0].z' is unexpected
          {'execute':'migrate-set-parameters','arguments':{'x-checkpoint-delay':4294967296}} | Parameter 'x-checkpoint-delay' expects uint32_t
          {'execute':'migrate-set-parameters','arguments':{'x-checkpoint-delay':-1}}         | Parameter 'x-checkpoint-delay' expects uint32_t
          {'execute':'migrate-set-parameters','arguments':{'x-checkpoint-delay':'a'}}        | Parameter 'x-checkpoint-delay' expects uint64
          {'execute':'migrate-set-parameters','arguments':{'x-checkpoint-delay':1.0}}        | Parameter 'x-checkpoint-delay' expects uint64
          {'execute':'migrate-set-parameters','arguments':{'multifd-channels':256}}          | Parameter 'multifd-channels' expects uint8_t
          {'execute':'migrate-set-parameters','arguments':{'multifd-channels':0}}            | Parameter 'multifd-channels' expects a value between 1 and 255
          {'execute':'migrate-set-parameters','arguments':{'tls-creds':5}}                   | Invalid parameter type for 'tls-creds', expected: StrOrNull
          {'execute':'migrate-set-parameters','arguments':{'bogus':1}}                       | Parameter 'bogus' is unexpected
          {'execute':'yank','arguments':{'instances':[{'type':'migration','id':'5'}]}}       | Parameter 'instances[0].id' is unexpected
          {'execute':'yank','arguments':{'instances':[{'id':'5'}]}}                          | Parameter 'instances[0].type' is missing
          {'execute':'yank','arguments':{'instances':[{'type':'chardev'}]}}                  | Parameter 'instances[0].id' is missing
          """)
  void refused(String input, String description) throws InterruptedException {
    monitor.type(input);
    JsonNode reply = monitor.read();
    assertEquals("GenericError", reply.at("/error/class").asText());
    assertEquals(description, reply.at("/error/desc").asText());
    assertRecovers();
  }

  @Test
  void oneBraceTooManyCostsOneMoreError() throws InterruptedException {
    monitor.type("{'execute': 'query-status'}}");
    assertTrue(monitor.read().has("return"));
    assertEquals("JSON parse error, expecting value", monitor.read().at("/error/desc").asText());
    assertRecovers();
  }

  @Test
  void theIdComesBackWithErrorsToo() {
    assertEquals(
        "{\"a\":[1.5,null,true]}",
        monitor.execute("{'execute':'nosuch','id':{'a':[1.5,null,true]}}").get("id").toString());
    assertEquals("7", monitor.execute("{'id':7}").get("id").toString());
    assertEquals("[]", monitor.execute("{'exec-oob':'query-yank','id':[]}").get("id").toString());
  }

  @Test
  void unknownCommand() {
    JsonNode error = monitor.execute("{'execute':'nosuch'}").get("error");
    assertEquals("CommandNotFound", error.get("class").asText());
    assertEquals("The command nosuch has not been found", error.get("desc").asText());
  }

  @Test
  void valuesNeedNoLines() {
    monitor.type(
        """
        {'execute':
         'query-name'\r
        ,'id'\t:1}{'execute':'query-name','id':2} {'id':3,'execute':'stop'}\
        """);
    for (int id = 1; id <= 3; id++) {
      assertEquals(id, monitor.read().get("id").asInt());
    }
  }

  @Test
  void aStrayByteEndsAValueUpToTheNextBracket() throws InterruptedException {
    monitor.type("{'a':#}");
    assertEquals("JSON parse error, stray '#'", monitor.read().at("/error/desc").asText());
    assertEquals("JSON parse error, expecting value", monitor.read().at("/error/desc").asText());
    assertRecovers();
  }

  @Test
  void aTabDoesNotEndWhatIsSkippedAndANulEndsWhatIsShown() throws InterruptedException {
    monitor.type("_a\t#{}");
    assertEquals("JSON parse error, stray '_'", monitor.read().at("/error/desc").asText());
    assertEquals("QMP input lacks member 'execute'", monitor.read().at("/error/desc").asText());
    monitor.type("\u0000");
    assertEquals("JSON parse error, stray ''", monitor.read().at("/error/desc").asText());
    assertRecovers();
  }

  @Test
  void textOtherThanAsciiIsEscapedInUpperCase() {
    monitor.typeBytes("{'execute':'é/\u007f😀'}\n".getBytes(StandardCharsets.UTF_8));
    assertEquals(
        "{\"error\": {\"class\": \"CommandNotFound\", \"desc\":"
            + " \"The command \\u00E9/\\u007F\\uD83D\\uDE00 has not been found\"}}",
        monitor.readLine());
  }

  @Test
  void brokenUtf8() throws InterruptedException {
    monitor.typeBytes(new byte[] {'\'', (byte) 0xed, (byte) 0xa0, (byte) 0x80, '\'', '\n'});
    assertEquals(
        "JSON parse error, invalid UTF-8 sequence in string",
        monitor.read().at("/error/desc").asText());
    assertRecovers();
  }

  @Test
  void nestingHasALimit() throws InterruptedException {
    monitor.type("[".repeat(1025));
    assertEquals("JSON nesting depth limit exceeded", monitor.read().at("/error/desc").asText());
    assertRecovers();
  }

  @Test
  void bracketsOfTheDeepestKindAreRead() throws InterruptedException {
    monitor.type("[".repeat(1024) + "]".repeat(1024));
    assertEquals("QMP input must be a JSON object", monitor.read().at("/error/desc").asText());
    assertRecovers();
  }
}
