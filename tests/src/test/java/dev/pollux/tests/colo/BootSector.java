package dev.pollux.tests.colo;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;

/**
 * The first sector of a disk that upstream's migration tests boot: 32-bit protected mode without
 * interrupts. It writes {@code A} to COM1, then adds one to the first byte of each page from 1 MiB
 * on, round after round, and after every 64 rounds writes {@code B}.
 */
final class BootSector {
  static final int SIZE = 512;
  static final int PAGE = 4096;

  /** Where the pages begin. */
  static final int START = 1 << 20;

  private static final String END = "eeeeeeee";

  /** Loaded at 7c00h. */
  private static final String CODE =
      """
      fa                      cli
      31c0                    xor ax, ax
      8ed8                    mov ds, ax
      e492                    in al, 92h
      0c02                    or al, 2            ; A20
      e692                    out 92h, al
      0f0116807c              lgdt [7c80h]
      0f20c0                  mov eax, cr0
      0c01                    or al, 1
      0f22c0                  mov cr0, eax
      ea1d7c0800              jmp 8:7c1dh
      b810000000              mov eax, 16         ; 32 bits from here on
      8ed8                    mov ds, eax
      66baf803                mov dx, 3f8h
      b041                    mov al, 'A'
      ee                      out dx, al
      bb00001000              mov ebx, 100000h
      c60300                  mov byte [ebx], 0   ; 7c30h
      81c300100000            add ebx, 1000h
      81fbeeeeeeee            cmp ebx, END
      75ef                    jne 7c30h
      31c9                    xor ecx, ecx
      bb00001000              mov ebx, 100000h    ; 7c43h
      fe03                    inc byte [ebx]      ; 7c48h
      81c300100000            add ebx, 1000h
      81fbeeeeeeee            cmp ebx, END
      75f0                    jne 7c48h
      41                      inc ecx
      f6c13f                  test cl, 63
      75e5                    jne 7c43h
      b042                    mov al, 'B'
      ee                      out dx, al
      ebe0                    jmp 7c43h
      0000000000
      0000000000000000        ; 7c68h: the descriptor table
      ffff0000009acf00        ; code
      ffff00000092cf00        ; data
      1700687c0000            ; 7c80h: its length and place
      """;

  private BootSector() {}

  /**
   * The sector.
   *
   * @param pages that it writes
   */
  static byte[] image(int pages) {
    ByteBuffer end = ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    end.putInt(START + pages * PAGE);
    StringBuilder digits = new StringBuilder();
    CODE.lines().forEach(line -> digits.append(line.split(" ", 2)[0]));
    String code = digits.toString().replace(END, HexFormat.of().formatHex(end.array()));
    byte[] sector = new byte[SIZE];
    byte[] bytes = HexFormat.of().parseHex(code);
    System.arraycopy(bytes, 0, sector, 0, bytes.length);
    sector[SIZE - 2] = 0x55;
    sector[SIZE - 1] = (byte) 0xaa;
    return sector;
  }
}
