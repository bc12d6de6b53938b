#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: flock file
# needs: dotlockfile
# Two ways to lock do not know each other: a file that is locked in one is free in the other.
exec 3>f.lock
flock 3
goldlock locks

echo "== flock's lock says nothing to dotlockfile: it sees an empty file, with no holder's pid =="
touch -m -d '6 minutes ago' f.lock
goldlock show -- dotlockfile -r 0 f.lock echo "it is mine, too"
