/**
 * Image formats. qcow2 is written after its specification (docs/interop/qcow2 of the QEMU project):
 * section names in comments are that document's.
 */
package dev.pollux.backend.block.image;
