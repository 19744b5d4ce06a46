package dev.pollux.devices.storage.nvme;

import dev.pollux.core.bus.GuestMemory;
import java.util.Arrays;
import java.util.List;

/** The commands of the admin queue (chapter 5). Machine lock held. */
final class NvmeAdmin {
  private static final int DELETE_SQ = 0x00;
  private static final int CREATE_SQ = 0x01;
  private static final int GET_LOG = 0x02;
  private static final int DELETE_CQ = 0x04;
  private static final int CREATE_CQ = 0x05;
  private static final int IDENTIFY = 0x06;
  private static final int ABORT = 0x08;
  private static final int SET_FEATURES = 0x09;
  private static final int GET_FEATURES = 0x0a;
  private static final int EVENT_REQUEST = 0x0c;

  /** Those that there are. */
  static final List<Integer> OPCODES =
      List.of(
          DELETE_SQ,
          CREATE_SQ,
          GET_LOG,
          DELETE_CQ,
          CREATE_CQ,
          IDENTIFY,
          ABORT,
          SET_FEATURES,
          GET_FEATURES,
          EVENT_REQUEST);

  private static final int CONTIGUOUS = 1;
  private static final int INTERRUPTS = 2;
  private static final int NOT_ABORTED = 1;
  private static final int RETAIN = 1 << 15;
  private static final int SAVE = 1 << 31;

  /** What Get Features is asked for (5.14): the present value, or what can be done with it. */
  private static final int CURRENT = 0;

  private static final int CAPABILITIES = 3;
  private static final int CHANGEABLE = 4;

  private final NvmeController controller;
  private final NvmeQueues queues;
  private final NvmeNamespace namespace;
  private final NvmeFeatures features;
  private final AsyncEvents events;
  private final GuestMemory memory;

  NvmeAdmin(
      NvmeController controller,
      NvmeQueues queues,
      NvmeNamespace namespace,
      NvmeFeatures features,
      AsyncEvents events,
      GuestMemory memory) {
    this.controller = controller;
    this.queues = queues;
    this.namespace = namespace;
    this.features = features;
    this.events = events;
    this.memory = memory;
  }

  /** Does a command and tells of its end, unless it is one that waits for an event. */
  void execute(NvmeCommand command) {
    if (command.isStrange()) {
      end(command, NvmeStatus.INVALID_FIELD, 0);
      return;
    }
    switch (command.opcode()) {
      case DELETE_SQ -> end(command, deleteSubmission(command.low(10)), 0);
      case CREATE_SQ -> end(command, createSubmission(command), 0);
      case DELETE_CQ -> end(command, queues.deleteCompletion(command.low(10)), 0);
      case CREATE_CQ -> end(command, createCompletion(command), 0);
      case GET_LOG -> end(command, log(command), 0);
      case IDENTIFY -> end(command, identify(command), 0);
      case ABORT -> end(command, NvmeStatus.SUCCESS, NOT_ABORTED); // what was begun is ended
      case SET_FEATURES -> setFeature(command);
      case GET_FEATURES -> getFeature(command);
      case EVENT_REQUEST -> {
        if (events.add(command.id())) {
          queues.postpone();
          events.tell();
        } else {
          end(command, NvmeStatus.TOO_MANY_EVENT_REQUESTS, 0);
        }
      }
      default -> end(command, NvmeStatus.INVALID_OPCODE, 0);
    }
  }

  private void end(NvmeCommand command, int status, int result) {
    queues.end(NvmeQueues.ADMIN, command.id(), status, result);
  }

  // ---- queues ----

  private int deleteSubmission(int number) {
    if (queues.submission(number) == null || number == NvmeQueues.ADMIN) {
      return NvmeStatus.INVALID_QUEUE;
    }
    namespace.endQueue(number);
    queues.deleteSubmission(number);
    return NvmeStatus.SUCCESS;
  }

  private int createSubmission(NvmeCommand command) {
    if (queues.completion(command.high(11)) == null || command.high(11) == NvmeQueues.ADMIN) {
      return NvmeStatus.INVALID_COMPLETION_QUEUE;
    }
    int status = checkQueue(command, controller.commandBytes() == NvmeCommand.BYTES);
    if (status == NvmeStatus.SUCCESS && queues.submission(command.low(10)) != null) {
      status = NvmeStatus.INVALID_QUEUE;
    }
    if (status == NvmeStatus.SUCCESS) {
      queues.createSubmission(
          command.low(10), command.prp1(), command.high(10) + 1, command.high(11));
    }
    return status;
  }

