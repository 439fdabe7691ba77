#!/usr/bin/env bash
# Sets up what the tests need on this machine: a virtual environment in .venv and, for the browser
# tests ("tests/setup.sh browser"), Chromium. Does nothing where they are there.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/../docker/say.sh"
cd "$(dirname "$0")/.."

install_packages() {
    local advice="Install them with your package manager, and try again"
    { have apt-get && [ "$(id -u)" -eq 0 ]; } || die "the tests need: $*. $advice."
    say "Installing $*"
    { apt-get update -q --error-on=any && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"; } \
        >.apt.log 2>&1 || { tail -n 5 .apt.log >&2; die "$* could not be installed: see above. $advice."; }
    rm -f .apt.log
}

# What app-engine.txt leaves out is not missed: --no-deps, and test.txt names all that it needs.
if ! cat requirements/test.txt requirements/app-engine.txt | cmp -s - .venv/requirements.txt; then
    # From elsewhere: .python-version is for Heroku, and pyenv would want that one here, too.
    python=$(cd / && python3 -c 'import sys; print(sys.executable)' 2>/dev/null) || die "the tests need Python 3.11 or newer."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "the tests need Python 3.11 or newer."
    "$python" -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
    say "Making .venv for the tests (requirements/test.txt)"
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        -r requirements/test.txt -r requirements/app-engine.txt 2>.venv/pip.log ||
        { tail -n 5 .venv/pip.log >&2; die "the packages of requirements/test.txt could not be installed: see above. Set PIP_INDEX_URL where this machine needs its own mirror."; }
    cat requirements/test.txt requirements/app-engine.txt >.venv/requirements.txt
fi

if [ "${1:-}" = browser ] && ! have chromium; then
    install_packages chromium
fi
