#!/bin/sh
# Needs: qemu-image
echo hi
