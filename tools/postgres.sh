#!/bin/sh
# A PostgreSQL of one's own for trying and for the tests: no root, no port, everything in one folder.
#
#   sh tools/postgres.sh start DIR    make a cluster in DIR and start it; prints the URL for EYAS_DB
#   sh tools/postgres.sh stop DIR     stop it and remove DIR
#
# Needs the programs of PostgreSQL (Debian: apt install postgresql). DIR must be short: a socket lies in it.
set -eu

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
dir=$2

bin=$(command -v pg_ctl || ls -d /usr/lib/postgresql/*/bin/pg_ctl 2>/dev/null | sort -V | tail -n 1) || true
[ -n "$bin" ] || { echo "there is no PostgreSQL here; on Debian or Ubuntu: apt install postgresql" >&2; exit 1; }
bin=$(dirname "$bin")

# PostgreSQL refuses to run as root.
as() { if [ "$(id -u)" -eq 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi; }

case $1 in
start)
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd)
  [ "$(id -u)" -ne 0 ] || chown postgres "$dir"
  as "$bin/initdb" --no-sync --auth=trust --username=eyas --encoding=UTF8 --locale=C.UTF-8 "$dir/data" >/dev/null
  as "$bin/pg_ctl" start --wait --silent --pgdata="$dir/data" --log="$dir/log" \
    --options="-c listen_addresses= -c unix_socket_directories='$dir' -c fsync=off"
  echo "postgresql+psycopg://eyas@/postgres?host=$dir"
  ;;
stop)
  as "$bin/pg_ctl" stop --wait --silent --mode=immediate --pgdata="$dir/data"
  rm -rf "$dir"
  ;;
*) usage ;;
esac
