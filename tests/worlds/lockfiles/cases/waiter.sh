#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: flock
# Who waits for a lock has it as soon as it is free, also when its holder was killed.
flock --no-fork f sleep 1000 &
holder=$!
goldlock wait --locked f
flock f echo "it is mine" &
waiter=$!
goldlock wait --blocked $waiter
goldlock locks

echo "== The holder is killed =="
kill -KILL $holder
wait $waiter
goldlock show -- flock --nonblock f echo "it is free"
