/** {@code pollux pair}: two processes that run one guest, kept so without anybody who watches. */
package dev.pollux.cli.pair;
