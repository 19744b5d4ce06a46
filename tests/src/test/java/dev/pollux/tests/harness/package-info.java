/** What tests of whole processes and whole guests have in common. */
package dev.pollux.tests.harness;
