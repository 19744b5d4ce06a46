package dev.pollux.backend.block.job;

import dev.pollux.backend.block.OnError;
import dev.pollux.core.config.ConfigException;
import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import java.io.IOException;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A job. Its status is changed on the event loop with the machine lock held; what its work asks for
 * by the methods of the job's thread is guarded by this.
 */
public final class Job {
  private static final Logger log = LoggerFactory.getLogger(Job.class);

  private static final Set<JobStatus> HELD = EnumSet.of(JobStatus.PAUSED, JobStatus.STANDBY);
  private static final String CANCELLED = "Operation canceled";
  private static final int BUSY_LOOK_MILLIS = 100;
  private static final long NANOS = 1_000_000_000;

  /** How a job is told to end. */
  private enum End {
    NO,
    /** With what is there, and without a change of the graph. */
    SOFTLY,
    /** And takes the place of what it has copied. */
    COMPLETELY,
    /** At once, its result is of no use. */
    CANCELLED
  }

  private final Jobs jobs;
  private final JobType type;
  private final JobOptions options;
  private final JobWork work;
  private final JobListener listener;

  private volatile JobStatus status = JobStatus.CREATED;

  /** It ends as soon as its work is done; event loop. */
  private boolean finalizing;

  private volatile long done;
  private volatile long total;
  private volatile long speed;
  private volatile int ioStatus;

  /** Guarded by this, as is all below. */
  private boolean paused;

  private End end = End.NO;
  private boolean waiting;
  private String error;

  /** When what was copied so far has been paid for with time, by {@link System#nanoTime}. */
  private long paidUntil;

  Job(Jobs jobs, JobType type, JobOptions options, JobWork work, JobListener listener) {
    this.jobs = jobs;
    this.type = type;
    this.options = options;
    this.work = work;
    this.listener = listener;
    this.speed = options.speed();
  }

  public String id() {
    return options.id();
  }

  public JobType type() {
    return type;
  }

  public JobOptions options() {
    return options;
  }

  public JobStatus status() {
    return status;
  }

  /** Bytes that were copied. */
  public long done() {
    return done;
  }

  /** Bytes that are copied in all, as far as is known. */
  public long total() {
    return total;
  }

  public long speed() {
    return speed;
  }

  /** The error that has paused it, or 0. */
  public int ioStatus() {
    return ioStatus;
  }

  /** Whether a user, or an error, holds it. */
  public synchronized boolean isPaused() {
    return paused;
  }

  /** Whether it is copying just now. */
  public synchronized boolean isBusy() {
    return !waiting
        && EnumSet.of(JobStatus.RUNNING, JobStatus.READY).contains(status)
        && done < total;
  }

  /** What went wrong; empty where nothing did. */
  public synchronized Optional<String> error() {
    return Optional.ofNullable(error);
  }

  // ---- event loop ----

  void start() {
    become(JobStatus.CREATED);
    become(JobStatus.RUNNING);
    runWork();
  }

  private void runWork() {
    Thread.ofPlatform().name("job " + options.id()).daemon(true).start(this::work);
  }

  private void become(JobStatus next) {
    status = next;
    listener.statusChanged(this);
  }

  void check(JobVerb verb) {
    if (!verb.isAllowed(status)) {
      throw new ConfigException(
          "Job '%s' in state '%s' cannot accept command verb '%s'"
              .formatted(id(), status.word(), verb.word()));
    }
  }

  void pause() {
    check(JobVerb.PAUSE);
    synchronized (this) {
      if (paused) {
        throw new ConfigException("Job is already paused");
      }
      paused = true;
    }
    become(status == JobStatus.READY ? JobStatus.STANDBY : JobStatus.PAUSED);
  }

  void resume() {
    check(JobVerb.RESUME);
    synchronized (this) {
      if (!paused) {
        throw new ConfigException("Can't resume a job that was not paused");
      }
      paused = false;
      notifyAll();
    }
    ioStatus = 0;
    become(status == JobStatus.STANDBY ? JobStatus.READY : JobStatus.RUNNING);
  }

