#!/bin/sh
# timeout: 0.3
echo "== Before =="
echo here
echo "== Waiting =="
exec sleep 1000
