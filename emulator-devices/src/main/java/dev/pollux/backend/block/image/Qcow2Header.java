package dev.pollux.backend.block.image;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The first cluster of a qcow2 image: header, extensions, the backing file's name (Header, Header
 * extensions). Constant; a change is a new header that is written as a whole.
 *
 * @param version 2 or 3
 * @param backingFile as the image names it; empty for none
 * @param clusterBits log2 of the bytes of a cluster, 9 to 21
 * @param size bytes of the guest's disk
 * @param l1Size entries
 * @param l1Offset bytes
 * @param refcountTableClusters clusters
 * @param incompatible feature bits that a reader must know
 * @param compatible feature bits that anybody may ignore
 * @param autoclear feature bits that a writer who does not know them clears
 * @param refcountOrder log2 of the bits of a reference count
 * @param compression 0 zlib, 1 zstd
 * @param extra bytes of the header that came after those above
 * @param extensions in order, without the end
 */
record Qcow2Header(
    int version,
    String backingFile,
    int clusterBits,
    long size,
    int l1Size,
    long l1Offset,
    long refcountTableOffset,
    int refcountTableClusters,
    int snapshots,
    long snapshotsOffset,
    long incompatible,
    long compatible,
    long autoclear,
    int refcountOrder,
    int compression,
    byte[] extra,
    List<Extension> extensions) {

  static final int MAGIC = 0x514649fb;
  static final int V2_LENGTH = 72;
  static final int V3_LENGTH = 104;

  /** Incompatible: reference counts may be wrong. */
  static final long DIRTY = 1;

  static final long CORRUPT = 2;
  static final long EXTERNAL_DATA = 4;
  static final long COMPRESSION_TYPE = 8;
  static final long EXTENDED_L2 = 16;
  private static final long KNOWN = DIRTY | CORRUPT | COMPRESSION_TYPE;

  /** Compatible. */
  static final long LAZY_REFCOUNTS = 1;

  /** Autoclear. */
  static final long BITMAPS = 1;

  static final int EXTENSION_BACKING_FORMAT = 0xe2792aca;
  static final int EXTENSION_FEATURE_NAMES = 0x6803f857;
  static final int EXTENSION_BITMAPS = 0x23852875;

  static final int ZLIB = 0;
  static final int ZSTD = 1;

  private static final int MOST_BACKING_NAME = 1023;
  private static final int MOST_L1_BYTES = 0x200_0000;
  private static final int MOST_REFCOUNT_TABLE_BYTES = 0x80_0000;
  private static final int MOST_SNAPSHOTS = 65536;

  /** Bits of an address in the file that entries have room for. */
  static final long OFFSET_MASK = 0x00ff_ffff_ffff_fe00L;

  /** One header extension. */
  record Extension(int type, byte[] data) {}

  int clusterSize() {
    return 1 << clusterBits;
  }

  /** log2 of the entries of an L2 table. */
  int l2Bits() {
    return clusterBits - 3;
  }

  int refcountBits() {
    return 1 << refcountOrder;
  }

  boolean isDirty() {
    return (incompatible & DIRTY) != 0;
  }

  boolean isCorrupt() {
    return (incompatible & CORRUPT) != 0;
  }

  boolean lazyRefcounts() {
    return (compatible & LAZY_REFCOUNTS) != 0;
  }

  Optional<byte[]> extension(int type) {
    return extensions.stream().filter(e -> e.type == type).map(Extension::data).findFirst();
  }

  /** The backing file's format; empty where the image does not say. */
  String backingFormat() {
    return extension(EXTENSION_BACKING_FORMAT)
        .map(data -> new String(data, StandardCharsets.UTF_8))
        .orElse("");
  }

  static boolean isQcow2(byte[] start) {
    return start.length >= 8 && ByteBuffer.wrap(start).getInt() == MAGIC;
  }

  /**
   * Reads a header.
   *
   * @param first the image's beginning, up to {@code 1 << 21} bytes
   */
  static Qcow2Header parse(byte[] first) throws IOException {
    ByteBuffer in = ByteBuffer.wrap(first);
    try {
      return parse(in);
    } catch (BufferUnderflowException | IndexOutOfBoundsException e) {
      throw ImageException.invalid("the qcow2 header reaches beyond the end of the file");
    }
  }

  private static Qcow2Header parse(ByteBuffer in) throws IOException {
    if (in.getInt() != MAGIC) {
      throw ImageException.invalid("Image is not in qcow2 format");
    }
    int version = in.getInt();
    if (version != 2 && version != 3) {
      throw ImageException.unsupported(
          "Unsupported qcow2 version %d".formatted(version & 0xffff_ffffL));
    }
    long backingOffset = in.getLong();
    int backingLength = in.getInt();
    int clusterBits = in.getInt();
    if (clusterBits < 9 || clusterBits > 21) {
      throw ImageException.unsupported("Unsupported cluster size: 2^%d".formatted(clusterBits));
    }
    long size = in.getLong();
    if (in.getInt() != 0) {
      throw ImageException.unsupported("Encrypted qcow2 images are not supported");
    }
    int l1Size = in.getInt();
    long l1Offset = in.getLong();
    long tableOffset = in.getLong();
    int tableClusters = in.getInt();
    int snapshots = in.getInt();
    long snapshotsOffset = in.getLong();
    long incompatible = version == 2 ? 0 : in.getLong();
    long compatible = version == 2 ? 0 : in.getLong();
    long autoclear = version == 2 ? 0 : in.getLong();
    int order = version == 2 ? 4 : in.getInt();
    int length = version == 2 ? V2_LENGTH : in.getInt();
    if (version == 3 && (length < V3_LENGTH || length > 1 << clusterBits)) {
      throw ImageException.invalid(
          length < V3_LENGTH ? "qcow2 header too short" : "qcow2 header exceeds cluster size");
    }
    byte[] extra = new byte[length - in.position()];
    in.get(extra);
    int limit = Math.min(in.capacity(), 1 << clusterBits);
    String backing = backingName(in, backingOffset, backingLength, 1 << clusterBits);
    List<Extension> extensions =
        extensions(in, backingOffset == 0 ? limit : (int) Math.min(limit, backingOffset));
    Qcow2Header header =
        new Qcow2Header(
            version,
            backing,
            clusterBits,
            size,
            l1Size,
            l1Offset,
            tableOffset,
            tableClusters,
            snapshots,
            snapshotsOffset,
            incompatible,
            compatible,
            autoclear,
            order,
            (incompatible & COMPRESSION_TYPE) != 0 && extra.length > 0 ? extra[0] : ZLIB,
            extra,
            extensions);
    header.check();
    return header;
  }

  private static String backingName(ByteBuffer in, long offset, int length, int clusterSize)
      throws IOException {
    if (offset == 0) {
      return "";
    }
    if (length < 0
        || length > MOST_BACKING_NAME
        || offset < 0
        || offset > clusterSize - (long) length
        || offset + length > in.capacity()) {
      throw ImageException.invalid("Backing file name too long or outside the first cluster");
    }
    byte[] name = new byte[length];
    in.get((int) offset, name);
    return new String(name, StandardCharsets.UTF_8);
  }

  private static List<Extension> extensions(ByteBuffer in, int end) throws IOException {
    List<Extension> list = new ArrayList<>();
    while (in.position() + 8 <= end) {
      int type = in.getInt();
      int length = in.getInt();
      if (type == 0) {
        break;
      }
      if (length < 0 || length > end - in.position()) {
        throw ImageException.invalid("Header extension too large");
      }
      byte[] data = new byte[length];
      in.get(data);
      list.add(new Extension(type, data));
      in.position(Math.min(end, in.position() + (-length & 7)));
    }
    return List.copyOf(list);
  }

  private void check() throws IOException {
    checkFeatures();
    if (refcountOrder < 0 || refcountOrder > 6) {
      throw ImageException.invalid("Reference count entry width too large; may not exceed 64 bits");
    }
    if (size < 0 || size > dev.pollux.backend.block.BlockNode.MOST_BYTES) {
      throw ImageException.invalid(
          "Image is too big: %s bytes".formatted(Long.toUnsignedString(size)));
    }
    if (l1Size < 0 || l1Size > MOST_L1_BYTES / 8) {
      throw ImageException.invalid("Active L1 table too large");
    }
    long needed = l1Entries(size, clusterBits);
    if (l1Size < needed) {
      throw ImageException.invalid("L1 table is too small");
    }
    checkPlace(l1Offset, l1Size * 8L, "Active L1 table");
    if (refcountTableClusters < 0
        || (long) refcountTableClusters << clusterBits > MOST_REFCOUNT_TABLE_BYTES) {
      throw ImageException.invalid(
          "Image does not contain a reference count table, or a too large one");
    }
    if (refcountTableClusters == 0) {
      throw ImageException.invalid("Image does not contain a reference count table");
    }
    checkPlace(
        refcountTableOffset, (long) refcountTableClusters << clusterBits, "Reference count table");
    if (snapshots < 0 || snapshots > MOST_SNAPSHOTS) {
      throw ImageException.invalid("Snapshot table too large");
    }
    if (snapshots > 0) {
      checkPlace(snapshotsOffset, snapshots * 40L, "Snapshot table");
    }
    if (compression != ZLIB && compression != ZSTD) {
      throw ImageException.unsupported("Unknown compression type: %d".formatted(compression));
    }
  }

  private void checkFeatures() throws IOException {
    if ((incompatible & EXTENDED_L2) != 0) {
      throw ImageException.unsupported(
          "Unsupported qcow2 feature(s): extended L2 entries (subclusters); convert the image with"
              + " extended_l2=off");
    }
    if ((incompatible & EXTERNAL_DATA) != 0) {
      throw ImageException.unsupported(
          "Unsupported qcow2 feature(s): external data file; convert the image without data_file");
    }
    long unknown = incompatible & ~KNOWN;
    if (unknown != 0) {
      throw ImageException.unsupported(
          "Unsupported qcow2 feature(s): %s".formatted(featureNames(unknown)));
    }
  }

  /** The names that the image has for incompatible features. */
  private String featureNames(long bits) {
    byte[] table = extension(EXTENSION_FEATURE_NAMES).orElse(new byte[0]);
    List<String> names = new ArrayList<>();
    for (int bit = 0; bit < 64; bit++) {
      if ((bits >>> bit & 1) != 0) {
        String name = "Unknown incompatible feature: %x".formatted(1L << bit);
        for (int i = 0; i + 48 <= table.length; i += 48) {
          if (table[i] == 0 && table[i + 1] == bit) {
            name = new String(table, i + 2, 46, StandardCharsets.UTF_8).replace("\0", "");
          }
        }
        names.add(name);
      }
    }
    return String.join(", ", names);
  }

  private void checkPlace(long offset, long bytes, String what) throws IOException {
    if (offset < 0
        || (offset & clusterSize() - 1) != 0
        || offset > Long.MAX_VALUE - bytes - clusterSize()) {
      throw ImageException.invalid("%s offset invalid".formatted(what));
    }
  }

  /** How many L1 entries a disk of {@code size} bytes needs. */
  static long l1Entries(long size, int clusterBits) {
    int shift = 2 * clusterBits - 3;
    return (size >>> shift) + ((size & (1L << shift) - 1) != 0 ? 1 : 0);
  }

  /** The bytes of the first cluster, as far as they count. */
  byte[] encode() throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(bytes);
    byte[] name = backingFile.getBytes(StandardCharsets.UTF_8);
    int extensionBytes = 8;
    for (Extension extension : extensions) {
      extensionBytes += 8 + (extension.data.length + 7 & -8);
    }
    int headerLength = version == 2 ? V2_LENGTH : V3_LENGTH + extra.length;
    int nameOffset = headerLength + extensionBytes;
    if (nameOffset + name.length > clusterSize() || name.length > MOST_BACKING_NAME) {
      throw ImageException.invalid("Backing file name too long");
    }
    out.writeInt(MAGIC);
    out.writeInt(version);
    out.writeLong(name.length == 0 ? 0 : nameOffset);
    out.writeInt(name.length);
    out.writeInt(clusterBits);
    out.writeLong(size);
    out.writeInt(0);
    out.writeInt(l1Size);
    out.writeLong(l1Offset);
    out.writeLong(refcountTableOffset);
    out.writeInt(refcountTableClusters);
    out.writeInt(snapshots);
    out.writeLong(snapshotsOffset);
    if (version == 3) {
      out.writeLong(incompatible);
      out.writeLong(compatible);
      out.writeLong(autoclear);
      out.writeInt(refcountOrder);
      out.writeInt(headerLength);
      out.write(extra);
    }
    for (Extension extension : extensions) {
      out.writeInt(extension.type);
      out.writeInt(extension.data.length);
      out.write(extension.data);
      out.write(new byte[-extension.data.length & 7]);
    }
    out.writeLong(0);
    out.write(name);
    return bytes.toByteArray();
  }

  Qcow2Header withIncompatible(long bits) {
    return copy(
        size, l1Size, l1Offset, refcountTableOffset, refcountTableClusters, bits, autoclear);
  }

  Qcow2Header withAutoclear(long bits) {
    return copy(
        size, l1Size, l1Offset, refcountTableOffset, refcountTableClusters, incompatible, bits);
  }

  Qcow2Header withRefcountTable(long offset, int clusters) {
    return copy(size, l1Size, l1Offset, offset, clusters, incompatible, autoclear);
  }

  Qcow2Header withSize(long bytes, int entries, long offset) {
    return copy(
        bytes,
        entries,
        offset,
        refcountTableOffset,
        refcountTableClusters,
        incompatible,
        autoclear);
  }

  private Qcow2Header copy(
      long newSize,
      int newL1Size,
      long newL1Offset,
      long newTableOffset,
      int newTableClusters,
      long newIncompatible,
      long newAutoclear) {
    return new Qcow2Header(
        version,
        backingFile,
        clusterBits,
        newSize,
        newL1Size,
        newL1Offset,
        newTableOffset,
        newTableClusters,
        snapshots,
        snapshotsOffset,
        newIncompatible,
        compatible,
        newAutoclear,
        refcountOrder,
        compression,
        extra,
        extensions);
  }

  /** Another backing file; an empty format leaves it to be guessed. */
  Qcow2Header withBacking(String file, String format) {
    List<Extension> others = new ArrayList<>();
    if (!format.isEmpty()) {
      others.add(new Extension(EXTENSION_BACKING_FORMAT, format.getBytes(StandardCharsets.UTF_8)));
    }
    extensions.stream().filter(e -> e.type != EXTENSION_BACKING_FORMAT).forEach(others::add);
    return new Qcow2Header(
        version,
        file,
        clusterBits,
        size,
        l1Size,
        l1Offset,
        refcountTableOffset,
        refcountTableClusters,
        snapshots,
        snapshotsOffset,
        incompatible,
        compatible,
        autoclear,
        refcountOrder,
        compression,
        extra,
        List.copyOf(others));
  }
}
