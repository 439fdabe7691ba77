#!/usr/bin/env bash
# make tunnel: leads visitors of a tunnel server (TUNNEL_HOST) to the running stack, until Ctrl-C.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."
export STACK=${STACK:-flask}

docker/engine.sh
running=$(docker ps --filter "label=com.docker.compose.project=$STACK" --format '{{.Label "com.docker.compose.service"}}')
among() { tail -n +2 profiles.csv | cut -d, -f"$1" | grep -xF "$running" | head -n 1 || true; }
FRONT_END=$(among 2)
export FRONT_END
if [ -z "$FRONT_END" ]; then
    open=$(among 1) # a profile without a front end
    [ -z "$open" ] || die "$open runs the code of whoever reaches its debugger: nobody else may. Start another profile: make up PROFILE=nginx"
    die "no stack '$STACK' is running. Start one: make up PROFILE=nginx"
fi

docker/images.sh tunnel
compose=(docker compose --progress quiet --profile tunnel)
trap '"${compose[@]}" rm --stop --force tunnel >/dev/null 2>&1' EXIT
trap 'exit 130' INT TERM
"${compose[@]}" up --detach --no-deps --force-recreate tunnel
container=$("${compose[@]}" ps --all --quiet tunnel)
say "Asking ${TUNNEL_HOST:-https://localtunnel.me} for a tunnel"
# In the background: a signal is heard while one waits.
docker logs --follow "$container" &
wait $!
exit "$(docker wait "$container")"
