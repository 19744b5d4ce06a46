/** What the JVM learns from before a virtual machine is started for the first time. */
package dev.pollux.cli.training;
