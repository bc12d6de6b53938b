#!/bin/sh
yes "this line is 32 characters long" | head -c 104857600
