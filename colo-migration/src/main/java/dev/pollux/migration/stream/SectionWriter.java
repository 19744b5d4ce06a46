package dev.pollux.migration.stream;

import java.io.IOException;

/** Writes what frames the contents of a migration stream. */
public final class SectionWriter {
  private final StreamWriter out;

  public SectionWriter(StreamWriter out) {
    this.out = out;
  }

  /** Begins the stream. */
  public void header(StreamConfiguration configuration) throws IOException {
    out.u32(StreamFormat.MAGIC);
    out.u32(StreamFormat.VERSION);
    configuration.write(out);
  }

  public void command(StreamCommand command) throws IOException {
    out.u8(StreamFormat.COMMAND);
    out.u16(command.code());
    out.u16(0);
  }

  public void ping(int value) throws IOException {
    out.u8(StreamFormat.COMMAND);
    out.u16(StreamCommand.PING.code());
    out.u16(4);
    out.u32(value);
  }

  /** Begins the section with the guest's memory; {@link #footer} ends it. */
  public void startRam() throws IOException {
    out.u8(StreamFormat.SECTION_START);
    out.u32(StreamFormat.RAM_SECTION);
    out.name(StreamFormat.RAM);
    out.u32(0);
    out.u32(StreamFormat.RAM_VERSION);
  }

  /** Goes on with that section. */
  public void partOfRam() throws IOException {
    out.u8(StreamFormat.SECTION_PART);
    out.u32(StreamFormat.RAM_SECTION);
  }

  /** Goes on with that section for the last time. */
  public void endRam() throws IOException {
    out.u8(StreamFormat.SECTION_END);
    out.u32(StreamFormat.RAM_SECTION);
  }

  /** Ends what {@link #startRam}, {@link #partOfRam} or {@link #endRam} began. */
  public void footer() throws IOException {
    out.u8(StreamFormat.FOOTER);
    out.u32(StreamFormat.RAM_SECTION);
  }

  /** Ends the sections. */
  public void end() throws IOException {
    out.u8(StreamFormat.END);
  }

  /**
   * @param json what {@link DeviceSections#describe} gives
   */
  public void description(byte[] json) throws IOException {
    out.u8(StreamFormat.DESCRIPTION);
    out.u32(json.length);
    out.bytes(json);
  }
}
