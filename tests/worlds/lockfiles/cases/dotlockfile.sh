#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: file
# needs: dotlockfile
# A lock file that says who made it is valid as long as that process lives.
mkfifo end
dotlockfile -p -r 0 f.lock cat end &
goldlock wait --exists f.lock

echo "== Somebody else has it =="
goldlock show -- dotlockfile -p -r 0 f.lock echo "it is mine"

echo "== They are done =="
: >end
wait $!
goldlock show -- dotlockfile -p -r 0 f.lock echo "it is mine"

echo "== Left behind by a process that is no more: the kernel's largest pid is 4194304 =="
echo 4194305 >f.lock
goldlock show -- dotlockfile -p -r 0 f.lock echo "it is mine"
