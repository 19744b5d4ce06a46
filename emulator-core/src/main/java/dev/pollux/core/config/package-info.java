/** Options as users write them, and the errors they are told. */
package dev.pollux.core.config;
