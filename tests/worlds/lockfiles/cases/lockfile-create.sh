#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: file
# needs: lockfile-create
# A lock file that does not say who made it is valid for five minutes after it was last touched.
goldlock show -- lockfile-create --retry 0 f

echo "== It keeps others out =="
goldlock show -- lockfile-check f
goldlock show -- lockfile-create --retry 0 f

echo "== Nobody has touched it for six minutes =="
touch -m -d '6 minutes ago' f.lock
goldlock show -- lockfile-check f

echo "== Touched again =="
goldlock show -- lockfile-touch --oneshot f
goldlock show -- lockfile-check f

echo "== Given up, and taken over =="
touch -m -d '6 minutes ago' f.lock
goldlock show -- lockfile-create --retry 0 f
goldlock show -- lockfile-remove f
