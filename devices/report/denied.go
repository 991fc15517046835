package report

// Denied is what to do where this process may not open a device that is there. It
// follows the device's node and the reason.
const Denied = "add the service to group usher or install the udev rules"