  /** Everything was held still for a moment, and this job with it. */
  void heldStill() {
    if (status == JobStatus.READY) {
      become(JobStatus.STANDBY);
      become(JobStatus.READY);
    } else if (status == JobStatus.RUNNING) {
      become(JobStatus.PAUSED);
      become(JobStatus.RUNNING);
    }
  }

  void setSpeed(long bytesPerSecond) {
    check(JobVerb.SET_SPEED);
    if (bytesPerSecond < 0) {
      throw new ConfigException("Parameter 'speed' expects a non-negative value");
    }
    synchronized (this) {
      speed = bytesPerSecond;
      paidUntil = System.nanoTime();
      notifyAll();
    }
  }

  /**
   * @param force its result is of no use; otherwise a job that is ready keeps what it has copied
   */
  void cancel(boolean force) {
    check(JobVerb.CANCEL);
    boolean follows = status == JobStatus.READY || status == JobStatus.STANDBY;
    if (status == JobStatus.PENDING || status == JobStatus.WAITING) {
      abort(null);
      return;
    }
    end(force || !follows ? End.CANCELLED : End.SOFTLY);
    if (!force && status == JobStatus.STANDBY) {
      resume();
    }
  }

  /** One that a user holds ends when it is let go on. */
  void complete() {
    check(JobVerb.COMPLETE);
    end(End.COMPLETELY);
  }

  private synchronized void end(End how) {
    end = how;
    notifyAll();
  }

  void finalizeJob() {
    check(JobVerb.FINALIZE);
    finish();
  }

  void dismiss() {
    check(JobVerb.DISMISS);
    forget();
  }

  private void forget() {
    jobs.forget(this);
    become(JobStatus.NULL);
  }

  /** The work has come to an end; the thread is about to end. */
  private void workDone(Exception failure) {
    End how;
    synchronized (this) {
      how = end;
    }
    if (how == End.CANCELLED) {
      abort(null);
    } else if (failure != null) {
      abort(failure.getMessage() == null ? failure.toString() : failure.getMessage());
    } else if (status == JobStatus.STANDBY) {
      runWork(); // it was held meanwhile
    } else if (options.autoFinalize() || finalizing) {
      finish();
    } else if (jobs.drained(work::isDone)) {
      become(JobStatus.WAITING);
      become(JobStatus.PENDING);
      listener.pending(this);
    } else {
      runWork();
    }
  }

  /**
   * Ends the job if nothing is left to do while nobody writes; otherwise, and where somebody has
   * written since it was pending, the work goes on before that.
   */
  private void finish() {
    finalizing = true;
    boolean done;
    try {
      done =
          jobs.drained(
              () -> {
                if (!work.isDone()) {
                  return false;
                }
                if (status != JobStatus.PENDING) {
                  become(JobStatus.WAITING);
                  become(JobStatus.PENDING);
                }
                work.commit(this);
                return true;
              });
    } catch (IllegalStateException e) {
      abort(e.getCause().getMessage());
      return;
    } catch (ConfigException e) {
      abort(e.getMessage());
      return;
    }
    if (!done) {
      runWork();
      return;
    }
    work.clean();
    listener.completed(this);
    conclude();
  }

  private void abort(String reason) {
    synchronized (this) {
      error = reason == null ? CANCELLED : reason;
    }
    become(JobStatus.ABORTING);
    work.clean();
    if (reason == null) {
      listener.cancelled(this);
    } else {
      listener.completed(this);
    }
    conclude();
  }

  private void conclude() {
    become(JobStatus.CONCLUDED);
    if (options.autoDismiss()) {
      forget();
    }
  }

  // ---- the job's thread ----

  private void work() {
    Exception failure = null;
    try {
      work.run(this);
    } catch (CancellationException e) {
      log.debug("job {} was cancelled", id());
    } catch (IOException e) {
      failure = e;
    } catch (RuntimeException e) {
      log.error("internal error in job {}", id(), e);
      failure = e;
    }
    Exception how = failure;
    jobs.loop().execute(() -> workDone(how));
  }

