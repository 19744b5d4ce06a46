/** From decoded guest instructions to host code. */
package dev.pollux.core.jit.emit;
