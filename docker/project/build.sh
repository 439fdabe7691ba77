#!/usr/bin/env bash
# Builds the images of APP, which docker/project/compose.sh has described, and imports the application where it will
# run. The arguments are the services that run it and that publish the port. Nothing that runs is changed.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/../say.sh"
cd "$(dirname "$0")/../.."
# shellcheck source=docker/mirrors.sh
. docker/mirrors.sh

server=${1:?usage: docker/project/build.sh SERVER FRONT_END} front_end=${2:?}
unchanged="Nothing was changed; what ran goes on."
seconds=${IMPORT_SECONDS:-60}
output=$(mktemp)
trap 'rm -f "$output"' EXIT

say "Building the images of $APP"
if ! docker compose --progress plain build "$server" "$front_end" >"$output" 2>&1; then
    # BuildKit's plain progress: "#12 3.456 ERROR: …" is what pip says.
    reason=$(sed -nE 's/^#[0-9]+ [0-9.]+ ERROR: //p' "$output" | tail -n 1)
    [ -n "$reason" ] || tail -n 20 "$output" >&2
    die "the packages of its requirements.txt cannot be installed: ${reason:-see the lines above}. Correct that file, or set PIP_INDEX_URL where this machine needs its own mirror. $unchanged"
fi

say "Importing $APP in its container"
status=0
docker compose run --rm --no-deps --no-TTY "$server" timeout "$seconds" python -c 'import app.wsgi' </dev/null >"$output" 2>&1 || status=$?
[ "$status" = 0 ] && exit
# Where nothing ran before, no network or volume is left behind.
[ -n "$(docker ps --all --quiet --filter "label=com.docker.compose.project=$STACK")" ] || docker/down.sh >/dev/null
[ "$status" != 124 ] || die "$APP does not finish importing in $seconds s: does it start a server without asking for __name__ == '__main__'? $unchanged"
reason=$(sed -n 's/^error: //p' "$output" | tail -n 1)
[ -n "$reason" ] || tail -n 20 "$output" >&2
die "${reason:-$APP cannot be imported: see the lines above}. $unchanged"
