"""qemu-img."""
