package dev.pollux.devices.storage.scsi;

/** What disks on a {@link ScsiBus} need of their controller. Machine lock held. */
public interface ScsiController {
  /** Where it is, as names in saved state begin. */
  String id();

  /** Runs something while no command is begun or ended. */
  void exclusively(Runnable action);

  /** A disk is there now; the guest is told if it listens. */
  void added(ScsiDisk disk);

  /** A disk is about to go: returns when it has nothing under way. */
  void removing(ScsiDisk disk);

  /** Something about a disk has changed. */
  void changed(ScsiDisk disk, ScsiSense what);

  /** The machine goes on: commands that were kept are begun anew. */
  void retry();
}
