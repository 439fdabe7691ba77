#!/usr/bin/env bash
# make lock: compiles pyproject.toml into exact versions with hashes, and no address of any index.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=docker/say.sh
. docker/say.sh
have uv || die "make lock needs uv: 'pip install uv', then try again."

compile() {
    local name=$1
    shift
    say "requirements/$name.txt"
    uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-config \
        --custom-compile-command "make lock" "$@" pyproject.toml --output-file "requirements/$name.txt"
}
compile app
for extra in static gunicorn flup mod_wsgi waitress gevent; do
    compile $extra --extra $extra --constraint requirements/app.txt
done
compile test --group test --extra gunicorn --extra flup --extra waitress --extra gevent --constraint requirements/app.txt
