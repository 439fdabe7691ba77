#!/usr/bin/env bash
# Makes sure that a Docker engine answers, with Compose v2 and Buildx beside it.
# Uses what is there; else, as root on Debian or Ubuntu, installs the distribution's own packages and
# starts the engine, with or without systemd. ENGINE_INSTALL=no forbids both.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"

readonly log=/var/log/dockerd.log
readonly pidfile=/run/docker.pid

engine_answers() { have docker && docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
plugins_answer() { have docker && docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }

# At once: it is asked at the start of all that make does.
plugins_answer &
if engine_answers && wait $!; then
    exit 0
fi

manual="Install Docker with Compose v2 and Buildx (https://docs.docker.com/engine/install/), start it, and try again"

if [ -n "${DOCKER_HOST:-}" ] && ! engine_answers; then
    die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST. Start that engine, or unset DOCKER_HOST."
fi
if [ "${ENGINE_INSTALL:-yes}" = no ]; then
    die "no Docker engine with Compose v2 and Buildx answers, and ENGINE_INSTALL=no forbids installing one. $manual."
fi
case "$(os_release ID)" in
    debian | ubuntu) ;;
    *) die "no Docker engine with Compose v2 and Buildx answers, and '$(os_release ID)' is neither Debian nor Ubuntu, for which this script knows the packages. $manual." ;;
esac
if [ "$(id -u)" -ne 0 ]; then
    die "no Docker engine with Compose v2 and Buildx answers for user '$(id -un)', and installing one needs root. Run 'sudo $0', or start your engine, or join the group 'docker' and log in again."
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# apt's own complaints are kept back until they matter.
quietly() {
    local what=$1
    shift
    "$@" >"$scratch/out" 2>&1 && return
    tail -n 15 "$scratch/out" >&2
    die "$what failed: see the lines above. Check this machine's network and its mirrors in /etc/apt/sources.list*, then try again."
}

refresh_lists() {
    [ -e "$scratch/refreshed" ] && return
    say "Reading the package lists of this machine's mirrors"
    quietly "Reading the package lists" apt-get update -q --error-on=any
    touch "$scratch/refreshed"
}

install_engine() {
    refresh_lists
    say "Installing the engine from $(os_release PRETTY_NAME): docker.io"
    # The engine is started below, alike on machines with and without systemd.
    quietly "Installing docker.io" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -q -y --no-install-recommends docker.io ca-certificates iptables
    have docker || quietly "Installing docker-cli" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends docker-cli
}

install_plugins() {
    local packages="docker-compose docker-buildx" codename
    [ "$(os_release ID)" = ubuntu ] && packages="docker-compose-v2 docker-buildx"
    if [ "$(os_release VERSION_CODENAME)" != bookworm ]; then
        refresh_lists
        say "Installing Compose v2 and Buildx: $packages"
        # shellcheck disable=SC2086  # a list of package names
        quietly "Installing $packages" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends $packages
        return
    fi
    # Debian 12 has neither; those of the next release need nothing but its libc.
    codename=trixie
    say "Installing Compose v2 and Buildx from Debian's next release ($codename), which Debian 12 lacks"
    mkdir -p "$scratch/lists/partial" "$scratch/debs/partial"
    apt_sources $codename >"$scratch/$codename.list"
    local apt=(apt-get -q -o "Dir::Etc::sourcelist=$scratch/$codename.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$scratch/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
    quietly "Reading the lists of $codename" "${apt[@]}" update --error-on=any
    # apt's own user could not write to a folder of root's.
    # shellcheck disable=SC2086  # a list of package names
    (cd "$scratch/debs" && quietly "Fetching $packages" "${apt[@]}" -o APT::Sandbox::User=root download $packages)
    quietly "Installing $packages" dpkg -i "$scratch"/debs/*.deb
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        say "Starting the engine (systemctl start docker)"
        quietly "Starting the engine" systemctl start docker
    else
        say "Starting the engine (dockerd; its log is $log)"
        # A daemon that died leaves its pid file behind; a new one then refuses to start.
        if [ -r $pidfile ] && ! grep -qs dockerd "/proc/$(cat $pidfile)/comm"; then
            rm -f $pidfile /run/docker.sock
        fi
        setsid dockerd >>"$log" 2>&1 </dev/null &
    fi
    local deadline=$((SECONDS + 60))
    until engine_answers; do
        if [ $SECONDS -ge $deadline ] || { [ ! -d /run/systemd/system ] && ! kill -0 $! 2>/dev/null; }; then
            tail -n 5 "$log" >&2 2>/dev/null || true
            die "the engine did not start. Its log is $log (with systemd: journalctl -u docker)."
        fi
        sleep 0.2
    done
}

have dockerd || engine_answers || install_engine
plugins_answer || install_plugins
engine_answers || start_engine
plugins_answer || die "the engine answers, but 'docker compose' or 'docker buildx' does not. $manual."
say "Docker $(docker version --format '{{.Server.Version}}') answers, with Compose $(docker compose version --short)"
