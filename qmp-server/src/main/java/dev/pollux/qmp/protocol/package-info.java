/**
 * The QEMU Machine Protocol without the emulator: JSON as QEMU reads and writes it, requests,
 * negotiation, queues, errors.
 *
 * <pre>
 *   client                         server
 *          &lt;-- greeting
 *          --&gt; qmp_capabilities
 *          &lt;-- {"return": {}}
 *          --&gt; {"execute": ...}       one after the other, on the machine's event loop
 *          --&gt; {"exec-oob": ...}      at once, on the monitor's thread
 *          &lt;-- {"return": ...}, {"error": ...}, events in between
 * </pre>
 */
package dev.pollux.qmp.protocol;
