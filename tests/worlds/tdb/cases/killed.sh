#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# group: transaction
# A program that is killed in a transaction leaves no lock, and nothing of what it stored.
printf 'create t.tdb\nstore key old\n' | tdbtool >/dev/null
mkfifo told
tdbtool t.tdb <told >said &
writer=$!
exec 3>told
echo "== In a transaction =="
printf 'transaction_start\nstore key new\n' >&3
goldlock wait --line 'data 3 bytes' --of said
goldlock locks t.tdb

echo "== Killed =="
kill -9 "$writer"
goldlock wait --gone "$writer"
goldlock locks t.tdb
goldlock show -- tdbtool t.tdb show key
