#!/bin/sh
# Shows that a hub and two workers find each other: starts all three on this machine, lists them, and stops the workers.
# shellcheck disable=SC2016 # what looks like a variable in single quotes is one of jq
set -u

usage() {
    cat <<'TEXT'
Usage: scripts/verify-discovery.sh [OPTIONS] [PROGRAM]

Starts a hub and two workers (daemons) on the loopback interface, in a temporary folder and at free ports. Shows that the hub
lists all three, that a worker that stops is offline at once, and ends everything. PROGRAM is the path of easytier-uptime;
without it the one on the PATH is taken.

Options:
  --kill   kill the second worker instead of stopping it, and wait until it is degraded (60 s) and offline (90 s)
  --help

It needs curl and jq.

Exit codes:
  0  all is well
  1  something is wrong; each line that begins with 'WRONG' describes a problem
  2  bad usage, or a tool is missing
TEXT
}

refuse() {
    printf '%s\n' "error: $1" "See 'scripts/verify-discovery.sh --help'." >&2
    exit 2
}

kill_second=false
program=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --kill) kill_second=true ;;
        -*) refuse "there is no option $1" ;;
        *)
            [ -z "$program" ] || refuse 'name one program'
            program=$1
            ;;
    esac
    shift
done
for tool in curl jq; do
    command -v "$tool" >/dev/null 2>&1 || refuse "$tool is not installed"
done
program=$(command -v "${program:-easytier-uptime}") || refuse 'there is no such program; name the path of easytier-uptime'
# The services run in other folders.
case $program in
    /*) ;;
    *) program=$PWD/$program ;;
esac

folder=$(mktemp -d) || exit 2
processes=
# end_all: stops what is still running, and waits for it.
end_all() {
    for process in $processes; do
        kill "$process" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$folder"
}
trap end_all EXIT
trap 'exit 2' HUP INT TERM

ok() { printf 'ok     %s\n' "$1"; }
wrong() {
    printf 'WRONG  %s\n' "$1"
    for log in "$folder"/*/log; do
        printf '%s:\n' "$log"
        tail -n 5 "$log"
    done
    exit 1
}

# within SECONDS COMMAND...: whether the command succeeds in this time; it is tried four times a second.
within() {
    left=$(($1 * 4))
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.25
    done
}

# start NAME COMMAND [SETTING...]: starts a service in a folder of its own, and sets 'process'. The settings are in a file, so that
# process lists do not show them; the variables of the caller change nothing.
start() {
    name=$1
    command=$2
    shift 2
    mkdir "$folder/$name" || exit 2
    printf '%s\n' SERVER_HOST=127.0.0.1 SERVER_PORT=0 "$@" >"$folder/$name/.env"
    (cd "$folder/$name" && exec env -i "$program" "$command" >out 2>log) &
    process=$!
    processes="$processes $process"
}

# address NAME: the URL of a service, which it prints first.
address() { sed -n '1s/^listening on //p' "$folder/$1/out" 2>/dev/null; }
listens() { [ -n "$(address "$1")" ]; }
runs() { kill -0 "$process" 2>/dev/null; }
started() { listens "$1" || ! runs; }

# ----------------------------------------------------------------------------------------------- hub and workers
start hub hub INSTANCE_NAME=verify
within 60 started hub
listens hub || wrong 'the hub does not start'
url=$(address hub)
key=$(cd "$folder/hub" && env -i "$program" hub enroll create --name verify --region local --uses 2 --expires 1h 2>log-enroll) ||
    wrong "the hub makes no enrollment key: $(cat "$folder/hub/log-enroll")"
reader=$(cd "$folder/hub" && env -i "$program" hub key create --name verify 2>log-key) ||
    wrong "the hub makes no API key: $(cat "$folder/hub/log-key")"
ok "a hub runs at $url"
# worker NAME: starts a worker, and sets 'process'.
worker() { start "$1" daemon "DISCOVERY_SERVER_URL=$url" "ENROLLMENT_KEY=$key" "SERVER_ID=$1"; }
worker worker-1
first=$process
worker worker-2
second=$process

# ask: fetches the list. The key comes on standard input, so that process lists do not show it.
ask() {
    curl --silent --noproxy '*' --max-time 10 --config - "$url/api/discovery/servers" >"$folder/servers" <<TEXT
header = "x-api-key: $reader"
TEXT
}
# shows FILTER: whether the list is as the filter says.
shows() { ask && jq --exit-status "$1" "$folder/servers" >/dev/null 2>&1; }
# status ID STATUS: a filter for a server with this status.
status() { printf '.servers[] | select(.server_id == "%s") | .status == "%s"' "$1" "$2"; }
table() { jq --raw-output '.servers[] | "       \(.server_id)  \(.role)  \(.status)  \(.region)"' "$folder/servers"; }

# ----------------------------------------------------------------------------------------------------- the list
within 60 shows '.count == 3 and (.servers | length == 3 and all(.status == "online"))' ||
    wrong "the hub does not list three servers that are online: $(cat "$folder/servers")"
shows '.data.servers == .servers and .data.count == .count' || wrong 'the list differs at the top level and under data'
shows '[.servers[] | select(.role == "hub")] | length == 1' || wrong 'the hub is not among the servers'
ok 'it lists itself and two workers, all online:'
table

# ------------------------------------------------------------------------------------------------- workers stop
kill "$first"
within 60 shows "$(status worker-1 offline)" || wrong 'a worker that stops is not offline'
ok 'worker-1 has stopped and unregistered: it is offline at once'
if $kill_second; then
    kill -9 "$second"
    shows "$(status worker-2 online)" || wrong 'a worker that was killed is offline at once'
    within 100 shows "$(status worker-2 degraded)" || wrong 'a worker that was killed does not become degraded'
    ok 'worker-2 was killed: it is degraded after 60 s'
    within 40 shows "$(status worker-2 offline)" || wrong 'a worker that was killed does not become offline'
    ok 'worker-2 is offline after 90 s'
else
    shows "$(status worker-2 online)" || wrong 'the other worker is not online'
    ok 'worker-2 is still online'
fi
table
printf '\nall is well\n'
