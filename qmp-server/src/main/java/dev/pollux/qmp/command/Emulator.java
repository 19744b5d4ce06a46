package dev.pollux.qmp.command;

import dev.pollux.backend.block.graph.BlockGraph;
import dev.pollux.backend.chr.CharDevices;
import dev.pollux.core.machine.Machine;
import dev.pollux.migration.MigrationService;
import java.util.UUID;

/**
 * The emulator as its monitors see it.
 *
 * @param blocks its disks
 * @param uuid identity of the machine; all zero where none was given
 * @param version of the program
 */
public record Emulator(
    Machine machine,
    CharDevices charDevices,
    BlockGraph blocks,
    MigrationService migration,
    UUID uuid,
    String version) {}
