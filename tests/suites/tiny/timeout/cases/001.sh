#!/bin/sh
# timeout: 2.5
echo "== Before =="
echo here
echo "== Waiting =="
exec sleep 1000
