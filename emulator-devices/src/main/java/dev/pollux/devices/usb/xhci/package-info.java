/** A host controller for USB 2 and 3 (eXtensible Host Controller Interface 1.2). */
package dev.pollux.devices.usb.xhci;
