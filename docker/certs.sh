#!/usr/bin/env bash
# Makes what TLS needs and is not there yet, in certs/: a certificate authority of this machine's own and, signed
# by it, the certificate of localhost. A certificate of yours in certs/site/ is left alone. openssl runs in an
# image that is built already, so that the key belongs to the containers' user.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."

certificate=certs/site/fullchain.pem
(umask 022 && mkdir -p certs/site)
# Two that start at once agree on one pair.
exec 9<certs
flock 9
# Ours is valid for 397 days, and made anew after 300.
[ -n "$(find "$certificate" -mtime -300 2>/dev/null)" ] && exit 0

# shellcheck disable=SC2016  # the shell of the container expands it
script='
    umask 077
    cd /certs
    if [ -e site/fullchain.pem ] && ! openssl verify -CAfile ca.pem site/fullchain.pem; then
        exit 0  # another authority signed it
    fi
    scratch=$(mktemp -d)
    fresh() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@"; }
    if ! [ -e ca-key.pem ]; then
        # It can vouch for this machine alone: who gets hold of its key cannot pass for another site.
        fresh -days 3650 -subj "/CN=flask-reference local CA" -keyout "$scratch/ca-key" -out "$scratch/ca" \
            -addext keyUsage=critical,keyCertSign,cRLSign \
            -addext "nameConstraints=critical,permitted;DNS:localhost,permitted;IP:127.0.0.1/255.255.255.255,permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        chmod 0644 "$scratch/ca"
        mv "$scratch/ca" ca.pem
        mv "$scratch/ca-key" ca-key.pem
    fi
    fresh -days 397 -subj /CN=localhost -CA ca.pem -CAkey ca-key.pem \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 -addext basicConstraints=critical,CA:FALSE \
        -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth \
        -keyout "$scratch/key" -out "$scratch/certificate"
    openssl verify -CAfile ca.pem "$scratch/certificate"
    chmod 0644 "$scratch/certificate"
    chown 10001:10001 "$scratch/key"
    mv "$scratch/key" site/privkey.pem
    mv "$scratch/certificate" site/fullchain.pem
    rm -r "$scratch"'
say "Making certs/: a local certificate authority, and the certificate of localhost signed by it (keys 0600)"
said=$(docker run --rm --network none --user 0 --volume "$PWD/certs:/certs:z" \
    "flask-reference/migrate:${TAG:-latest}" sh -euc "$script" 2>&1) || {
    printf '%s\n' "$said" >&2
    die "the certificate could not be made: see the lines above. Put one of yours into certs/site/ (fullchain.pem, privkey.pem), or remove certs/ and try again."
}
