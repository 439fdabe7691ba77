#!/usr/bin/env bash
# make clean: removes the stack with its data, after asking. CONFIRM=yes answers beforehand.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."
export STACK=${STACK:-flask}

answer=${CONFIRM:-}
if [ -z "$answer" ]; then
    [ -t 0 ] || die "make clean removes the students, uploads and other data of stack '$STACK'; nobody is here to ask. Say CONFIRM=yes to mean it."
    read -r -p "Remove the students, uploads and other data of stack '$STACK' for good? [y/N] " answer
fi
case "$answer" in
    y | Y | yes) ;;
    *) die "nothing was removed." ;;
esac
docker/engine.sh
docker compose --progress quiet --profile '*' down --remove-orphans --volumes
# Of an application of its own (APP) compose.yaml knows neither the volume nor the images.
docker volume ls --quiet --filter "label=com.docker.compose.project=$STACK" | xargs -r docker volume rm >/dev/null
docker image ls --format '{{.Repository}}:{{.Tag}}' "flask-reference/$STACK/*" | xargs -r docker image rm >/dev/null
say "Stack '$STACK' and its data are gone (images and secrets stay: 'docker image prune', 'rm -r secrets certs')"