  private int createCompletion(NvmeCommand command) {
    int status = checkQueue(command, controller.endBytes() == CompletionQueue.ENTRY);
    if (status == NvmeStatus.SUCCESS && queues.completion(command.low(10)) != null) {
      status = NvmeStatus.INVALID_QUEUE;
    }
    if (status == NvmeStatus.SUCCESS && command.high(11) >= controller.vectors()) {
      status = NvmeStatus.INVALID_VECTOR;
    }
    if (status == NvmeStatus.SUCCESS) {
      queues.createCompletion(
          command.low(10),
          command.prp1(),
          command.high(10) + 1,
          command.high(11),
          (command.dword(11) & INTERRUPTS) != 0);
    }
    return status;
  }

  private int checkQueue(NvmeCommand command, boolean entriesFit) {
    int entries = command.high(10) + 1;
    if (command.low(10) == NvmeQueues.ADMIN || command.low(10) > queues.pairs()) {
      return NvmeStatus.INVALID_QUEUE;
    }
    if (entries < 2 || entries > NvmeQueues.MOST_ENTRIES) {
      return NvmeStatus.INVALID_QUEUE_SIZE;
    }
    if ((command.prp1() & controller.page() - 1) != 0) {
      return NvmeStatus.INVALID_PRP_OFFSET;
    }
    boolean contiguous = (command.dword(11) & CONTIGUOUS) != 0;
    return contiguous && entriesFit ? NvmeStatus.SUCCESS : NvmeStatus.INVALID_FIELD;
  }

  // ---- what it tells ----

  private int identify(NvmeCommand command) {
    int id = command.namespace();
    byte[] page =
        switch (command.dword(10) & 0xff) {
          case 0 -> id == NvmeNamespace.ID ? NvmePages.namespace(namespace) : null;
          case 1 -> controller.describe();
          case 2 -> id == -1 || id == -2 ? null : NvmePages.namespaces(id);
          case 3 -> id == NvmeNamespace.ID ? NvmePages.empty() : null; // no names of its own
          case 6 -> command.high(11) >> 8 == 0 ? NvmePages.empty() : null; // no limits of its own
          default -> null;
        };
    if (page == null) {
      boolean named = (command.dword(10) & 0xff) <= 3;
      return named ? NvmeStatus.INVALID_NAMESPACE : NvmeStatus.INVALID_FIELD;
    }
    return answer(command, page);
  }

  private int log(NvmeCommand command) {
    int number = command.dword(10) & 0xff;
    byte[] log =
        switch (number) {
          case 1 -> NvmePages.errors();
          case 2 -> NvmePages.health(namespace.backend().counters(), features.isTooHot());
          case 3 -> NvmePages.firmware();
          case 4 -> NvmePages.changed(events.namespaceChanged());
          case 5 -> NvmePages.effects();
          default -> null;
        };
    if (log == null) {
      return NvmeStatus.INVALID_LOG;
    }
    long from = command.qword(12);
    long wanted = ((command.low(11) << 16 | command.high(10)) & 0xffff_ffffL) * 4 + 4;
    if (from < 0 || from >= log.length || from % 4 != 0) {
      return NvmeStatus.INVALID_FIELD;
    }
    int to = (int) Math.min(log.length, from + wanted);
    int status = answer(command, Arrays.copyOfRange(log, (int) from, to));
    if (status == NvmeStatus.SUCCESS && (command.dword(10) & RETAIN) == 0) {
      events.read(number);
    }
    return status;
  }

  private int answer(NvmeCommand command, byte[] bytes) {
    PrpList data = PrpList.of(memory, command, bytes.length, controller.page(), true);
    if (data.status() == NvmeStatus.SUCCESS) {
      data.write(bytes);
    }
    return data.status();
  }

  // ---- features ----

  private void getFeature(NvmeCommand command) {
    int feature = command.dword(10) & 0xff;
    int select = command.dword(10) >> 8 & 7;
    int argument = command.dword(11);
    if (!NvmeFeatures.exists(feature)
        || !features.accepts(feature, argument)
        || select > CAPABILITIES) {
      end(command, NvmeStatus.INVALID_FIELD, 0);
      return;
    }
    int value =
        switch (select) {
          case CURRENT -> features.get(feature, argument);
          case CAPABILITIES -> NvmeFeatures.isChangeable(feature) ? CHANGEABLE : 0;
          default -> features.usual(feature, argument);
        };
    end(command, NvmeStatus.SUCCESS, value);
  }

  private void setFeature(NvmeCommand command) {
    int feature = command.dword(10) & 0xff;
    int value = command.dword(11);
    if (!NvmeFeatures.exists(feature) || !features.accepts(feature, value)) {
      end(command, NvmeStatus.INVALID_FIELD, 0);
    } else if ((command.dword(10) & SAVE) != 0) {
      end(command, NvmeStatus.NOT_SAVEABLE, 0);
    } else if (!NvmeFeatures.isChangeable(feature)) {
      end(command, NvmeStatus.NOT_CHANGEABLE, 0);
    } else {
      end(command, NvmeStatus.SUCCESS, features.set(feature, value));
      if (features.tellsTemperature()) {
        events.happened(AsyncEvents.Event.TEMPERATURE);
      }
    }
  }
}
