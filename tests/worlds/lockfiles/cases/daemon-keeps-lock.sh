#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: flock bug
# A daemon that is started with a lock keeps it for good, unless its descriptor was closed.
# Reported against a build farm: https://github.com/ceph/ceph-qa-suite/pull/583
daemon='sleep 1000 >/dev/null 2>&1 & echo $! >pid'

echo "== flock has ended, the daemon has its lock =="
goldlock show -- flock f sh -c "$daemon"
goldlock locks
goldlock show -- flock --nonblock f echo "it is mine"
kill "$(cat pid)"
goldlock wait --gone "$(cat pid)"

echo "== flock --close =="
goldlock show -- flock --close f sh -c "$daemon"
goldlock locks
goldlock show -- flock --nonblock f echo "it is mine"
kill "$(cat pid)"
goldlock wait --gone "$(cat pid)"
