/** A JUnit extension: virtual machines and pairs of them as parameters of test methods. */
package dev.pollux.junit;
