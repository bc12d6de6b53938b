#!/bin/sh
# timeout: 2.5
trap "" TERM
echo deaf
sleep 1000
