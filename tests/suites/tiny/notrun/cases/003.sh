#!/bin/sh
# formats: raw
echo never
