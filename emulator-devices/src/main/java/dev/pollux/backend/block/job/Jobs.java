package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/** The jobs of a block graph, by their ids. Event loop, machine lock held. */
public final class Jobs {
  private static final Pattern ID = Pattern.compile("[A-Za-z][A-Za-z0-9._-]*");
  private static final int LOOP_SECONDS = 60;

  private final BlockGraph graph;
  private final Executor loop;
  private final Map<String, Job> jobs = new LinkedHashMap<>();

  /** Nodes that jobs work on. */
  private final Map<BlockNode, JobType> busy = new LinkedHashMap<>();

  private JobListener listener = new JobListener() {};

  /**
   * @param loop runs what changes jobs and the graph, with the machine lock held
   */
  public Jobs(BlockGraph graph, Executor loop) {
    this.graph = graph;
    this.loop = loop;
  }

  /** Who is told; before the first job. */
  public void setListener(JobListener to) {
    listener = to;
  }

  Executor loop() {
    return loop;
  }

  BlockGraph graph() {
    return graph;
  }

  /** The jobs, the newest first. */
  public List<Job> all() {
    return List.copyOf(jobs.values()).reversed();
  }

  public Optional<Job> find(String id) {
    return Optional.ofNullable(jobs.get(id));
  }

  /** A job may be started under this id. */
  void checkNew(JobOptions options) {
    if (!ID.matcher(options.id()).matches()) {
      throw new ConfigException("Invalid job ID '" + options.id() + "'");
    }
    if (jobs.containsKey(options.id())) {
      throw new ConfigException("Job ID '" + options.id() + "' already in use");
    }
    if (options.speed() < 0) {
      throw new ConfigException("Parameter 'speed' expects a non-negative value");
    }
  }

  Job start(JobType type, JobOptions options, JobWork work) {
    Job job = new Job(this, type, options, work, listener);
    jobs.put(options.id(), job);
    job.start();
    return job;
  }

  /** Starts a job that no user sees, and that ends as soon as it is ready. */
  void startInternal(JobType type, String name, JobWork work, Consumer<String> end) {
    JobListener own =
        new JobListener() {
          @Override
          public void ready(Job job) {
            job.complete();
          }

          @Override
          public void completed(Job job) {
            end.accept(job.error().orElse(null));
          }
        };
    new Job(this, type, JobOptions.of(name), work, own).start();
  }

  void forget(Job job) {
    jobs.remove(job.id(), job);
  }

  // ---- nodes that jobs work on ----

  void checkFree(BlockNode node) {
    JobType by = busy.get(node);
    if (by != null) {
      throw new ConfigException(
          "Node '%s' is busy: block device is in use by block job: %s"
              .formatted(node.name(), by.word()));
    }
  }

  void take(BlockNode node, JobType by) {
    checkFree(node);
    busy.put(node, by);
  }

  void giveBack(BlockNode node) {
    busy.remove(node);
  }

  // ---- what users want ----

  /** A job that has to be there. */
  private Job require(String id) {
    return find(id).orElseThrow(() -> new ConfigException("Job not found"));
  }

  public void pause(String id) {
    require(id).pause();
  }

  public void resume(String id) {
    require(id).resume();
  }

  /** Ends a job; its result is of no use, unless it was ready and is not forced. */
  public void cancel(String id, boolean force) {
    require(id).cancel(force);
  }

  /** A job that follows what is written ends, and its copy takes the place of the original. */
  public void complete(String id) {
    require(id).complete();
  }

  /** A job that is done changes the graph. */
  public void finalizeJob(String id) {
    require(id).finalizeJob();
  }

  /** A job that is over is forgotten. */
  public void dismiss(String id) {
    require(id).dismiss();
  }

  public void setSpeed(String id, long bytesPerSecond) {
    require(id).setSpeed(bytesPerSecond);
  }

  /** All requests were held still for a moment, those of jobs too. */
  public void heldStill() {
    all().forEach(Job::heldStill);
  }

  /** Ends all jobs and waits for none of them; the machine ends. */
  public void close() {
    for (Job job : all()) {
      if (JobVerb.CANCEL.isAllowed(job.status())) {
        job.cancel(true);
      }
    }
  }

  // ---- for jobs ----

  /** A step on the graph. */
  interface Step {
    boolean run() throws IOException;
  }

  /** Runs a step while no request of any device is under way. Event loop. */
  boolean drained(Step step) {
    List<Boolean> result = new ArrayList<>();
    try {
      graph.drained(() -> result.add(step.run()));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    return result.getFirst();
  }

  /** Has something done on the event loop and waits for it. A job's thread. */
  void call(Runnable step) {
    CompletableFuture<Void> done = CompletableFuture.runAsync(step, loop);
    try {
      done.get(LOOP_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (TimeoutException e) {
      throw new CancellationException("the event loop has ended");
    } catch (ExecutionException e) {
      throw new IllegalStateException(e.getCause());
    }
  }
}
