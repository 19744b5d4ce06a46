/** The JUnit extension. */
package dev.pollux.tests.junit;
