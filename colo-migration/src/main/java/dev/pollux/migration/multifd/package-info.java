/** Guest memory through several connections beside the main one, which multifd is. */
package dev.pollux.migration.multifd;