  /** Whether a user wants to have what was copied, so that a job that follows should end. */
  synchronized boolean isToEnd() {
    return end == End.SOFTLY || end == End.COMPLETELY;
  }

  /** Whether the copy is to take the place of what was copied. */
  synchronized boolean isToReplace() {
    return end == End.COMPLETELY;
  }

  /** Waits while somebody holds the job; between requests. */
  synchronized void pausePoint() {
    while (paused && end != End.CANCELLED) {
      await(BUSY_LOOK_MILLIS);
    }
    if (end == End.CANCELLED) {
      throw new CancellationException();
    }
  }

  /** Waits until there may be something to do, as {@link #wake} says. */
  synchronized void idle(long millis) {
    if (end == End.NO) {
      await(millis);
    }
  }

  /** There is something to do. Any thread. */
  synchronized void wake() {
    notifyAll();
  }

  /** Callers look again at what they wait for. */
  @SuppressWarnings("WaitNotInLoop")
  private void await(long millis) {
    waiting = true;
    try {
      wait(Math.max(millis, 1));
    } catch (InterruptedException e) {
      throw new CancellationException("interrupted");
    } finally {
      waiting = false;
    }
  }

  void progress(long doneBytes, long totalBytes) {
    done = doneBytes;
    total = totalBytes;
  }

  /** Bytes were copied: waits as the speed limit wants it. */
  synchronized void throttle(long bytes) {
    long limit = speed;
    if (limit == 0) {
      return;
    }
    long now = System.nanoTime();
    paidUntil = Math.max(paidUntil, now) + (long) ((double) bytes / limit * NANOS);
    while (speed != 0 && end != End.CANCELLED && !isToEnd()) {
      long left = paidUntil - System.nanoTime();
      if (left <= 0) {
        return;
      }
      await(Math.min(BUSY_LOOK_MILLIS, TimeUnit.NANOSECONDS.toMillis(left) + 1));
    }
  }

  /** It follows what is written from now on. */
  void ready() {
    jobs.call(
        () -> {
          if (status == JobStatus.RUNNING || status == JobStatus.PAUSED) {
            boolean held = HELD.contains(status);
            become(JobStatus.READY);
            listener.ready(this);
            if (held) {
              become(JobStatus.STANDBY);
            }
          }
        });
  }

  /** A part of the work that may fail. */
  interface Request {
    void run() throws IOException;
  }

  /**
   * Does a part of the work.
   *
   * @return false if it has failed and is to be done again; true also where it is to be left out
   * @throws IOException the failure, where the job ends with it
   */
  boolean request(Request request) throws IOException {
    try {
      request.run();
      return true;
    } catch (Copying.TargetException e) {
      return requestFailed(true, e.reason());
    } catch (IOException e) {
      return requestFailed(false, e);
    }
  }

  /**
   * A request has failed. Returns where it may be tried again, or was of no importance; then {@link
   * #pausePoint} holds the job where it is to stop.
   *
   * @param write it was a write to the target
   * @return whether it is to be left out
   * @throws IOException the same, where the job ends with it
   */
  boolean requestFailed(boolean write, IOException e) throws IOException {
    int errno = ErrnoException.of(e);
    OnError.Action action =
        (write ? options.onTargetError() : options.onSourceError()).action(write, errno);
    jobs.call(
        () -> {
          listener.failed(this, write, action);
          if (action == OnError.Action.STOP) {
            stopFor(errno);
          }
        });
    if (action == OnError.Action.REPORT) {
      throw e instanceof ErrnoException known ? new IOException(Errno.text(known.errno()), e) : e;
    }
    pausePoint();
    return action == OnError.Action.IGNORE;
  }

  private void stopFor(int errno) {
    ioStatus = errno;
    if (!isPaused()) {
      pause();
    }
  }
}
