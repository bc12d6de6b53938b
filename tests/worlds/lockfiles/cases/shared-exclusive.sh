#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: flock
# Who has a lock shared lets others share it; who has it exclusively is alone.
exec 3>f 4>f

echo "== Shared =="
flock --shared 3
flock --shared 4
goldlock locks
goldlock show -- flock --nonblock --shared f echo "may read"
goldlock show -- flock --nonblock f echo "may write"

echo "== Exclusive =="
exec 4>&-
flock 3
goldlock locks
goldlock show -- flock --nonblock --conflict-exit-code 75 --shared f echo "may read"

echo "== Let go =="
flock --unlock 3
goldlock show -- flock --nonblock f echo "may write"
