#!/bin/sh
# The fifos are for order: a process that is left behind is there, and known by its name.
mkfifo ready never
sh -c 'echo now >ready; read -r line <never' &
read -r line <ready
echo hi
