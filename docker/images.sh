#!/usr/bin/env bash
# Builds the images of the profiles named as arguments, showing each step that is not cached.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."
# shellcheck source=docker/mirrors.sh
. docker/mirrors.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT
profiles=()
for name; do profiles+=(--profile "$name"); done

say "Building the images of $* (what did not change is cached)"
# BuildKit's plain progress: "#7 [nginx 2/4] RUN …", then "#7 CACHED", or its output and "#7 DONE 1.2s".
if ! docker compose "${profiles[@]}" --progress plain build 2>&1 | tee "$log" |
    awk '/^#[0-9]+ \[.* [0-9]+\/[0-9]+\] / && !/\] FROM / { head[$1] = substr($0, length($1) + 2, 96); next }
         $2 == "CACHED" { delete head[$1]; next }
         $1 in head && !shown[$1]++ { print "    " head[$1]; fflush() }'; then
    tail -n 20 "$log" >&2
    failure='Failed to fetch|Could not (resolve|connect)|Temporary failure|Connection (refused|timed out)|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|NewConnectionError|NameResolutionError|No matching distribution'
    if grep -qE "$failure" "$log"; then
        mirror=$(grep -E "$failure|Looking in indexes" "$log" |
            grep -oE "https?://[^ ']+|host='[^']+'|(ENOTFOUND|ECONNREFUSED) [^ ]+" | head -n 1 || true)
        die "the build cannot reach its mirror (${mirror:-see above}). Debian's mirror is the one in the base image (correct /etc/apt/sources.list*, then 'docker rmi debian:trixie-slim'); for Python's set PIP_INDEX_URL, for npm's NPM_CONFIG_REGISTRY, and behind a proxy HTTPS_PROXY."
    fi
    die "the build failed: see the lines above. Nothing that runs was changed."
fi
