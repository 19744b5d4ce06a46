package dev.pollux.backend.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Long segments become frames that any receiver takes; what a guest says of its frame is checked.
 */
class SegmenterTest {
  private static final int IP = 14;
  private static final int TCP = 34;
  private static final int PAYLOAD = 54;

  private final Segmenter segmenter = new Segmenter();
  private final List<Frame> out = new ArrayList<>();

  private static ByteBuffer tcp(int payload) {
    ByteBuffer data = ByteBuffer.allocateDirect(PAYLOAD + payload);
    data.putShort(12, (short) Packet.TYPE_IPV4);
    data.put(IP, (byte) 0x45).putShort(IP + 2, (short) (40 + payload)).put(IP + 9, (byte) 6);
    data.putInt(IP + 12, 0x0a000202).putInt(IP + 16, 0x0a00020f);
    data.putInt(TCP + 4, 0xffff_fff0).put(TCP + 12, (byte) 0x50).put(TCP + 13, (byte) 0x19);
    for (int i = 0; i < payload; i++) {
      data.put(PAYLOAD + i, (byte) (i * 7));
    }
    return data;
  }

  private boolean finish(Frame frame) {
    out.clear();
    return segmenter.finish(frame, part -> out.add(part.copy()));
  }

  @Test
  void longSegmentIsCut() {
    Frame frame = new Frame(tcp(4000)).segmented(Frame.GSO_TCP4, PAYLOAD, 1448);
    assertTrue(finish(frame));
    assertEquals(3, out.size());
    Packet packet = new Packet();
    int at = 0;
    for (int i = 0; i < 3; i++) {
      ByteBuffer data = out.get(i).data();
      assertTrue(out.get(i).isFinished());
      assertTrue(packet.parse(data));
      assertEquals(0xffff, packet.transportSum(data), "TCP's sum");
      assertEquals(0, Checksum.of(data, IP, 20), "IP's sum");
      assertEquals(0xffff_fff0 + at, data.getInt(TCP + 4), "numbers pass 2^32");
      assertEquals(i == 2 ? 0x19 : 0x10, data.get(TCP + 13), "FIN and PSH are the last one's");
      for (int b = packet.payload(); b < packet.end(); b++) {
        assertEquals((byte) (at++ * 7), data.get(b));
      }
    }
    assertEquals(4000, at);
  }

  @Test
  void checksumIsFilledIn() {
    ByteBuffer data = tcp(101);
    data.putShort(
        TCP + 16, (short) Checksum.fold(Checksum.pseudo(data, IP + 12, 8, Packet.TCP, 121)));
    assertTrue(finish(new Frame(data).needsChecksum(TCP, 16)));
    Packet packet = new Packet();
    assertTrue(packet.parse(out.getFirst().data()));
    assertEquals(0xffff, packet.transportSum(out.getFirst().data()));
  }

  @Test
  void liesAreDropped() {
    assertFalse(finish(new Frame(tcp(100)).segmented(Frame.GSO_TCP4, PAYLOAD, 0)));
    assertFalse(finish(new Frame(tcp(60000)).segmented(Frame.GSO_TCP4, PAYLOAD, 1)));
    assertFalse(finish(new Frame(tcp(100)).segmented(Frame.GSO_TCP6, PAYLOAD, 50)));
    assertFalse(finish(new Frame(tcp(100)).segmented(Frame.GSO_UDP, PAYLOAD, 50)));
    assertFalse(finish(new Frame(tcp(100)).needsChecksum(153, 0)));
    assertFalse(finish(new Frame(tcp(100)).needsChecksum(0xffff, 0xffff)));
  }

  @Test
  void randomHeadersAreSurvived() {
    Random random = new Random(5);
    for (int i = 0; i < 20_000; i++) {
      ByteBuffer data = tcp(random.nextInt(3000));
      for (int n = random.nextInt(8); n > 0; n--) {
        data.put(random.nextInt(PAYLOAD), (byte) random.nextInt());
      }
      Frame frame = new Frame(data);
      frame.header(
          random.nextInt(4),
          random.nextInt(6),
          random.nextInt(0x1_0000),
          random.nextInt(0x1_0000) >> random.nextInt(16),
          random.nextInt(0x1_0000) >> random.nextInt(16),
          random.nextInt(0x1_0000) >> random.nextInt(16));
      if (!frame.isFinished()) {
        finish(frame);
        assertTrue(out.size() <= Segmenter.MAX_SEGMENTS);
      }
    }
  }
}
