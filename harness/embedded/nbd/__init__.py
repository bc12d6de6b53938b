"""qemu-nbd, and exports."""
