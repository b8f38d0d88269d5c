#!/bin/sh
# Installs a released easytier-uptime for this machine after checking its SHA-256, without root. See --help.
set -eu

# A mirror has the same paths: latest/download/SHA256SUMS and download/v<version>/<file>.
RELEASES=${EASYTIER_UPTIME_RELEASES:-https://github.com/easytier-uptime/easytier-uptime/releases}

usage() {
    cat <<'END'
Installs a released easytier-uptime for this machine: Linux or macOS, x86_64 or aarch64.

Usage: install.sh [--version VERSION] [--prefix FOLDER] [--sums FILE]

  --version VERSION  this version [default: the newest]
  --prefix FOLDER    the program becomes FOLDER/bin/easytier-uptime [default: ~/.local]
  --sums FILE        the SHA256SUMS of the release to install, instead of a downloaded one

EASYTIER_UPTIME_RELEASES names a mirror of the releases.

Exit codes: 0 installed, 1 failed, 2 bad usage, 3 the release has no program for this machine.
A failure leaves the program that was there before, and nothing else.
END
}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit "${2:-1}"
}

# What the names of the files call this machine.
target() {
    system=$(uname -s) machine=$(uname -m)
    case $machine in
        amd64) machine=x86_64 ;;
        arm64) machine=aarch64 ;;
    esac
    case $machine-$system in
        x86_64-Linux | aarch64-Linux) echo "$machine-unknown-linux-musl" ;;
        x86_64-Darwin | aarch64-Darwin) echo "$machine-apple-darwin" ;;
        *) fail "there is no released program for $system on $machine" 3 ;;
    esac
}

# download URL FILE
download() {
    # A redirect must not lead from https to http.
    case $1 in
        https:*) protocols='=https' ;;
        *) protocols='=http,https' ;;
    esac
    if command -v curl >/dev/null; then
        curl -fsSL --proto "$protocols" --connect-timeout 20 --speed-time 30 --retry 2 -o "$2" "$1"
    elif command -v wget >/dev/null; then
        wget -q -t 3 -T 30 -O "$2" "$1"
    else
        fail "there is neither curl nor wget"
    fi || fail "cannot download $1"
}

sha256_of() {
    if command -v sha256sum >/dev/null; then
        sha256sum <"$1"
    else
        shasum -a 256 <"$1"
    fi
}

# Sets `archive`, `sha256` and `version` to what the checksums say of the program for the target.
find_in() {
    while read -r sha256 archive; do
        # A star says that the file is binary.
        archive=${archive#\*}
        version=${archive#easytier-uptime-}
        version=${version%"-$2.tar.gz"}
        case $version in
            [0-9]*) [ "$archive" != "easytier-uptime-$version-$2.tar.gz" ] || return 0 ;;
        esac
    done <"$1"
    fail "the release has no program for $2" 3
}

main() {
    pinned='' prefix='' sums=''
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) usage && exit ;;
            --version | --prefix | --sums) [ -n "${2-}" ] || fail "$1 needs a value" 2 ;;
        esac
        case $1 in
            --version) pinned=${2#v} ;;
            --prefix) prefix=$2 ;;
            --sums) sums=$2 ;;
            *) fail "there is no option $1, see --help" 2 ;;
        esac
        shift 2
    done
    [ -z "$pinned" ] || [ -z "$sums" ] || fail "give --version or --sums, which names the version too" 2
    [ -n "$prefix" ] || prefix=${HOME:?is not set, name a folder with --prefix}/.local
    target=$(target)

    staged=
    work=$(mktemp -d)
    trap 'rm -rf "$work" ${staged:+"$staged"}' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM

    if [ -z "$sums" ]; then
        sums=$work/SHA256SUMS
        path=latest/download
        [ -z "$pinned" ] || path=download/v$pinned
        download "$RELEASES/$path/SHA256SUMS" "$sums"
    fi
    find_in "$sums" "$target"

    echo "downloading easytier-uptime $version for $target"
    download "$RELEASES/download/v$version/$archive" "$work/$archive"
    found=$(sha256_of "$work/$archive") || fail "there is neither sha256sum nor shasum"
    found=${found%% *}
    [ "$found" = "$sha256" ] || fail "$archive is not what was released: its SHA-256 is $found instead of $sha256"
    tar -xzf "$work/$archive" -C "$work"

    # A rename in the same folder replaces a program at once, also one that runs.
    mkdir -p "$prefix/bin"
    staged=$prefix/bin/.easytier-uptime.$$
    cp "$work/${archive%.tar.gz}/easytier-uptime" "$staged"
    chmod 755 "$staged"
    "$staged" --version >/dev/null || fail "the program does not start here"
    mv -f "$staged" "$prefix/bin/easytier-uptime"

    echo "installed $prefix/bin/easytier-uptime"
    case :$PATH: in
        *:"$prefix/bin":*) ;;
        *) echo "$prefix/bin is not in PATH" ;;
    esac
}

# The last line, so that a script of which only a part arrived does nothing.
main "$@"
