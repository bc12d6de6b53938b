#!/bin/sh
mkfifo ready never
setsid sh -c 'sh -c "echo now >ready; read -r line <never" & wait' >/dev/null 2>&1 &
read -r line <ready
echo hi
