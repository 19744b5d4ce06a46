/**
 * What devices and objects there can be, declared once each, and which there are: properties,
 * types, buses, the object tree, and making and removing by name. docs/device-model.md says how the
 * parts fit.
 */
package dev.pollux.devices.model;
