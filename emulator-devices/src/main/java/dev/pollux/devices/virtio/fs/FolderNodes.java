package dev.pollux.devices.virtio.fs;

import dev.pollux.core.host.Errno;
import dev.pollux.core.host.ErrnoException;
import dev.pollux.core.host.HostFile;
import dev.pollux.core.host.HostFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * What the guest knows of a shared folder, by number. A node remembers by which name of which
 * folder it was found last; it is found again by walking there from the root, a name at a time,
 * never through a symbolic link, and is refused if it is another file by then. One thread at a
 * time.
 */
final class FolderNodes {
  /** The root's number. */
  static final long ROOT = 1;

  private static final int MOST = 1 << 17;

  /** Folders within folders at most: each is a step of every walk. */
  private static final int DEEPEST = 200;

  private static final int MOST_NAME = 255;
  private static final int O_DIRECTORY = 0x1_0000;
  private static final int O_NOFOLLOW = 0x2_0000;
  private static final int O_PATH = 0x20_0000;

  private static final int ENOENT = Errno.ENOENT;
  private static final int ELOOP = 40;
  private static final int ENAMETOOLONG = 36;
  private static final int ESTALE = 116;

  /** A file of the host, whatever its name. */
  private record Identity(long device, long inode) {
    static Identity of(Map<String, Object> attributes) {
      return new Identity((Long) attributes.get("dev"), (Long) attributes.get("ino"));
    }
  }

  /** A file that the guest knows. */
  static final class Node {
    private final long id;
    private final Identity identity;
    private Node parent;
    private String name;
    private long lookups;

    /** Held open while the guest has it open, as it may have no name any more. */
    private HostFile held;

    private int holds;

    private Node(long id, Identity identity, Node parent, String name) {
      this.id = id;
      this.identity = identity;
      this.parent = parent;
      this.name = name;
    }

    long id() {
      return id;
    }

    private int depth() {
      int depth = 0;
      for (Node n = this; n != null && depth <= DEEPEST; n = n.parent) {
        depth++;
      }
      return depth;
    }
  }

  private final Path folder;
  private final Map<Long, Node> nodes = new HashMap<>();
  private final Map<Identity, Node> known = new HashMap<>();
  private long nextId = ROOT + 1;

  FolderNodes(Path folder) throws IOException {
    this.folder = folder.toRealPath();
    forgetAll();
  }

  /** Forgets everything but the root. */
  void forgetAll() throws IOException {
    nodes.clear();
    known.clear();
    Identity identity = Identity.of(Files.readAttributes(folder, "unix:*"));
    Node root = new Node(ROOT, identity, null, "");
    nodes.put(ROOT, root);
    known.put(identity, root);
  }

  Node get(long id) throws ErrnoException {
    Node node = nodes.get(id);
    if (node == null) {
      throw new ErrnoException(ESTALE);
    }
    return node;
  }

  /** A name that the guest gives: one step, downwards. */
  static String check(String name) throws ErrnoException {
    if (name.length() > MOST_NAME) {
      throw new ErrnoException(ENAMETOOLONG);
    }
    if (name.isEmpty() || name.equals(".") || name.equals("..") || name.indexOf('/') >= 0) {
      throw new ErrnoException(ENOENT);
    }
    return name;
  }

  /** A file held open by its place only. Closed by the caller. */
  HostFile pin(Node node) throws IOException {
    if (node.held != null) {
      return HostFile.open(node.held.path(), O_PATH);
    }
    if (node.parent == null) {
      return HostFile.open(folder.toString(), O_PATH | O_DIRECTORY);
    }
    if (node.depth() > DEEPEST) {
      throw new ErrnoException(ELOOP);
    }
    try (HostFile parent = pin(node.parent)) {
      HostFile file = HostFolder.open(parent, node.name, O_PATH | O_NOFOLLOW, 0);
      try {
        if (!Identity.of(attributes(file)).equals(node.identity)) {
          throw new ErrnoException(ESTALE);
        }
        return file;
      } catch (IOException e) {
        file.close();
        throw e;
      }
    }
  }

  /** Keeps a file reachable until it is closed. */
  static final class Hold implements AutoCloseable {
    private final Node node;

    private Hold(Node node) {
      this.node = node;
    }

    @Override
    public void close() throws ErrnoException {
      if (--node.holds == 0) {
        node.held.close();
        node.held = null;
      }
    }
  }

  /** Keeps a file that the guest has opened. */
  Hold hold(Node node) throws IOException {
    if (node.held == null) {
      node.held = pin(node);
    }
    node.holds++;
    return new Hold(node);
  }

  /** Does something with a name in a folder that is held open. */
  @FunctionalInterface
  interface Use<T> {
    T use(HostFile folder, String name) throws IOException;
  }

  /** Does something with the place where a node was found last. */
  <T> T atPlace(Node node, Use<T> use) throws IOException {
    if (node.parent == null) {
      throw new ErrnoException(Errno.EPERM);
    }
    try (HostFile parent = pin(node.parent)) {
      return use.use(parent, node.name);
    }
  }

  /** The path of a file that is held open: it leads there and nowhere else. */
  static Path path(HostFile file) {
    return Path.of(file.path());
  }

  static Map<String, Object> attributes(HostFile file) throws IOException {
    return Files.readAttributes(path(file), "unix:*");
  }

  /** Finds a name in a folder; the guest knows the node once more. */
  Found find(Node parent, String name) throws IOException {
    try (HostFile folderFile = pin(parent);
        HostFile file = HostFolder.open(folderFile, check(name), O_PATH | O_NOFOLLOW, 0)) {
      Map<String, Object> attributes = attributes(file);
      Identity identity = Identity.of(attributes);
      Node node = known.get(identity);
      if (node == null) {
        if (nodes.size() >= MOST) {
          throw new ErrnoException(Errno.ENOMEM);
        }
        node = new Node(nextId++, identity, parent, name);
        nodes.put(node.id, node);
        known.put(identity, node);
      } else if (node.parent != null) {
        node.parent = parent;
        node.name = name;
      }
      node.lookups++;
      return new Found(node, attributes);
    }
  }

  /** A node with the attributes of its file. */
  record Found(Node node, Map<String, Object> attributes) {}

  /** A file has another place now. */
  void moved(Node from, String oldName, Node to, String newName) {
    for (Node node : nodes.values()) {
      if (node.parent == from && node.name.equals(oldName)) {
        node.parent = to;
        node.name = newName;
        return;
      }
    }
  }

  /** The guest forgets some of its look-ups of a node. */
  void forget(long id, long lookups) {
    Node node = nodes.get(id);
    if (node != null && node.parent != null) {
      node.lookups -= lookups;
      if (node.lookups <= 0) {
        nodes.remove(id);
        known.remove(node.identity, node);
      }
    }
  }
}
