#!/bin/sh
# Checks a deployed hub and its probes from outside, and reports problems.
# shellcheck disable=SC2016 # what looks like a variable in single quotes is one of jq
set -u

usage() {
    cat <<'TEXT'
Usage: scripts/verify-deployment.sh [OPTIONS] URL

Checks the hub at URL, such as https://hub.example.com, and its probes from outside, and reports problems. It changes
nothing at the hub; the hub's log shows some failed logins.

Options:
  --grace SECONDS   how long a new peer may wait for its first check [default: 120]
  --retired REGION  a region that needs no probe any more; may be repeated
  --help

Variables:
  API_KEY     a key of 'easytier-uptime hub key create': with it the probes are checked too
  NODE_TOKEN  a probe's token, for the same purpose
  CURL_CA_BUNDLE, https_proxy, ... are read by curl

It needs curl and jq.

Exit codes:
  0  all is well
  1  something is wrong; each line that begins with 'WRONG' describes a problem
  2  bad usage, or a tool is missing
TEXT
}

refuse() {
    printf '%s\n' "error: $1" "See 'scripts/verify-deployment.sh --help'." >&2
    exit 2
}

grace=120
retired=
url=
while [ $# -gt 0 ]; do
    case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --grace | --retired)
            [ $# -ge 2 ] || refuse "$1 needs a value"
            if [ "$1" = --grace ]; then
                case $2 in '' | *[!0-9]*) refuse "--grace takes a whole number of seconds, not '$2'" ;; esac
                grace=$2
            else
                retired="$retired$2
"
            fi
            shift
            ;;
        -*) refuse "there is no option $1" ;;
        *)
            [ -z "$url" ] || refuse 'name one URL'
            url=${1%/}
            ;;
    esac
    shift
done
case $url in
    http://?* | https://?*) ;;
    '') refuse 'name the URL of the hub' ;;
    *) refuse "'$url' is not a web address" ;;
esac
for tool in curl jq; do
    command -v "$tool" >/dev/null 2>&1 || refuse "$tool is not installed"
done

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 2' HUP INT TERM

wrong=0
# ok, note, wrong: a line of the report.
ok() { printf 'ok     %s\n' "$1"; }
note() { printf 'note   %s\n' "$1"; }
wrong() {
    wrong=$((wrong + 1))
    printf 'WRONG  %s\n' "$1"
}

finish() {
    case $wrong in
        0) printf '\nall is well\n' && exit 0 ;;
        1) printf '\n1 thing is wrong\n' && exit 1 ;;
        *) printf '\n%s things are wrong\n' "$wrong" && exit 1 ;;
    esac
}

# ask PATH [CURL-OPTION...]: sets 'status', and writes the response to $folder/body and its headers to $folder/head. Secret
# options come on standard input in the format of curl's configuration file, so that process lists do not show them.
ask() {
    path=$1
    shift
    : >"$folder/head"
    : >"$folder/body"
    status=$(curl --silent --show-error --config - --max-time 30 --connect-timeout 10 --dump-header "$folder/head" \
        --output "$folder/body" --write-out '%{http_code}' "$@" "$url$path" 2>"$folder/error")
    curl_status=$?
    [ $curl_status -eq 0 ] || status=000
}

get() { ask "$@" </dev/null; }

# header NAME: the value of a header of the last response.
header() {
    tr -d '\r' <"$folder/head" | awk -v name="$1" -F ': *' 'tolower($1) == name { sub(/^[^:]*: */, ""); print }' | tail -n 1
}

# read_answer FILTER [JQ-OPTION...]: filters the last response with jq; fails if it is not JSON or the filter fails.
read_answer() { jq --raw-output --exit-status "$@" "$folder/body" 2>/dev/null; }

# said: prints the status and the message of the last response.
said() {
    words=$(read_answer '.error // .message | strings | gsub("\\s+"; " ") | .[:200]')
    printf '%s' "$status${words:+: $words}"
}

