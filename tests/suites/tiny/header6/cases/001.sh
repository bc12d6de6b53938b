#!/bin/sh
# formats: qcow3, raw
echo hi
