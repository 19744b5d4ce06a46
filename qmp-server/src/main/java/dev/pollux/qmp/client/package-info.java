/** The other end of QMP: a client for scripts, shells and tests. */
package dev.pollux.qmp.client;
