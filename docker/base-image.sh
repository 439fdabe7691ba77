#!/usr/bin/env bash
# Makes sure that the base image of every Dockerfile stage is there (BASE_SUITE=bookworm: that of Debian 12): the local
# one, else a pulled one, else one built with mmdebstrap from the mirror that apt already uses, with this machine's own extra
# CA certificates in it (a company's proxy, say), so that apt, pip and npm work within builds.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"

readonly codename=${BASE_SUITE:-trixie}
readonly image=${BASE_IMAGE:-debian:$codename-slim}

image_is_here() { docker image inspect "$image" >/dev/null 2>&1; }

if image_is_here; then
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say "Pulling $image"
if timeout 120 docker pull -q "$image" >"$scratch/pull" 2>&1; then
    say "$image is here"
    exit 0
fi

manual="Pull or load $image on this machine by other means ('docker load'), and try again"
say "No registry gives $image; building it with mmdebstrap from this machine's own mirror"
have apt-get || die "$image cannot be pulled ($(tail -n 1 "$scratch/pull")), and building it needs Debian or Ubuntu. $manual."
[ "$(id -u)" -eq 0 ] || die "$image cannot be pulled ($(tail -n 1 "$scratch/pull")), and building it needs root. Run 'sudo $0', or: $manual."
if ! have mmdebstrap; then
    say "Installing mmdebstrap"
    if ! { apt-get update -q --error-on=any && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends mmdebstrap; } >"$scratch/apt" 2>&1; then
        tail -n 5 "$scratch/apt" >&2
        die "mmdebstrap could not be installed. Check the mirrors in /etc/apt/sources.list*, or: $manual."
    fi
fi

if [ "$(os_release ID)" = debian ]; then
    apt_sources "$codename" >"$scratch/sources.list"
elif [ -n "${DEBIAN_MIRROR:-}" ]; then
    printf 'deb %s %s main\n' "$DEBIAN_MIRROR" "$codename" >"$scratch/sources.list"
fi
[ -s "$scratch/sources.list" ] || die "this machine names no Debian mirror to build $image from. Set DEBIAN_MIRROR to one, or: $manual."
say "Mirror: $(awk '{ for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { print $i; exit } }' "$scratch/sources.list")"

mkdir -p "$scratch/certificates"
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$scratch/certificates/" \; 2>/dev/null || true

# shellcheck disable=SC2016  # $1 is for mmdebstrap's shell
# What a slim image leaves out: documentation but licences, translations, and what apt would keep.
if ! mmdebstrap --quiet --variant=minbase --mode=root --include=ca-certificates \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
    --aptopt='Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";' \
    --aptopt='DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };' \
    --customize-hook="copy-in $scratch/certificates/. /usr/local/share/ca-certificates" \
    --customize-hook='chroot "$1" update-ca-certificates' \
    "$codename" "$scratch/root.tar" - <"$scratch/sources.list" >"$scratch/mmdebstrap" 2>&1; then
    tail -n 15 "$scratch/mmdebstrap" >&2
    die "building $image failed: see the lines above. Check this machine's network and mirrors, or: $manual."
fi
docker import --change 'CMD ["bash"]' "$scratch/root.tar" "$image" >/dev/null
say "$image is here"
