/** Translations that outlive the process, in a file of the user's cache folder. */
package dev.pollux.core.jit.store;
