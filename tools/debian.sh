#!/bin/sh
# Find the programs that some tests need, or install Debian's where that needs no question. Never fails: without a program
# its tests are skipped, and say so.
#
#   sh tools/debian.sh
set -u

# wanted PACKAGE "WHAT IT IS FOR" PROGRAM...: one of the programs is there, or the package is installed
wanted() {
    package=$1 purpose=$2
    shift 2
    for program in "$@"; do
        if command -v "$program" >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/"$program" >/dev/null 2>&1; then return; fi
    done
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing $package for $purpose (once only) ..."
        export DEBIAN_FRONTEND=noninteractive
        log=$(mktemp)
        if { apt-get update -q && apt-get install -q -y --no-install-recommends "$package"; } </dev/null >"$log" 2>&1; then
            rm -f "$log"
            return
        fi
        tail -n 3 "$log"
        rm -f "$log"
    fi
    echo "No $package here: $purpose will be skipped. To run them, install it (Debian: apt install $package)."
}

wanted chromium "the tests of pages" chromium chromium-browser google-chrome
wanted postgresql "the tests of a team's store" pg_ctl
exit 0
