#!/bin/sh
#
# timeout: soon
echo hi
