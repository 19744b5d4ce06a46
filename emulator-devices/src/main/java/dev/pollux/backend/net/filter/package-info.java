/**
 * Filters on a network's link ({@code -object filter-...}): what each does with frames. {@code
 * devices.netfilter} declares their types.
 */
package dev.pollux.backend.net.filter;
