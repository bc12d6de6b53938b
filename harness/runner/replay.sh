# SPDX-License-Identifier: GPL-2.0-or-later
set -u
TOP=$(mktemp -d "${TMPDIR:-/tmp}/goldlock-XXXXXX") || exit 2
case ${#TOP}$TOP in # too long for sockets, or to be quoted in options and for monitors
    [7-9][0-9]/* | [1-9][0-9][0-9]/* | *[!A-Za-z0-9/._+@-]*)
        rmdir "$TOP"
        TOP=$(mktemp -d /tmp/goldlock-XXXXXX) || exit 2
        ;;
esac
TEST_DIR=$TOP/test SOCK_DIR=$TOP/s
HOME=$TOP/home
mkdir "$TEST_DIR" "$SOCK_DIR" "$HOME"
export TEST_DIR SOCK_DIR HOME
cd "$TEST_DIR"
exec </dev/null

# The end: no program stays. With KEEP set, the directory does.
tidy() {
    for n in 1 2 3 4 5 6 7; do
        eval "pid=\${pid_$n-}"
        [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
    done
    if [ -n "${KEEP-}" ]; then echo "kept: $TOP"; else rm -rf "$TOP"; fi
}
trap tidy EXIT
trap 'exit 130' INT TERM HUP

section() {
    printf '\n== %s ==\n' "$1"
}

# run COMMAND...: show a command, and run it to its end
run() {
    printf '\n$ %s\n' "$*"
    "$@"
    status=$?
    [ $status -eq 0 ] || echo "[exit status $status]"
}

# hold N MONITOR COMMAND...: start a program that stays, and wait until its monitor greets
hold() {
    n=$1 monitor=$2
    shift 2
    printf '\n[%s] $ %s\n' "$n" "$*"
    mkfifo "$TOP/in.$n" "$TOP/out.$n"
    # Opened for both ways, its input has no end before the program has one.
    "$@" <>"$TOP/in.$n" >"$TOP/out.$n" 2>&1 &
    eval "pid_$n=\$! monitor_$n=\$monitor events_$n=' '"
    eval "exec $((n + 2))<\"\$TOP/out.$n\""
    case $monitor in
        qmp) hear "$n" '*"QMP"*' ;;
        hmp) hear "$n" '* monitor - type *' ;;
    esac
}

# hear N PATTERN: show what program N says, up to a line like PATTERN
hear() {
    while IFS= read -r line <&$(($1 + 2)); do
        line=${line%"$cr"}
        case $line in
            '(qemu) '*) ;; # a prompt, and its echo, letter by letter
            *) printf '[%s] %s\n' "$1" "$line" ;;
        esac
        case $line in
            '{'*'"event": "'*)
                name=${line#*'"event": "'}
                eval "events_$1=\"\$events_$1\${name%%\\\"*} \""
                ;;
        esac
        # shellcheck disable=SC2254 - it is a pattern
        case $line in $2) return 0 ;; esac
    done
    return 1
}
cr=$(printf '\r')

# send N TEXT: give program N a line
send() {
    printf '[%s] > %s\n' "$1" "$2"
    printf '%s\n' "$2" 1<>"$TOP/in.$1"
}

# ask N TEXT: give program N a command, and wait for its answer
ask() {
    send "$1" "$2"
    eval "monitor=\$monitor_$1"
    if [ "$monitor" = hmp ]; then
        echo 1<>"$TOP/in.$1" # shows the prompt again, alone on its line
        hear "$1" '(qemu) '
    else
        hear "$1" '{"[rei][erd]*' # return, error or id
    fi
}

# event N NAME: wait for an event of program N
event() {
    eval "events=\$events_$1"
    case $events in
        *" $2 "*) ;;
        *) hear "$1" '{*"event": "'"$2"'"*' ;;
    esac
    eval "events_$1=\"\${events_$1%% $2 *} \${events_$1#* $2 }\""
}

# finish N: wait for the end of program N, which was told to quit
finish() {
    hear "$1" ''
    eval "wait \$pid_$1"
    echo "[$1] [exit status $?]"
    forget "$1"
}

# end N: kill program N
end() {
    eval "kill -KILL \$pid_$1 2>/dev/null; wait \$pid_$1 2>/dev/null"
    echo "[$1] killed"
    forget "$1"
}

forget() {
    eval "exec $(($1 + 2))<&-; pid_$1="
    rm -f "$TOP/in.$1" "$TOP/out.$1"
}
