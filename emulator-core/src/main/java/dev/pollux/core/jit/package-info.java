/**
 * The native code generator for x86-64 hosts: translates blocks of guest code to host code that
 * runs on the state block of a vCPU.
 */
package dev.pollux.core.jit;
