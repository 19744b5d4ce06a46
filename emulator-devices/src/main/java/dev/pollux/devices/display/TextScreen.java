package dev.pollux.devices.display;

/**
 * The characters of a text mode.
 *
 * @param cells row by row; bits 7:0 the code of the character, 11:8 its color, 15:12 the
 *     background's
 * @param cursor the cell with the cursor, -1 where none is shown
 */
public record TextScreen(int columns, int rows, int[] cells, int cursor) {
  private static final String CONTROLS = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
  private static final String UPPER =
      "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»"
          + "░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
          + "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";

  /** The character of a code of code page 437, which the fonts of graphics cards have. */
  public static char character(int code) {
    return code < 0x20
        ? CONTROLS.charAt(code)
        : code < 0x7f ? (char) code : code == 0x7f ? '⌂' : UPPER.charAt(code - 0x80);
  }

  /** A row without the blanks at its end. */
  public String row(int number) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < columns; i++) {
      text.append(character(cells[number * columns + i] & 0xff));
    }
    return text.toString().stripTrailing();
  }
}
