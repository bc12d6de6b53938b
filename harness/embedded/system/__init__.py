"""qemu-system's block layer and monitors."""
