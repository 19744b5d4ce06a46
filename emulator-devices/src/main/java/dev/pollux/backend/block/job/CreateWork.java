package dev.pollux.backend.block.job;

import dev.pollux.backend.block.BlockNode;
import dev.pollux.core.config.ConfigException;
import java.io.IOException;
import java.util.Optional;

/** Makes an image. */
final class CreateWork implements JobWork {
  private final Jobs jobs;
  private final NewImage image;
  private Optional<BlockNode> node = Optional.empty();
  private String failure;

  /** Event loop. */
  CreateWork(Jobs jobs, NewImage image) {
    this.jobs = jobs;
    this.image = image;
    try {
      image.node(jobs.graph()).ifPresent(this::take);
    } catch (IOException | ConfigException e) {
      failure = e.getMessage();
    }
  }

  private void take(BlockNode found) {
    try {
      if (jobs.graph().isUsed(found)) {
        throw new ConfigException("Node '%s' is in use".formatted(found.name()));
      }
      if (found.readOnly()) {
        throw new ConfigException("Block node is read-only");
      }
      jobs.take(found, JobType.CREATE);
    } catch (ConfigException e) {
      jobs.graph().release(found);
      throw e;
    }
    jobs.graph().use(found, "create");
    node = Optional.of(found);
  }

  @Override
  public void run(Job job) throws IOException {
    try {
      if (failure != null) {
        throw new IOException(failure);
      }
      image.create(node);
    } catch (ConfigException e) {
      throw new IOException(e.getMessage(), e);
    } finally {
      job.progress(1, 1);
    }
  }

  @Override
  public void clean() {
    node.ifPresent(
        used -> {
          jobs.giveBack(used);
          jobs.graph().unuse(used, "create");
        });
  }
}
