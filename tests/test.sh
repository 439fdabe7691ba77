#!/usr/bin/env bash
# make test: sets up all that it needs, then checks and tests the profiles named as arguments.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=docker/say.sh
. docker/say.sh

# PROFILE=x of the command line is this run's: the make of a test would take it in place of its own.
unset MAKEFLAGS MAKEOVERRIDES MFLAGS PROFILE WEB_CONCURRENCY
# Where a machine sets this, each process of pytest would compile all tests and packages anew.
unset PYTHONDONTWRITEBYTECODE

docker/engine.sh
docker/base-image.sh
docker/secrets.sh
tests/setup.sh browser
docker/images.sh "$@"
docker/certs.sh
tests/lint.sh "$@"
say "Testing $*"
names=$(IFS=, && echo "$*")
# What is of no profile (the application itself, `make`, the host) is tested with all of them.
of=()
[ $# -gt 1 ] || of=(--of profiles)
left_behind() {
    docker ps --all --quiet --filter name=test- && docker volume ls --quiet --filter name=test- &&
        docker network ls --quiet --filter name=test-
}
before=$(left_behind)
.venv/bin/pytest tests "${of[@]}" --profiles "$names" -m "alone and not at_length" --junitxml results/alone.xml
# Four stacks at a time, though two cores: much of it waits. A group of tests (xdist_group) shares a stack.
.venv/bin/pytest tests "${of[@]}" --profiles "$names" -m "not alone and not at_length" --numprocesses 4 --dist loadgroup --no-loadscope-reorder --junitxml results/test.xml
.venv/bin/python -m tests.faults results/alone.xml results/test.xml
# What all profiles do is known when all were tested.
if [ "$*" = "$(tail -n +2 profiles.csv | cut -d, -f1 | paste -sd ' ')" ]; then
    .venv/bin/python -m tests.differences results/alone.xml results/test.xml
fi
[ "$(left_behind)" = "$before" ] || die "the tests left containers, volumes or networks behind: docker ps --all --filter name=test-"
