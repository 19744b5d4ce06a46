/** Live migration, checkpoints and failover; knows neither QMP nor the command line. */
package dev.pollux.migration;
