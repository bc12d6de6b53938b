#!/bin/sh
printf 'one line\fstill the same\n'
