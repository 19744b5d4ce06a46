/** Generated code by guest address: where it is, how it is found, linked and dropped. */
package dev.pollux.core.jit.cache;
