package dev.pollux.core.host;

import com.sun.jna.LastErrorException;
import com.sun.jna.Library;
import java.io.IOException;

/** The process that started this one. */
public final class ParentProcess {
  /** The C declarations, as JNA maps them. */
  interface Functions extends Library {
    int prctl(int option, long first, long second, long third, long fourth)
        throws LastErrorException;

    int getppid();
  }

  private static final int PR_SET_PDEATHSIG = 1;
  private static final int SIGTERM = 15;

  private ParentProcess() {}

  /**
   * Has this process get SIGTERM when its parent ends (prctl(2), PR_SET_PDEATHSIG). To be called on
   * a thread that lives as long as the process, early.
   *
   * @throws IOException if the host cannot do it, or the parent has gone already
   */
  public static void endWithParent() throws IOException {
    Functions c = Libc.load(Functions.class);
    int parent = c.getppid();
    try {
      int _ = c.prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    } catch (LastErrorException e) {
      throw new IOException("the host does not tell when a process's parent ends", e);
    }
    if (c.getppid() != parent || parent <= 1) {
      throw new IOException("the parent has ended already");
    }
  }
}
