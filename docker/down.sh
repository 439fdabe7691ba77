#!/usr/bin/env bash
# make down: removes the stack's containers, networks and sockets; the data stays.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."
export STACK=${STACK:-flask}

docker/engine.sh
docker compose --progress quiet --profile '*' down --remove-orphans
docker volume rm --force "${STACK}_run" >/dev/null
say "Stack '$STACK' is down; its data is kept"
