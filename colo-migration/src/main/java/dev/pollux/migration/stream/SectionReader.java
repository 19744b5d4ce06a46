package dev.pollux.migration.stream;

import java.io.IOException;

/**
 * Reads what frames the contents of a migration stream, and hands the contents on: memory to a
 * {@link Ram}, device states to {@link DeviceSections.Loaded}.
 */
public final class SectionReader {
  /** Reads the guest's memory. */
  @FunctionalInterface
  public interface Ram {
    /** Reads what a part of the section {@code ram} holds, up to its footer. */
    void load(StreamReader in) throws IOException;
  }

  /** Obeys the commands between sections. */
  @FunctionalInterface
  public interface Commands {
    /**
     * @param data as long as the command demands
     * @throws StreamException if it cannot be obeyed
     */
    void command(StreamCommand command, byte[] data) throws IOException;
  }

  private static final int LONGEST_DATA = 4096;
  private static final int LONGEST_DESCRIPTION = 64 << 20;

  private final Ram ram;
  private final Commands commands;
  private StreamConfiguration configuration;
  private boolean ramStarted;
  private boolean ramEnded;

  public SectionReader(Ram ram, Commands commands) {
    this.ram = ram;
    this.commands = commands;
  }

  /**
   * Reads the stream's beginning, and commands that are there already: with them a way back is open
   * when there is something to complain about.
   */
  public void readHeader(StreamReader in) throws IOException {
    int magic = in.u32();
    if (magic != StreamFormat.MAGIC) {
      throw new StreamException("not a migration stream: it begins with 0x%08x".formatted(magic));
    }
    int version = in.u32();
    if (version != StreamFormat.VERSION) {
      throw new StreamException(
          "version %s of the stream, this program knows %d"
              .formatted(Integer.toUnsignedString(version), StreamFormat.VERSION));
    }
    configuration = StreamConfiguration.read(in);
    while (in.hasMore() && in.peek8() == StreamFormat.COMMAND) {
      readCommand(in);
    }
  }

  /** Reads the commands that follow the beginning, and checks that it is for this machine. */
  public void checkHeader(StreamReader in, StreamConfiguration here) throws IOException {
    while (in.peek8() == StreamFormat.COMMAND) {
      readCommand(in);
    }
    configuration.checkFits(here);
  }

  /** Reads sections up to the mark of their end; the device states among them are not in place. */
  public DeviceSections.Loaded readSections(StreamReader in, DeviceSections devices)
      throws IOException {
    DeviceSections.Loaded loaded = devices.beginLoading();
    while (true) {
      int type = in.u8();
      switch (type) {
        case StreamFormat.END -> {
          return loaded;
        }
        case StreamFormat.SECTION_START, StreamFormat.SECTION_FULL ->
            readSection(in, type == StreamFormat.SECTION_START, loaded);
        case StreamFormat.SECTION_PART, StreamFormat.SECTION_END -> {
          int number = in.u32();
          if (!ramStarted || number != StreamFormat.RAM_SECTION) {
            throw new StreamException(
                "section %s goes on that has not begun"
                    .formatted(Integer.toUnsignedString(number)));
          }
          ram.load(in);
          readFooter(in, number);
          ramEnded |= type == StreamFormat.SECTION_END;
        }
        case StreamFormat.COMMAND -> readCommandAfterType(in);
        default -> throw new StreamException("unknown section type 0x%02x".formatted(type));
      }
    }
  }

  private void readSection(StreamReader in, boolean start, DeviceSections.Loaded loaded)
      throws IOException {
    int number = in.u32();
    String id = in.name();
    int instance = in.u32();
    int version = in.u32();
    if (start) {
      if (!id.equals(StreamFormat.RAM) || instance != 0) {
        throw new StreamException("unknown section '%s' instance %d".formatted(id, instance));
      }
      if (version != StreamFormat.RAM_VERSION || number != StreamFormat.RAM_SECTION) {
        throw new StreamException(
            "section 'ram' has number %d and version %d, this program knows %d and %d"
                .formatted(number, version, StreamFormat.RAM_SECTION, StreamFormat.RAM_VERSION));
      }
      ramStarted = true;
      ram.load(in);
    } else {
      loaded.read(in, id, instance, version);
    }
    readFooter(in, number);
  }

  private static void readFooter(StreamReader in, int number) throws IOException {
    int mark = in.u8();
    int footer = in.u32();
    if (mark != StreamFormat.FOOTER || footer != number) {
      throw new StreamException(
          "section %s does not end where it should".formatted(Integer.toUnsignedString(number)));
    }
  }

  private void readCommand(StreamReader in) throws IOException {
    in.skip(1);
    readCommandAfterType(in);
  }

  private void readCommandAfterType(StreamReader in) throws IOException {
    StreamCommand command = StreamCommand.of(in.u16());
    int length = in.u16();
    if (length > LONGEST_DATA || (command.length() >= 0 && command.length() != length)) {
      throw new StreamException("command %s with %d bytes".formatted(command, length));
    }
    commands.command(command, in.bytes(length));
  }

  /** Checks that the guest's memory was complete. */
  public void checkRam() throws StreamException {
    if (!ramEnded) {
      throw new StreamException("the memory is not complete");
    }
  }

  /** Reads the description after the sections, if one follows. */
  public static void skipDescription(StreamReader in) throws IOException {
    int type = in.u8OrEnd();
    if (type < 0) {
      return;
    }
    int length = type == StreamFormat.DESCRIPTION ? in.u32() : -1;
    if (length < 0 || length > LONGEST_DESCRIPTION) {
      throw new StreamException("something follows the sections that is no description");
    }
    in.skip(length);
  }
}
