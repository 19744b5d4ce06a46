/**
 * Booting a kernel without firmware: the Linux boot protocol, PVH and multiboot, in the order in
 * which {@link dev.pollux.devices.boot.KernelLoader} tries them.
 *
 * <p>A loader reads files that nobody vouches for into a {@link dev.pollux.devices.boot.LoadPlan},
 * which accepts only what lies in RAM and overlaps nothing. The plan is carried out at each reset.
 */
package dev.pollux.devices.boot;
