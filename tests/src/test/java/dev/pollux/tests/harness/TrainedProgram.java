package dev.pollux.tests.harness;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.stream.Collectors;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Has the extension of Pollux start the program trained, as {@link PolluxProcess} does. */
public final class TrainedProgram implements BeforeAllCallback, AfterAllCallback {
  private static final String PROGRAM = "pollux.junit.program";

  @Override
  public void beforeAll(ExtensionContext context) throws IOException {
    Path program = Files.createTempFile("pollux", "");
    program.toFile().deleteOnExit();
    write(program);
    System.setProperty(PROGRAM, program.toString());
  }

  /** Makes a script of the command. */
  public static void write(Path program) throws IOException {
    String words =
        JavaCommand.pollux("-Xmx1g").stream()
            .map("'%s'"::formatted)
            .collect(Collectors.joining(" "));
    Files.writeString(program, "#!/bin/sh\nexec %s \"$@\"\n".formatted(words));
    Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  @Override
  public void afterAll(ExtensionContext context) {
    System.clearProperty(PROGRAM);
  }
}
