#!/usr/bin/env bash
# make static: writes the static files to static/, fingerprinted and compressed, as the images have them.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."

docker/engine.sh
docker/base-image.sh
docker/images.sh nginx
container=$(docker create "flask-reference/gunicorn:${TAG:-latest}")
trap 'docker rm "$container" >/dev/null' EXIT
rm -rf static
docker cp "$container:/srv/static" - | tar -x
say "static/ has the files of /static/"
