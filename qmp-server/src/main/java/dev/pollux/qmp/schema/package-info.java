/**
 * What can be said in QMP, declared once: records, enums and sealed interfaces with the annotations
 * of {@link dev.pollux.core.config.Api}. Reading and checking arguments, writing replies, {@code
 * query-qmp-schema} and the reference pages all come from these declarations.
 */
package dev.pollux.qmp.schema;
