/** The Universal Serial Bus: what is plugged into it, apart from the controller it hangs on. */
package dev.pollux.devices.usb;
