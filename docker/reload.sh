#!/usr/bin/env bash
# make reload: takes new code, templates and server configuration into service without a stop.
# Every service says in its labels how it is checked and how it is told; all are checked before one is told.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."
export STACK=${STACK:-flask}

docker/engine.sh
containers=$(docker ps --quiet --filter "label=com.docker.compose.project=$STACK" --filter label=reload.apply --filter label=com.docker.compose.container-number)
if [ -z "$containers" ] && [ -n "$(docker ps --quiet --filter "label=com.docker.compose.project=$STACK" --filter label=com.docker.compose.service=dev)" ]; then
    say "dev takes new code in by itself when a file changes: nothing is left to do"
    exit 0
fi
[ -n "$containers" ] || die "no stack '$STACK' is running. Start one: make up PROFILE=nginx"

label() { docker inspect --format "{{index .Config.Labels \"$2\"}}" "$1"; }

for container in $containers; do
    service=$(label "$container" com.docker.compose.service)
    if ! said=$(docker exec "$container" sh -c "$(label "$container" reload.check)" 2>&1); then
        printf '%s\n' "$said" >&2
        die "$service refuses the new code or configuration: see the lines above. Nothing was changed; what ran goes on."
    fi
done
for container in $containers; do
    say "Reloading $(label "$container" com.docker.compose.service)"
    docker exec "$container" sh -c "$(label "$container" reload.apply)" >/dev/null
done
