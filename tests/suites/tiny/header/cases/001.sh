#!/bin/sh
# gruop: quick
echo hi