# ------------------------------------------------------------------------------------------------ reachability
get /health
if [ "$status" = 000 ]; then
    case $curl_status in
        6) what='has a host name that cannot be resolved; check its DNS records' ;;
        7) what='refuses connections, or is unreachable; is it running, does it listen beyond 127.0.0.1 (SERVER_HOST), does a firewall block it?' ;;
        28) what='does not respond in time; check the firewall, and whether the hub hangs' ;;
        35 | 51 | 53 | 58 | 59 | 60 | 77 | 80 | 83 | 90 | 91) what='has no trusted TLS' ;;
        *) what='is unreachable' ;;
    esac
    wrong "$url $what ($(sed 's/^curl: //' "$folder/error" | head -n 1))"
    finish
fi
if [ "$status" = 200 ] && read_answer '.success == true' >/dev/null; then
    ok "it is healthy: $(read_answer '.message')"
else
    wrong "/health answers $(said); see the hub's log"
fi
read_answer '.data.warnings[]?' >"$folder/warnings"
while IFS= read -r line; do
    wrong "$line"
done <"$folder/warnings"
if [ "$(header x-uptime-hub)" = 1 ]; then
    ok 'it is a hub'
elif [ "$status" = 200 ] && read_answer 'has("success")' >/dev/null; then
    wrong 'it is not a hub: it is the monitoring API of a probe, or a proxy drops the header x-uptime-hub'
    finish
else
    wrong 'the server at this URL is not a hub; check the URL with its path, and the proxy in front of it'
    finish
fi

# ------------------------------------------------------------------------------------------------------- clock
date=$(header date)
skew=$(printf '%s' "$date" | jq --raw-input --raw-output \
    'strptime("%a, %d %b %Y %H:%M:%S GMT") | mktime - now | round' 2>/dev/null)
case $skew in
    '') wrong "its responses have no valid date ('$date')" ;;
    *)
        if [ "${skew#-}" -gt 10 ]; then
            wrong "its clock is ${skew#-} s $([ "$skew" -gt 0 ] && echo ahead of || echo behind) this machine's; find out which is right, and keep both by NTP"
        else
            ok 'its clock and that of this machine agree'
        fi
        ;;
esac

# --------------------------------------------------------------------------------------------------------- TLS
case $url in
    https://*)
        # curl has verified the chain and the name, but does not report the expiry.
        ends=$(curl --silent --verbose --max-time 30 --output /dev/null "$url/health" 2>&1 | sed -n 's/^\* *expire date: //p' | head -n 1)
        days=$(printf '%s' "$ends" | jq --raw-input --raw-output \
            'gsub(" +"; " ") | strptime("%b %d %H:%M:%S %Y GMT") | (mktime - now) / 86400 | floor' 2>/dev/null)
        if [ -z "$days" ]; then
            ok 'its TLS certificate is valid'
        elif [ "$days" -lt 14 ]; then
            wrong "its TLS certificate ends in $days days; renew it"
        else
            ok "its TLS certificate is valid for $days days"
        fi
        ;;
    http://127.* | http://localhost | http://localhost[:/]* | http://\[::1\]*) note 'no TLS, and none is needed on this machine' ;;
    *) wrong 'no TLS: tokens and the password cross the network in plain text; put a web server with TLS in front of it' ;;
esac

# ----------------------------------------------------------------------------------------------------- the API
get /openapi.json
paths='["/peers", "/results", "/nodes/status", "/api/discovery/register", "/api/nodes", "/api/admin/login"]'
if [ "$status" != 200 ] || ! read_answer '.openapi | startswith("3.")' >/dev/null; then
    wrong "/openapi.json answers $status, and no OpenAPI document; does the proxy pass on every path?"
