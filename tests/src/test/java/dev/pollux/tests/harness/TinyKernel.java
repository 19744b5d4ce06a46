package dev.pollux.tests.harness;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

/**
 * A multiboot kernel of a few instructions, put together by hand: 32-bit protected mode without
 * paging, interrupts off (Multiboot specification 0.6.96, 3.1 and 3.2).
 */
public final class TinyKernel {
  private static final int LOAD_ADDRESS = 0x10_0000;
  private static final int MAGIC = 0x1bad_b002;

  /** Addresses are in the header rather than in ELF headers. */
  private static final int ADDRESSES_IN_HEADER = 1 << 16;

  private static final int HEADER_SIZE = 32;

  private final ByteArrayOutputStream code = new ByteArrayOutputStream();

  /** Adds machine code in hexadecimal digits, spaces allowed. */
  public TinyKernel code(String hex) {
    code.writeBytes(HexFormat.of().parseHex(hex.replace(" ", "")));
    return this;
  }

  /** The machine code so far, in hexadecimal digits. */
  public String hex() {
    return HexFormat.of().formatHex(code.toByteArray());
  }

  /** Writes a byte to a port. */
  public TinyKernel out(int port, int value) {
    return code("66 ba %02x %02x b0 %02x ee".formatted(port & 0xff, port >> 8, value & 0xff));
  }

  /** Writes the characters of a text to a port, one after the other. */
  public TinyKernel print(int port, String text) {
    text.chars().forEach(character -> out(port, character));
    return this;
  }

  /** Stops for good: {@code hlt} with interrupts off. */
  public TinyKernel halt() {
    return code("f4 eb fd");
  }

  /** Loops for ever. */
  public TinyKernel spin() {
    return code("eb fe");
  }

  /** Writes the kernel's file. */
  public Path write(Path file) {
    ByteBuffer image =
        ByteBuffer.allocate(HEADER_SIZE + code.size()).order(ByteOrder.LITTLE_ENDIAN);
    image.putInt(MAGIC).putInt(ADDRESSES_IN_HEADER).putInt(-(MAGIC + ADDRESSES_IN_HEADER));
    int end = LOAD_ADDRESS + image.capacity();
    // header, first and last byte of the file's part, end of zeroed memory, entry
    image.putInt(LOAD_ADDRESS).putInt(LOAD_ADDRESS).putInt(end).putInt(end);
    image.putInt(LOAD_ADDRESS + HEADER_SIZE);
    image.put(code.toByteArray());
    try {
      return Files.write(file, image.array());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
