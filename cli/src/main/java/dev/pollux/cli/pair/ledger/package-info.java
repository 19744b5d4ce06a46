/** Where the record of a pair on two hosts is kept. */
package dev.pollux.cli.pair.ledger;