else
    missing=$(read_answer --argjson paths "$paths" '. as $document | $paths - ($document.paths | keys) | join(" ")')
    if [ -n "$missing" ]; then
        wrong "/openapi.json lacks $missing; the hub is of another version than this script"
    else
        ok "its API is described, version $(read_answer '.info.version')"
    fi
fi

# closed METHOD PATH PROBLEM: checks that an endpoint needs a token or a session.
closed() {
    get "$2" --request "$1" --header 'Content-Type: application/json' --data '{"cycle_id": "00000000-0000-7000-8000-000000000000", "results": []}'
    case $status in
        401 | 403) return 0 ;;
        *)
            wrong "$1 $2 answers $(said) to somebody without a token: $3"
            return 1
            ;;
    esac
}
all_closed=true
closed POST /results 'anybody may report results' || all_closed=false
closed GET /api/discovery/servers 'anybody may list the probes; set OPEN_DISCOVERY to false unless that is intended' || all_closed=false
closed GET /api/admin/nodes "anybody may see the admin's data" || all_closed=false
if $all_closed; then
    ok "reporting results, listing probes and the admin's data need a token"
fi

# --------------------------------------------------------------------------------------------------- passwords
# Only a few, because a hub allows ten attempts a minute.
open=
for password in admin password admin123 changeme 12345678 easytier; do
    get /api/admin/login --header 'Content-Type: application/json' --data "{\"password\": \"$password\"}"
    case $status in
        200) open=$password && break ;;
        401 | 400) ;;
        429)
            open=unknown
            note 'the hub limits login attempts, so not all common passwords were tried; try again in a minute'
            break
            ;;
        *)
            open=unknown
            wrong "/api/admin/login answers $(said)"
            break
            ;;
    esac
done
case $open in
    '') ok "the admin's password is not a common one" ;;
    unknown) ;;
    *) wrong "the admin's password is '$open'; change it with 'easytier-uptime hub password'" ;;
esac

# ------------------------------------------------------------------------------------------------------- nodes
page=1
pages=1
: >"$folder/nodes"
while [ "$page" -le "$pages" ]; do
    get "/api/nodes?page=$page&per_page=1000"
    if [ "$status" != 200 ] || ! read_answer '.success == true and (.data.items | type == "array")' >/dev/null; then
        wrong "/api/nodes answers $(said), and no list of nodes"
        break
    fi
    read_answer --compact-output '.data.items[]' >>"$folder/nodes"
    pages=$(read_answer '.data.total_pages | numbers | if . > 1000 then 1000 else . end' || echo 1)
    page=$((page + 1))
done
# nodes FILTER [JQ-OPTION...]: filters the array of all nodes with jq.
nodes() { jq --slurp --raw-output "$@" "$folder/nodes"; }
count=$(nodes length)
# some FILTER: the number of matching nodes and the first names; nothing if there are none.
some() {
    nodes "map(select($1)) | if length == 0 then empty else \"\(length) of $count (\(.[:3] | map(\"\(.id) '\(.name)'\") | join(\", \"))\(if length > 3 then \", ...\" else \"\" end))\" end"
}
if [ "$page" -gt 1 ]; then
    if [ "$count" -eq 0 ]; then
        wrong "it lists no nodes; add one with 'easytier-uptime hub peer add URL'"
    else
        ok "nodes listed: $count ($(nodes 'group_by(.current_health_status) | map("\(length) \(.[0].current_health_status)") | join(", ")'))"
    fi
    # Strangers must not see any of these.
    masked='["network_name", "network_secret", "qq_number", "wechat", "mail"]'
    shown=$(nodes --argjson masked "$masked" '[.[] | . as $node | $masked[] | select($node[.] != null)] | unique | join(", ")')
    if [ -n "$shown" ]; then
        wrong "the public list shows $shown, which must be null in it"
    fi
    get /peers
    if [ "$status" = 200 ] && read_answer '[.. | objects | select(.network_secret != null)] | length > 0' >/dev/null; then
        wrong 'GET /peers shows network secrets to somebody without a token'
    elif [ -z "$shown" ]; then
        ok 'the public lists contain no secrets and no contacts'
    fi
    never=$(some ".last_check_time == null and (.created_at | sub(\"\\\\.[0-9]+\"; \"\") | fromdateiso8601) <= now - $grace")
    if [ -n "$never" ]; then
        wrong "nodes that were never checked: $never; there is no probe in their regions, or none reports; 'easytier-uptime hub peer list' shows the regions"
    fi
    stale=$(some '.last_check_time != null and .current_health_status == "unknown"')
    if [ -n "$stale" ]; then
        wrong "nodes that are unknown although they were checked before: $stale; their probes are offline, without network, or cannot speak their protocol"
    fi
    if [ "$count" -gt 0 ] && [ -z "$never$stale" ]; then
        ok 'the status of every node is fresh'
    fi
