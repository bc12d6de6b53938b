#!/bin/sh
echo "== One =="
echo one
exit 3
