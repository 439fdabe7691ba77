#!/usr/bin/env bash
# Makes the secrets that are not there yet: files that only the application's user can read. Made inside
# a container, so that they belong to that user whoever calls this.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."

[ -e secrets/secret_key ] && exit 0
say "Making secrets/secret_key (64 random characters, 0600)"
mkdir -p -m 0711 secrets
# Written aside and linked: two that start at once agree on one key, and no key is ever half written.
docker run --rm --network none --volume "$PWD/secrets:/secrets:z" "${BASE_IMAGE:-debian:trixie-slim}" sh -euc '
    umask 077
    new=/secrets/.secret_key.$(cat /proc/sys/kernel/random/uuid)
    head -c 48 /dev/urandom | base64 -w 0 >"$new"
    chown 10001:10001 "$new"
    ln "$new" /secrets/secret_key 2>/dev/null || test -e /secrets/secret_key
    rm "$new"'
