package dev.pollux.devices.storage.nvme;

import dev.pollux.core.bus.GuestMemory;
import dev.pollux.core.host.RawMemory;
import dev.pollux.core.state.StateDescriptor;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * All queues of a controller: those of the admin commands, and pairs for others. Machine lock held.
 */
final class NvmeQueues {
  static final int ADMIN = 0;

  /** Of a queue that is not the admin queue. */
  static final int MOST_ENTRIES = 2048;

  /** Interrupts that a driver without messages can mask. */
  private static final int MASKABLE = 32;

  /** The controller. */
  interface Owner {
    /** A completion queue has one more entry. */
    void posted(CompletionQueue queue);

    /** Where the queues should be there is no memory. */
    void failed();
  }

  private final List<SubmissionQueue> submissions;
  private final List<CompletionQueue> completions;
  private final GuestMemory memory;
  private final Owner owner;

  NvmeQueues(int pairs, GuestMemory memory, Owner owner) {
    submissions = some(pairs + 1, SubmissionQueue::new);
    completions = some(pairs + 1, CompletionQueue::new);
    this.memory = memory;
    this.owner = owner;
  }

  private static <Q> List<Q> some(int count, Supplier<Q> make) {
    return Stream.generate(make).limit(count).toList();
  }

  StateDescriptor<NvmeQueues> descriptor() {
    int count = submissions.size();
    return StateDescriptor.of(NvmeQueues.class, "nvme-queues", 1)
        .structs("submissions", count, SubmissionQueue.STATE, q -> q.submissions)
        .structs("completions", count, CompletionQueue.STATE, q -> q.completions);
  }

  /** Pairs apart from the first. */
  int pairs() {
    return submissions.size() - 1;
  }

  /** A queue, or null if it has not been made. */
  SubmissionQueue submission(int number) {
    return number < submissions.size() && submissions.get(number).exists()
        ? submissions.get(number)
        : null;
  }

  /** A queue, or null if it has not been made. */
  CompletionQueue completion(int number) {
    return number < completions.size() && completions.get(number).exists()
        ? completions.get(number)
        : null;
  }

  void createSubmission(int number, long address, int entries, int completion) {
    submissions.get(number).set(address, entries, completion);
  }

  void deleteSubmission(int number) {
    submissions.get(number).set(0, 0, 0);
  }

  void createCompletion(int number, long address, int entries, int vector, boolean interrupts) {
    completions.get(number).set(address, entries, vector, interrupts);
  }

  /** Deletes a queue that nobody uses. */
  int deleteCompletion(int number) {
    if (completion(number) == null || number == ADMIN) {
      return NvmeStatus.INVALID_QUEUE;
    }
    if (submissions.stream().anyMatch(q -> q.exists() && q.completion() == number)) {
      return NvmeStatus.QUEUE_IN_USE;
    }
    completions.get(number).set(0, 0, 0, false);
    return NvmeStatus.SUCCESS;
  }

  void reset() {
    submissions.forEach(q -> q.set(0, 0, 0));
    completions.forEach(q -> q.set(0, 0, 0, false));
  }

  /** Counts a command that a loaded state says has been taken. */
  void restore(int number) {
    CompletionQueue completion = completionOf(number);
    if (completion != null) {
      completion.promise();
    }
  }

  private CompletionQueue completionOf(int number) {
    SubmissionQueue queue = submission(number);
    return queue == null ? null : completion(queue.completion());
  }

  /** The number of the next queue after one that has a command which can be taken, or -1. */
  int next(int after, boolean onlyAdmin) {
    int count = submissions.size();
    return IntStream.rangeClosed(1, count)
        .map(i -> (after + i) % count)
        .filter(number -> !onlyAdmin || number == ADMIN)
        .filter(this::hasCommand)
        .findFirst()
        .orElse(-1);
  }

  private boolean hasCommand(int number) {
    SubmissionQueue queue = submission(number);
    CompletionQueue completion = completionOf(number);
    return queue != null && !queue.isEmpty() && completion != null && completion.hasRoom();
  }

  /** Takes the next command of a queue that has one; null if there is no memory. */
  NvmeCommand take(int number) {
    SubmissionQueue queue = submissions.get(number);
    GuestMemory.Piece piece = memory.whole(queue.next(), NvmeCommand.BYTES, false);
    if (piece == null) {
      owner.failed();
      return null;
    }
    byte[] bytes = new byte[NvmeCommand.BYTES];
    RawMemory.copyOut(piece.host(), bytes, 0, bytes.length);
    queue.advance();
    completionOf(number).promise();
    return new NvmeCommand(bytes);
  }

  /** A command that was taken ends. */
  void end(int number, int id, int status, int result) {
    CompletionQueue completion = completionOf(number);
    if (completion != null) {
      completion.release();
      post(number, id, status, result);
    }
  }

  /** The admin command that was taken ends when something happens. */
  void postpone() {
    completionOf(ADMIN).release();
  }

  /** Whether an admin command that was postponed can end. */
  boolean canEnd() {
    CompletionQueue queue = completionOf(ADMIN);
    return queue != null && queue.hasRoom();
  }

  /** Tells of a command's end. */
  void post(int number, int id, int status, int result) {
    CompletionQueue completion = completionOf(number);
    int head = submissions.get(number).head();
    if (completion.post(memory, result, number, head, id, status)) {
      owner.posted(completion);
    } else {
      owner.failed();
    }
  }

  /** Whether the wire is up: some queue interrupts, has an entry and is not masked. */
  boolean isInterrupting(int masked) {
    return completions.stream()
        .anyMatch(
            q ->
                q.exists()
                    && q.interrupts()
                    && !q.isEmpty()
                    && q.vector() < MASKABLE
                    && (masked >> q.vector() & 1) == 0);
  }
}
