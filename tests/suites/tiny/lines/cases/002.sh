#!/bin/sh
printf 'one\r\ntwo \t\r\n'
