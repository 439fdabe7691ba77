# shellcheck shell=bash
# Shared by the builds: pip's and npm's mirrors, from the environment or this machine's own configuration files.
# Debian's is the one in the base image.

setting() { # FILE-KEY FILE…: the last value of the key in the files that exist
    local key=$1
    shift
    sed -n "s/^[[:space:]]*${key}[[:space:]]*=[[:space:]]*//p" "$@" 2>/dev/null | tail -n 1 || true
}
export PIP_INDEX_URL=${PIP_INDEX_URL:-$(setting index-url /etc/pip.conf ~/.pip/pip.conf ~/.config/pip/pip.conf)}
export NPM_CONFIG_REGISTRY=${NPM_CONFIG_REGISTRY:-$(setting registry /etc/npmrc ~/.npmrc)}
[ -n "$PIP_INDEX_URL" ] || unset PIP_INDEX_URL
[ -n "$NPM_CONFIG_REGISTRY" ] || unset NPM_CONFIG_REGISTRY
