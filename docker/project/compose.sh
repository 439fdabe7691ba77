#!/usr/bin/env bash
# Writes the compose file that puts another application in place of ours: APP=FILE.py:NAME. The arguments are the
# services that run it and that publish the port. Refuses what cannot be meant.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/../say.sh"
cd "$(dirname "$0")/../.."

server=${1:?usage: docker/project/compose.sh SERVER FRONT_END} front_end=${2:?}
[ "$front_end" != none ] || die "the development server runs our own application alone. Choose a production profile for $APP: make up PROFILE=nginx APP=$APP"
[[ $APP =~ ^(.+\.py)(:[[:alpha:]_][[:alnum:]_.]*(\(\))?)?$ ]] ||
    die "APP is '$APP', which is not FILE.py:NAME. Say APP=../myproject/app.py:app, or 'APP=../myproject/app.py:create_app()' where a function makes it."
file=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
[ -f "$file" ] || die "APP names $file, and there is no such file. Say where it is: APP=../myproject/app.py:app"
env_file=${APP_ENV:-}
[ -z "$env_file" ] || [ -r "$env_file" ] || die "APP_ENV names $env_file, and there is no such file. Say which has the application's variables, NAME=value in each line, or leave it out."

# As Python sees it: the modules of a package are found from the folder above it.
file=$(realpath "$file")
folder=$(dirname "$file")
while [ -e "$folder/__init__.py" ]; do folder=$(dirname "$folder"); done
unreadable=$(cd "$folder" && find . -name '.?*' -prune -o \( -type d -o -name '*.py' \) ! -perm -o=r -print -quit)
[ -z "$unreadable" ] || die "the containers' users cannot read $folder${unreadable#.}. Run 'chmod -R go+rX $folder', and try again."
# Flask's are beside the module, others' beside the package.
static=
for place in "$(dirname "$file")" "$folder"; do
    [ -n "$static" ] || [ ! -d "$place/static" ] || static=.${place#"$folder"}/static
done

# Text as YAML has it, and no variable for compose.
quoted() { sed "s/'/''/g; s/\\$/\$\$/g; s/.*/'&'/" <<<"$1"; }
image() { echo "flask-reference/$1:${TAG:-latest}"; }
build() { # TARGET: what stands alike in both services
    echo "{context: $(quoted "$folder"), dockerfile: $(quoted "$PWD/docker/project/Dockerfile"), target: $1, args: {SERVER: $(image "$server"), FRONT_END: $base, STATIC: $(quoted "$static")}}"
}
# httpd is both.
base=application target=front_end
[ "$server" = "$front_end" ] || base=$(image "$front_end") target=application
cat <<END
services:
  # Our own schema's step.
  migrate: {profiles: [guide]}
  $server:
    image: $(image "$STACK/$server")
    build: $(build "$target")
    depends_on: !reset []
    # No secret of ours, and data that do not mix with ours.
    secrets: !reset []
    environment:
      APP: $(quoted "${file#"$folder"/}$name")
      APP_SECRET_KEY_FILE: !reset null
      PROMETHEUS_MULTIPROC_DIR: !reset null
      # Of a file of variables for a hosted platform: Gunicorn would listen there.
      PORT: ''
    env_file: [${env_file:+$(quoted "$(realpath "$env_file")")}]
    volumes:
      - project:/var/lib/app
      - ./servers/project:/srv/app/app:ro,z
      - {type: bind, source: $(quoted "$folder"), target: /srv/project, read_only: true, bind: {selinux: z}}
END
[ "$server" = "$front_end" ] || cat <<END
  $front_end:
    image: $(image "$STACK/$front_end")
    build: $(build front_end)
END
echo 'volumes: {project: }'
