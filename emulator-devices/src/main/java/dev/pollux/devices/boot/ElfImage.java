package dev.pollux.devices.boot;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * The headers of an ELF executable for x86, 32 or 64 bits, and its way into memory (System V ABI,
 * chapters 4 and 5).
 */
final class ElfImage {
  private static final int PT_LOAD = 1;
  private static final int PT_NOTE = 4;
  private static final int EM_386 = 3;
  private static final int EM_X86_64 = 62;
  private static final int MAX_NOTES = 1 << 16;
  private static final int EXECUTABLE = 1;

  /** Program header. Sizes and offsets in bytes, unsigned. */
  private record Segment(
      int type,
      int flags,
      long offset,
      long virtual,
      long physical,
      long fileSize,
      long memorySize,
      long align) {
    /** Whether a virtual address is one of its code. */
    boolean holdsCode(long address) {
      return type == PT_LOAD
          && (flags & EXECUTABLE) != 0
          && Long.compareUnsigned(address - virtual, fileSize) < 0;
    }
  }

  private final FileImage file;
  private final boolean is64;
  private final List<Segment> segments = new ArrayList<>();

  private ElfImage(FileImage file) {
    this.file = file;
    this.is64 = file.u8("ELF class", 4) == 2;
    if (file.u8("ELF byte order", 5) != 1) {
      throw file.error("is an ELF file for a big-endian machine; an x86 kernel is needed");
    }
    int machine = file.u16("ELF machine", 18);
    if (machine != EM_386 && machine != EM_X86_64) {
      throw file.error(
          "is an ELF file for another processor (machine %d); an x86 kernel is needed"
              .formatted(machine));
    }
    readSegments();
  }

  static boolean recognizes(FileImage file) {
    return file.has(0, "\177ELF");
  }

  static ElfImage parse(FileImage file) {
    return new ElfImage(file);
  }

  private void readSegments() {
    long table = is64 ? file.u64("ELF header", 32) : file.u32("ELF header", 28);
    int size = file.u16("ELF header", is64 ? 54 : 42);
    int count = file.u16("ELF header", is64 ? 56 : 44);
    if (count > 0 && size < (is64 ? 56 : 32)) {
      throw file.error("is damaged: its ELF program headers have %d bytes each".formatted(size));
    }
    for (int i = 0; i < count; i++) {
      file.part("ELF program headers", table, (i + 1L) * size);
      long at = table + (long) i * size;
      segments.add(
          is64
              ? new Segment(
                  (int) file.u32("segment", at),
                  (int) file.u32("segment", at + 4),
                  file.u64("segment", at + 8),
                  file.u64("segment", at + 16),
                  file.u64("segment", at + 24),
                  file.u64("segment", at + 32),
                  file.u64("segment", at + 40),
                  file.u64("segment", at + 48))
              : new Segment(
                  (int) file.u32("segment", at),
                  (int) file.u32("segment", at + 24),
                  file.u32("segment", at + 4),
                  file.u32("segment", at + 8),
                  file.u32("segment", at + 12),
                  file.u32("segment", at + 16),
                  file.u32("segment", at + 20),
                  file.u32("segment", at + 28)));
    }
  }

  boolean is64() {
    return is64;
  }

  /**
   * Where a loader without page tables starts: the entry, which is a virtual address, at the
   * physical one of the code that holds it; itself where none does.
   */
  long physicalEntry() {
    long entry = is64 ? file.u64("entry", 24) : file.u32("entry", 24);
    return segments.stream()
        .filter(segment -> segment.holdsCode(entry))
        .findFirst()
        .map(segment -> entry - segment.virtual() + segment.physical())
        .orElse(entry);
  }

  /**
   * Plans the load of all segments at their physical addresses; returns the first address after
   * them.
   */
  long place(LoadPlan plan) {
    long end = 0;
    for (Segment s : segments) {
      if (s.type() != PT_LOAD || s.memorySize() == 0) {
        continue;
      }
      if (s.memorySize() < 0 || s.fileSize() < 0 || s.fileSize() > s.memorySize()) {
        throw file.error(
            "is damaged: a segment has 0x%x bytes in the file and 0x%x in memory"
                .formatted(s.fileSize(), s.memorySize()));
      }
      plan.place(
          file.name(),
          s.physical(),
          file.part("segment for 0x%x".formatted(s.physical()), s.offset(), s.fileSize()),
          s.memorySize(),
          s.memorySize());
      end = Math.max(end, s.physical() + s.memorySize());
    }
    if (end == 0) {
      throw file.error("has no segment to load; give a linked kernel, not an object file");
    }
    return end;
  }

  /** The number in the note of this name and type. */
  OptionalLong note(String name, int type) {
    int looked = 0;
    for (Segment s : segments) {
      if (s.type() != PT_NOTE) {
        continue;
      }
      file.part("notes", s.offset(), s.fileSize());
      long align = s.align() == 8 ? 8 : 4;
      long end = s.offset() + s.fileSize();
      for (long at = s.offset(); at + 12 <= end && looked < MAX_NOTES; looked++) {
        long nameSize = file.u32("note", at);
        long dataSize = file.u32("note", at + 4);
        long data = at + 12 + alignUp(nameSize, align);
        if (file.u32("note", at + 8) == type
            && nameSize == name.length() + 1
            && file.has(at + 12, name + "\0")) {
          return OptionalLong.of(
              dataSize >= 8 ? file.u64("note " + name, data) : file.u32("note " + name, data));
        }
        at = data + alignUp(dataSize, align);
      }
    }
    return OptionalLong.empty();
  }

  private static long alignUp(long value, long align) {
    return value + align - 1 & -align;
  }
}
