/** The types of objects that are filters on a network. */
package dev.pollux.devices.netfilter;
