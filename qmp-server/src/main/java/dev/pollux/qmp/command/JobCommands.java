package dev.pollux.qmp.command;

import dev.pollux.backend.block.job.Job;
import dev.pollux.backend.block.job.JobStatus;
import dev.pollux.backend.block.job.JobType;
import dev.pollux.core.config.Api;
import java.util.List;
import java.util.Optional;

/** Commands on jobs of all kinds. */
public sealed interface JobCommands<R> extends QmpCommand<R> {
  /** A job. */
  record JobInfo(
      String id,
      JobType type,
      JobStatus status,
      long currentProgress,
      @Api.Doc("as far as is known") long totalProgress,
      @Api.Doc("what went wrong") Optional<String> error) {
    static JobInfo of(Job job) {
      return new JobInfo(job.id(), job.type(), job.status(), job.done(), job.total(), job.error());
    }
  }

  @Api.Doc("The jobs.")
  record QueryJobs() implements JobCommands<List<JobInfo>> {
    @Override
    public List<JobInfo> run(QmpContext context) {
      return context.blocks().jobs().all().stream().map(JobInfo::of).toList();
    }
  }

  @Api.Doc("Holds a job.")
  record JobPause(String id) implements JobCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.blocks().jobs().pause(id);
      return null;
    }
  }

  @Api.Doc("Lets a job go on.")
  record JobResume(String id) implements JobCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.blocks().jobs().resume(id);
      return null;
    }
  }

  @Api.Doc("Ends a job at once; its result is of no use.")
  record JobCancel(String id) implements JobCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.blocks().jobs().cancel(id, true);
      return null;
    }
  }

  @Api.Doc("Ends a job that is ready; its copy takes the place of the original.")
  record JobComplete(String id) implements JobCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.blocks().jobs().complete(id);
      return null;
    }
  }

  @Api.Doc("Lets a job that is done change the graph.")
  record JobFinalize(String id) implements JobCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.blocks().jobs().finalizeJob(id);
      return null;
    }
  }

  @Api.Doc("Forgets a job that is over.")
  record JobDismiss(String id) implements JobCommands<Void> {
    @Override
    public Void run(QmpContext context) {
      context.blocks().jobs().dismiss(id);
      return null;
    }
  }
}
