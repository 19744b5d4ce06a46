/** Operating systems booted as their distributors ship them. */
package dev.pollux.tests.boot;
