package dev.pollux.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FrameStreamTest {
  private final List<String> told = new ArrayList<>();

  private final FrameStream.Reader reader =
      new FrameStream.Reader(
          false,
          new FrameStream.Sink() {
            @Override
            public void frame(Frame frame) {
              told.add("frame");
            }

            @Override
            public void idle() {
              told.add("idle");
            }
          });

  /** What was gathered of the frames before goes on its way. */
  @Test
  void sinkHearsThatNothingFollowsWhereTheRestMakesNoSense() {
    byte[] frame = FrameStream.encode(new Frame(ByteBuffer.allocateDirect(60)), false);
    ByteBuffer bytes = ByteBuffer.allocate(2 * frame.length + 4);
    bytes.put(frame).put(frame).putInt(-1);
    assertThrows(IOException.class, () -> reader.read(bytes.array(), 0, bytes.capacity()));
    assertEquals(List.of("frame", "frame", "idle"), told);
  }
}
