package dev.pollux.migration.colo;

import dev.pollux.core.host.Libc;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.machine.RunState;
import dev.pollux.core.memory.DirtyLog;
import dev.pollux.core.memory.PageSnapshot;
import dev.pollux.core.memory.RamBlock;
import dev.pollux.core.state.StateOutput;
import dev.pollux.migration.ColoStatus;
import dev.pollux.migration.ram.DirtyPages;
import dev.pollux.migration.stream.SectionWriter;
import dev.pollux.migration.stream.StreamFormat;
import dev.pollux.migration.stream.StreamWriter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The primary: runs the guest, and when something calls for it, takes the guest's state and sends
 * it to the secondary. The guest stands still while device states are saved and dirty pages are
 * armed; the pages themselves are sent while it runs on ({@link PageSnapshot}).
 *
 * <p>Between checkpoints dirty pages flow ahead, unless the guest soon writes them again anyway.
 */
final class ColoPrimary extends ColoSide {
  /** An answer that takes longer does not come. */
  private static final long PATIENCE_MILLIS = 10_000;

  /** The same for the first one, until which the guest stands still. */
  private static final long READY_MILLIS = 3000;

  private static final long LOOK_MILLIS = 20;

  /** So long requests to disks have to end while the guest runs. */
  private static final long EBB_MILLIS = 100;

  private static final long SHORTEST_FLOW_MILLIS = 50;
  private static final long LONGEST_FLOW_MILLIS = 1000;

  /** So few dirty pages (4 MiB) take no time to speak of in a checkpoint: they need not flow. */
  private static final int FEW = 1024;

  /** Pages between two looks at what else there is to do. */
  private static final int BATCH = 256;

  private static final int MOST_SKIPPED_FLOWS = 64;

  private final ColoController.Source source;
  private final CheckpointTrigger trigger;
  private final List<DirtyLog> logs;
  private final PageDigest digest = new PageDigest();
  private final Answers answers = new Answers();
  private final Thread reader =
      Thread.ofPlatform().name("COLO answers").daemon(true).unstarted(this::readAnswers);
  private final StateOutput state = new StateOutput();
  private final PageSnapshot.Page page = new PageSnapshot.Page();
  private final long buffer;
  private PageSnapshot snapshot;

  /** Pages that flowed ahead since the last checkpoint, by log. */
  private final List<long[]> flowed = new ArrayList<>();

  private long flowedPages;
  private int skipFlows;
  private int flowsToSkip;

  ColoPrimary(Wiring wiring, ColoController.Source source) throws IOException {
    super(wiring, source.state());
    this.source = source;
    this.logs = source.dirty().logs();
    this.trigger =
        new CheckpointTrigger(
            () -> wiring.context().parameters().get().xCheckpointDelay().orElseThrow());
    this.buffer = Libc.mapAnonymous(RamBlock.PAGE_SIZE, Libc.PROT_READ | Libc.PROT_WRITE);
    logs.forEach(log -> flowed.add(log.emptySet()));
  }

  @Override
  ColoStatus.Mode mode() {
    return ColoStatus.Mode.PRIMARY;
  }

  /** Calls for a checkpoint. Any thread. */
  void call(CheckpointCause cause) {
    trigger.call(cause);
  }

  @Override
  boolean isLoading() {
    return false;
  }

  @Override
  void loop() throws IOException {
    answers.ask(ColoMessage.CHECKPOINT_READY);
    reader.start();
    await(ColoMessage.CHECKPOINT_READY, READY_MILLIS);
    begin(onLoop(this::begin));
    while (true) {
      awaitCall();
      checkpoint();
    }
  }

  @Override
  void settle() throws InterruptedException {
    reader.join();
  }

  @Override
  boolean followsPeersEnd() {
    return false;
  }

  /** Sees at once when the connection breaks, whatever the side's thread does. */
  private void readAnswers() {
    try {
      while (true) {
        answers.arrive(link.receive());
      }
    } catch (IOException | RuntimeException | Error e) {
      link.fail(describe(e)); // where the link does not know already
    } finally {
      answers.end();
      trigger.interrupt();
      wiring.disks().peerLost();
    }
  }

  /** Both sides have the same state; the guest goes on. Event loop. */
  private IOException begin() {
    if (failover() == Failover.NONE) {
      try {
        wiring.disks().start(ColoStatus.Mode.PRIMARY);
      } catch (IOException e) {
        return e;
      }
      snapshot = new PageSnapshot(logs);
      trigger.arm();
      if (machine.runState().is(RunState.FINISH_MIGRATE)) { // not where it has powered itself off
        machine.goOn(source.state());
      }
    }
    return null;
  }

  private static void begin(IOException failure) throws IOException {
    if (failure != null) {
      throw failure;
    }
  }

  private void checkLink() throws IOException {
    wiring.ending().check();
    if (link.failure() != null) {
      throw new IOException(link.failure());
    }
  }

  private void await(ColoMessage wanted) throws IOException {
    await(wanted, PATIENCE_MILLIS);
  }

