/**
 * COLO: after a migration both sides run, and checkpoints make the secondary an exact copy of the
 * primary again and again, until one of them is lost and the other goes on alone.
 *
 * <pre>
 *        primary                                        secondary
 *   (guest runs)      PAGES, dirty pages, at any time ──▶  into the cache
 *   trigger           CHECKPOINT_REQUEST ──▶
 *                                     ◀── CHECKPOINT_REPLY
 *   STOP, device states saved,
 *   dirty pages armed, RESUME
 *                     VMSTATE_SEND, section ram ──▶        into the cache
 *                     VMSTATE_SIZE, device states ──▶      read and checked
 *                     DIGEST ──▶                           compared
 *                                     ◀── VMSTATE_RECEIVED the state is whole
 *   packets that were held leave                           STOP, cache to memory,
 *                                                          device states, RESUME
 *                                     ◀── VMSTATE_LOADED
 * </pre>
 */
package dev.pollux.migration.colo;
