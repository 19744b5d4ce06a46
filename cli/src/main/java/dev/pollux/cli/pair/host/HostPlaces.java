package dev.pollux.cli.pair.host;

import dev.pollux.cli.pair.Places;
import java.util.List;

/**
 * Ports of both hosts, counted from those of the agents: 1 the migration, 2 the disks, then four a
 * network. The numbers of pairs do not matter, because there is one at a time.
 *
 * @param primary the side that runs the guest
 * @param networks names of their back ends, in the same order on both sides
 */
record HostPlaces(Endpoint primary, Endpoint secondary, List<String> networks) implements Places {
  private static final int MIGRATION = 1;
  private static final int DISKS = 2;
  private static final int FIRST_NETWORK = 3;
  private static final List<String> ENDS = List.of("mirror", "secondary", "guest", "released");

  @Override
  public Place at(String name, End on) {
    Endpoint listens = on == End.PRIMARY ? primary : secondary;
    return new Place.Tcp(listens.host(), listens.port() + offset(name.replaceAll("\\d+$", "")));
  }

  private int offset(String name) {
    int dot = name.lastIndexOf('.');
    if (dot < 0) {
      return name.equals("disks") ? DISKS : MIGRATION;
    }
    return FIRST_NETWORK
        + networks.indexOf(name.substring(0, dot)) * ENDS.size()
        + ENDS.indexOf(name.substring(dot + 1));
  }
}
