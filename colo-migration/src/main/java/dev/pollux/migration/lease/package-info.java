/** Machines that run for as long as somebody lets them. */
package dev.pollux.migration.lease;
