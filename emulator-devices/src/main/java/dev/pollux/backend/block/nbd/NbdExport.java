package dev.pollux.backend.block.nbd;

import dev.pollux.backend.block.BlockBackend;
import dev.pollux.backend.block.BlockNode;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A disk that an NBD server offers. Any thread.
 *
 * @param name by which clients ask for it
 * @param description for people; may be empty
 * @param backend through which clients reach the disk; it has a medium
 * @param writable clients may change it
 * @param sessions clients that use it
 */
public record NbdExport(
    String name,
    String description,
    BlockBackend backend,
    boolean writable,
    Set<NbdSession> sessions) {

  public NbdExport(String name, String description, BlockBackend backend, boolean writable) {
    this(name, description, backend, writable, ConcurrentHashMap.newKeySet());
  }

  /** The disk. */
  public BlockNode node() {
    return backend.root().orElseThrow();
  }

  /** The same for clients that only read; those of this one are cut off. */
  public NbdExport readOnlyCopy() {
    close();
    return new NbdExport(name, description, backend, false);
  }

  boolean readOnly() {
    return !writable || node().readOnly();
  }

  int flags(boolean structured) {
    return Nbd.HAS_FLAGS
        | Nbd.SEND_FLUSH
        | Nbd.SEND_FUA
        | Nbd.CAN_MULTI_CONN
        | (structured ? Nbd.SEND_DF : 0)
        | (readOnly() ? Nbd.READ_ONLY : Nbd.SEND_TRIM | Nbd.SEND_WRITE_ZEROES);
  }

  /** Cuts off all clients; what they have asked for is still done. */
  public void close() {
    sessions.forEach(NbdSession::close);
  }
}
