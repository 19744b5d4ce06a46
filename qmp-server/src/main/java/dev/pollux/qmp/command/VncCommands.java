package dev.pollux.qmp.command;

import dev.pollux.backend.vnc.PasswordExpiry;
import dev.pollux.backend.vnc.VncServer;
import dev.pollux.core.config.Api;
import dev.pollux.qmp.protocol.QmpException;
import java.net.Inet6Address;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** Commands on viewers of the screen. */
public sealed interface VncCommands<R> extends QmpCommand<R> {
  /** Families of addresses. */
  enum NetworkAddressFamily {
    IPV4,
    IPV6,
    UNIX,
    VSOCK,
    UNKNOWN
  }

  /** A viewer. */
  record VncClientInfo(
      String host, String service, NetworkAddressFamily family, boolean websocket) {}

  /** Where viewers come in, and who has. */
  record VncInfo(
      boolean enabled,
      Optional<String> host,
      Optional<NetworkAddressFamily> family,
      Optional<String> service,
      @Api.Doc("none or vnc, that is by a password") Optional<String> auth,
      Optional<List<VncClientInfo>> clients) {}

  @Api.Doc("Who looks at the screen by VNC.")
  record QueryVnc() implements VncCommands<VncInfo> {
    @Override
    public VncInfo run(QmpContext context) {
      Optional<VncServer> server = context.devices().services().vnc();
      if (server.isEmpty()) {
        return new VncInfo(
            false,
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
      }
      SocketAddress address = server.get().address();
      return new VncInfo(
          true,
          Optional.of(host(address)),
          Optional.of(family(address)),
          Optional.of(service(address)),
          Optional.of(server.get().isGuarded() ? "vnc" : "none"),
          Optional.of(server.get().viewers().stream().map(QueryVnc::client).toList()));
    }

    private static VncClientInfo client(VncServer.Viewer viewer) {
      SocketAddress peer = viewer.peer();
      return new VncClientInfo(host(peer), service(peer), family(peer), viewer.web());
    }
  }

  private static String host(SocketAddress address) {
    return address instanceof InetSocketAddress inet
        ? inet.getAddress().getHostAddress()
        : address.toString();
  }

  private static String service(SocketAddress address) {
    return address instanceof InetSocketAddress inet ? Integer.toString(inet.getPort()) : "";
  }

  private static NetworkAddressFamily family(SocketAddress address) {
    return address instanceof InetSocketAddress inet
        ? inet.getAddress() instanceof Inet6Address
            ? NetworkAddressFamily.IPV6
            : NetworkAddressFamily.IPV4
        : NetworkAddressFamily.UNIX;
  }

  /** Protocols by which screens are shown. */
  enum DisplayProtocol {
    VNC,
    SPICE
  }

  @Api.Name("set_password")
  @Api.Doc("Sets the password that viewers have to know; it counts eight characters.")
  record SetPassword(
      DisplayProtocol protocol,
      String password,
      @Api.Doc("what becomes of viewers that are there; they are kept")
          Optional<SetPasswordAction> connected)
      implements VncCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      checkProtocol(protocol);
      if (connected.orElse(SetPasswordAction.KEEP) != SetPasswordAction.KEEP) {
        throw new QmpException("Parameter 'connected' expects 'keep' when 'protocol' is 'vnc'");
      }
      return setPassword(context, password);
    }
  }

  /** What becomes of viewers that are there when a password is set. */
  enum SetPasswordAction {
    KEEP,
    FAIL,
    DISCONNECT
  }

  @Api.Name("expire_password")
  @Api.Doc("Says until when the password lets viewers in; who has come in stays.")
  record ExpirePassword(
      DisplayProtocol protocol,
      @Api.Doc("now, never, +seconds from now on, or seconds since 1970") String time)
      implements VncCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      checkProtocol(protocol);
      Instant when =
          PasswordExpiry.read(time, Instant.now())
              .orElseThrow(
                  () ->
                      new QmpException(
                          "time \"%s\" is none; give now, never, +SECONDS or SECONDS since 1970"
                              .formatted(time)));
      if (!server(context).expirePassword(when)) {
        throw new QmpException("Could not set password expire time: " + NONE_ASKED_FOR);
      }
      return null;
    }
  }

  /** Why a password cannot be set. */
  String NONE_ASKED_FOR = "viewers are asked for none; start with -vnc ...,password=on";

  private static void checkProtocol(DisplayProtocol protocol) throws QmpException {
    if (protocol != DisplayProtocol.VNC) {
      throw new QmpException("SPICE is not in use");
    }
  }

  @Api.Doc("Sets the password that viewers have to know.")
  record ChangeVncPassword(String password) implements VncCommands<Void> {
    @Override
    public Void run(QmpContext context) throws QmpException {
      return setPassword(context, password);
    }
  }

  private static VncServer server(QmpContext context) throws QmpException {
    return context
        .devices()
        .services()
        .vnc()
        .orElseThrow(() -> new QmpException("Could not set password: there is no VNC server"));
  }

  private static Void setPassword(QmpContext context, String password) throws QmpException {
    if (!server(context).setPassword(password)) {
      throw new QmpException("Could not set password: " + NONE_ASKED_FOR);
    }
    return null;
  }
}
