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
# The tests load these servers' modules, too.
servers=(gunicorn flup waitress gevent tornado twisted uvicorn granian)
for extra in static mod_wsgi "${servers[@]}"; do
    compile "$extra" --extra "$extra" --constraint requirements/app.txt
done
compile app-engine --no-deps --group app-engine --constraint requirements/app.txt
compile test --group test "${servers[@]/#/--extra=}" --constraint requirements/app.txt
