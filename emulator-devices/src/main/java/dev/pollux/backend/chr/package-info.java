/**
 * Character back ends: where the bytes of a serial port, a monitor or a debug console go to and
 * come from.
 *
 * <p>Writing never blocks the machine and never buffers without bound: a back end takes what it has
 * room for ({@value dev.pollux.backend.chr.OutputQueue#CAPACITY} bytes wait at most) and tells the
 * front end when it has room again. What happens where nobody listens:
 *
 * <table>
 * <caption>Back ends</caption>
 * <tr><th>kind<th>nobody there<th>the other side is slow
 * <tr><td>stdio, file, pipe<td>after a write error: dropped<td>the front end waits
 * <tr><td>unix and tcp socket, pty<td>not connected: dropped<td>the front end waits
 * <tr><td>ringbuf<td>the oldest bytes are overwritten<td>the same
 * <tr><td>null, vc<td>dropped<td>dropped
 * </table>
 */
package dev.pollux.backend.chr;
