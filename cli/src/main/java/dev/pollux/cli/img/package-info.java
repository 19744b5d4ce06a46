/** {@code pollux img}: work on images, with the syntax and the words of qemu-img. */
package dev.pollux.cli.img;
