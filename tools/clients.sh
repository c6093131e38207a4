#!/bin/sh
# Install the clients that the server is tested with, each in a folder of its own: three major versions of one package
# cannot live in one environment. Never fails: the tests of what could not be installed are skipped, and say so.
set -u
cd "$(dirname "$0")/.." || exit 0
for client in "openai-1 openai>=1,<2" "openai-2 openai>=2,<3" "openai-3 openai>=3,<4" "anthropic anthropic>=0.40"; do
    name=${client%% *} wanted=${client#* }
    folder=.venv/clients/$name
    if [ -f "$folder/ready" ]; then continue; fi
    echo "Installing $wanted for the tests of the server (once only) ..."
    log=$(mktemp)
    if .venv/bin/python -m pip install --quiet --disable-pip-version-check --retries 1 --timeout 15 \
        --target "$folder" "$wanted" >"$log" 2>&1; then
        touch "$folder/ready"
    else
        tail -n 1 "$log"
        echo "$wanted could not be installed: the tests with it will be skipped. To try again: sh tools/clients.sh"
    fi
    rm -f "$log"
done
exit 0
