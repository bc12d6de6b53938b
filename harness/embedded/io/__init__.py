"""qemu-io."""
