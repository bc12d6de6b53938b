#!/bin/sh
printf '\377\000\033[31mred\n'