fi

# ------------------------------------------------------------------------------------------------------ probes
if [ -n "${API_KEY:-}${NODE_TOKEN:-}" ]; then
    if [ -n "${API_KEY:-}" ]; then
        credential="x-api-key: $API_KEY"
        variable=API_KEY
    else
        credential="x-node-token: $NODE_TOKEN"
        variable=NODE_TOKEN
    fi
    # As a value of curl's configuration.
    credential=$(printf '%s' "$credential" | sed 's/[\\"]/\\&/g')
    ask /api/discovery/servers <<TEXT
header = "$credential"
TEXT
    if [ "$status" = 401 ] || [ "$status" = 403 ]; then
        wrong "$variable is refused ($(said)); create another one at the hub"
    elif [ "$status" != 200 ] || ! read_answer '.data.servers | type == "array"' >/dev/null; then
        wrong "/api/discovery/servers answers $(said), and no list of probes"
    else
        # Hubs are in the list too, and servers that nobody vouches for.
        jq '.data.servers |= map(select((.role // "probe") == "probe" and (.open | not)))' "$folder/body" >"$folder/probes"
        probes() { jq --raw-output "$@" "$folder/probes"; }
        total=$(probes '.data.servers | length')
        alive=$(probes '[.data.servers[] | select(.status != "offline")] | length')
        if [ "$total" -eq 0 ]; then
            wrong "no probe has ever registered; 'easytier-uptime hub token create --name NAME' creates a token for one"
        else
            ok "probes there: $alive of $total ($(probes '.data.servers | group_by(.region) | map("\(.[0].region) \(map(select(.status != "offline")) | length)") | join(", ")'))"
        fi
        probes --arg retired "$retired" '
            ($retired | split("\n")) as $retired | .data.servers | group_by(.region)[]
            | select(all(.status == "offline")) | select(.[0].region | IN($retired[]) | not)
            | "the region \(.[0].region) has no live probe: \(map("\(.server_id), last seen \(.last_seen)") | join("; "))"' \
            >"$folder/gone"
        while IFS= read -r line; do
            wrong "$line. Start one, or pass --retired REGION"
        done <"$folder/gone"
        probes '.data.servers[] | select(.status == "degraded")
            | "the probe \(.server_id) is late: last seen \(.last_seen)"' >"$folder/late"
        while IFS= read -r line; do
            wrong "$line; see its log"
        done <"$folder/late"
        probes '.data.servers[] | select(.status != "offline") | select((.counters.lost? // 0) > 0)
            | "the probe \(.server_id) has lost \(.counters.lost) results since it started; its log says why"' >"$folder/lost"
        while IFS= read -r line; do
            note "$line"
        done <"$folder/lost"
        versions=$(probes '[.data.servers[] | select(.status != "offline") | .version | strings] | unique | join(", ")')
        case $versions in
            *,*) note "the probes are of several versions: $versions" ;;
        esac
    fi
else
    note "the probes were not checked: set API_KEY to a key from 'easytier-uptime hub key create --name verify'"
fi

finish
