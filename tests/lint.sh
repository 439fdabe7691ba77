#!/usr/bin/env bash
# make lint: style, types, and each server's own check of its configuration.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/../docker/say.sh"
cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH

check() {
    say "$1"
    shift
    "$@" || failed=1
}
failed=0
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard '*.sh' .ci/run .profile)
mapfile -t yaml < <(git ls-files --cached --others --exclude-standard '*.yaml' '*.yml')

check "ruff check" ruff check --quiet .
check "ruff format" ruff format --quiet --check .
check "mypy --strict" mypy --no-error-summary
check "shellcheck" shellcheck --external-sources "${scripts[@]}"
check "hadolint" hadolint docker/Dockerfile docker/project/Dockerfile
check "yamllint" yamllint --strict "${yaml[@]}"
check "docker compose config" docker compose --profile '*' config --quiet

# Each service checks the code or the configuration that its own container would start with.
export STACK=lint-$$
profiles=()
for name; do profiles+=(--profile "$name"); done
checks=$(docker compose "${profiles[@]}" config --format json | python -c '
import json, sys
for name, service in json.load(sys.stdin)["services"].items():
    if "reload.check" in service.get("labels", {}):
        print(name, service["labels"]["reload.check"])')
while read -r service command; do
    say "$service: $command"
    said=$(docker compose run --rm --no-deps --no-TTY "$service" sh -c "$command" </dev/null 2>&1) || {
        printf '%s\n' "$said"
        failed=1
    }
done <<<"$checks"
docker compose --progress quiet --profile '*' down --volumes
exit $failed