  private void await(ColoMessage wanted, long millis) throws IOException {
    try {
      for (long waited = 0; waited < millis; waited += LOOK_MILLIS) {
        if (answers.await(LOOK_MILLIS)) {
          return;
        }
        checkLink();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
    throw new IOException("%s has not come within %d ms".formatted(wanted, millis));
  }

  // ---- between checkpoints ----

  private void awaitCall() throws IOException {
    while (true) {
      Optional<CheckpointCause> cause = trigger.await(flowPause());
      checkLink();
      if (cause.isPresent()) {
        wiring.log().called(cause.get());
        return;
      }
      if (skipFlows == 0 && logs.stream().mapToLong(DirtyLog::count).sum() > FEW) {
        flow();
      }
    }
  }

  /** Nanoseconds until dirty pages flow. */
  private long flowPause() {
    long delay = wiring.context().parameters().get().xCheckpointDelay().orElseThrow();
    return TimeUnit.MILLISECONDS.toNanos(
        Math.clamp(delay / 2, SHORTEST_FLOW_MILLIS, LONGEST_FLOW_MILLIS));
  }

  /** Sends what is dirty as it is; what the guest writes meanwhile is dirty again. */
  private void flow() throws IOException {
    DirtyPages dirty = source.dirty();
    if (dirty.collect() == 0) {
      return;
    }
    long before = source.sent().getAsLong();
    long[] count = {0};
    link.send(
        ColoMessage.PAGES,
        _ -> {
          for (long number = dirty.next(); number >= 0; number = dirty.next()) {
            int index = dirty.block();
            DirtyLog log = logs.get(index);
            if (count[0] % BATCH == 0 && trigger.await(0).isPresent()) {
              log.add(number);
              continue; // the checkpoint takes the rest
            }
            RamBlock block = log.block();
            long offset = number << RamBlock.PAGE_BITS;
            RawMemory.copy(block.hostAddress() + offset, buffer, RamBlock.PAGE_SIZE);
            send(block, offset);
            flowed.get(index)[(int) (number >> 6)] |= 1L << (number & 63);
            count[0]++;
          }
          source.records().end();
        });
    flowedPages += count[0];
    wiring.log().carried(count[0], source.sent().getAsLong() - before);
  }

  /** Sends the page in the buffer. */
  private void send(RamBlock block, long offset) throws IOException {
    digest.add(block, offset, buffer);
    source.records().write(block, offset, buffer);
  }

  /** Whether it was worth while: few of the pages that flowed ahead were written again. */
  private void judgeFlow(List<long[]> dirtyAgain) {
    if (flowedPages == 0) {
      skipFlows = Math.max(0, skipFlows - 1);
      return;
    }
    long again = 0;
    for (int i = 0; i < flowed.size(); i++) {
      long[] set = flowed.get(i);
      for (int word = 0; word < set.length; word++) {
        again += Long.bitCount(set[word] & dirtyAgain.get(i)[word]);
        set[word] = 0;
      }
    }
    if (again * 2 > flowedPages) {
      flowsToSkip = Math.clamp(flowsToSkip * 2L, 1, MOST_SKIPPED_FLOWS);
    } else {
      flowsToSkip = 0;
    }
    skipFlows = flowsToSkip;
    flowedPages = 0;
  }

  // ---- a checkpoint ----

  private void checkpoint() throws IOException {
    answers.ask(ColoMessage.CHECKPOINT_REPLY);
    link.send(ColoMessage.CHECKPOINT_REQUEST);
    await(ColoMessage.CHECKPOINT_REPLY);
    if (!takeAtEbb()) {
      checkLink();
      throw new IOException("a failover was asked for");
    }
    wiring.disks().check();
    source.nextPass().run();
    long before = source.sent().getAsLong();
    long[] count = {0};
    link.send(ColoMessage.VMSTATE_SEND, out -> count[0] = sendMemory(out));
    byte[] states = state.toByteArray();
    link.send(
        ColoMessage.VMSTATE_SIZE,
        out -> {
          out.u64(states.length);
          out.bytes(states);
        });
    digest.add(states);
    answers.ask(ColoMessage.VMSTATE_RECEIVED, ColoMessage.VMSTATE_LOADED);
    link.send(ColoMessage.DIGEST, out -> out.u64(digest.take()));
    await(ColoMessage.VMSTATE_RECEIVED);
    wiring.log().carried(count[0], source.sent().getAsLong() - before);
    wiring.log().completed();
    trigger.clear();
    wiring.listener().received();
    await(ColoMessage.VMSTATE_LOADED);
    wiring.disks().loaded();
    wiring.listener().loaded();
  }

  /** Requests to disks that are under way prolong the stop: most end before. */
  private boolean takeAtEbb() throws IOException {
    try {
      wiring.disks().ebb(EBB_MILLIS);
      return onLoop(this::take);
    } finally {
      wiring.disks().flow();
    }
  }

  /** Takes the guest's state; whether that may be. Event loop. */
  private boolean take() {
    if (failover() != Failover.NONE || link.failure() != null) {
      return false;
    }
    final long start = System.nanoTime();
    RunState before = machine.runState().current();
    if (before.isRunning()) {
      machine.stop(RunState.COLO);
    }
    state.clear();
    source.devices().save(state, before);
    state.u8(StreamFormat.END);
    snapshot.take();
    machine.vcpus().forEach(vcpu -> vcpu.mmu().protectAll());
    countCheckpoint();
    trigger.taken();
    wiring.disks().taken();
    wiring.listener().taken();
    if (before.isRunning()) {
      machine.start();
      wiring.log().stopped(System.nanoTime() - start);
    }
    return true;
  }

  private long sendMemory(StreamWriter out) throws IOException {
    judgeFlow(snapshot.pending());
    SectionWriter sections = new SectionWriter(out);
    sections.endRam();
    long count = 0;
    while (snapshot.next(buffer, page)) {
      send(page.block(), page.number() << RamBlock.PAGE_BITS);
      count++;
    }
    source.records().end();
    sections.footer();
    sections.end();
    return count;
  }

  @Override
  void release() {
    if (snapshot != null) {
      snapshot.close();
    }
    source.dirty().close();
    Libc.unmap(buffer, RamBlock.PAGE_SIZE);
  }
}
