/** Those who mean harm: what they do costs them their connection at most. */
package dev.pollux.tests.hostile;
