/** An NVMe controller with one namespace (NVM Express 1.4). */
package dev.pollux.devices.storage.nvme;
