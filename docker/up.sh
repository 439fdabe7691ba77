#!/usr/bin/env bash
# make up: engine, base image, secrets, images; then the profile's services in place of any other's.
# Ends when the site answers at its published address.
set -euo pipefail
# shellcheck source=docker/say.sh
. "$(dirname "$0")/say.sh"
cd "$(dirname "$0")/.."
started=$SECONDS

profile=${1:?usage: docker/up.sh PROFILE}
IFS=, read -r _ FRONT_END transport server app_service _ < <(grep "^$profile," profiles.csv)
export FRONT_END # for application servers that several front ends share
export STACK=${STACK:-flask} PORT=${PORT:-8080} TLS_PORT=${TLS_PORT:-8443} MAIL_PORT=${MAIL_PORT:-1080} BIND=${BIND:-127.0.0.1}
address=$BIND
[ "$BIND" = 0.0.0.0 ] && address=127.0.0.1
WEB_CONCURRENCY=${WEB_CONCURRENCY:-2}
[[ $WEB_CONCURRENCY =~ ^[1-9][0-9]?$ ]] ||
    die "WEB_CONCURRENCY is '$WEB_CONCURRENCY': it has to be a number of processes from 1 to 99. One for each core is right: nproc"
# While a reload lasts each process is there twice: docs/processes.md
export WEB_CONCURRENCY APP_MEMORY=${APP_MEMORY:-$((272 + 120 * WEB_CONCURRENCY))m}
export APP_PIDS=$((20 + 40 * WEB_CONCURRENCY)) APACHE_PIDS=$((1488 + 256 * WEB_CONCURRENCY))
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
compose=(docker compose --progress quiet)

# ---- no impact on a running stack yet ----
# The containers' users are others than the owner of this checkout, which a umask of 077 shuts out.
mounted=(app servers)
for folder in "$FRONT_END" "${FRONT_END%%-*}"; do # nginx-fastcgi shares files with nginx
    [ ! -d "$folder" ] || mounted+=("$folder")
done
unreadable=$(find "${mounted[@]}" ! -perm -o=r -print -quit)
[ -z "$unreadable" ] || die "the containers' users cannot read $unreadable. Run 'chmod -R go+rX ${mounted[*]}', and try again."

# Another application than ours.
[ -z "${APP:-}" ] || docker/project/compose.sh "$app_service" "$FRONT_END" >"$scratch/project.yaml"

# The site file names the prefix, too: nothing renders it.
if [ -n "${APP_PREFIX:-}" ] && [ -d "$FRONT_END" ] &&
    ! grep -qE -- "(^|[^[:alnum:]/])$APP_PREFIX([^[:alnum:]]|\$)" <<<"$(sed 's/#.*//' "$FRONT_END"/*-available/*app.conf)"; then
    die "APP_PREFIX is $APP_PREFIX, but $(echo "$FRONT_END"/*-available/*app.conf) does not name it. Edit its marked block, as 'Below a prefix' in $FRONT_END/README.md says, or leave APP_PREFIX empty."
fi

docker/engine.sh
docker/base-image.sh
docker/secrets.sh

# Says who holds port $1 where that is not this stack, which is about to be replaced.
holder() {
    local port=$1 ours theirs
    ours=$(docker ps -q --filter "publish=$port" --filter "label=com.docker.compose.project=$STACK")
    [ -n "$ours" ] && return
    theirs=$(docker ps --filter "publish=$port" --format 'container {{.Names}}')
    if [ -n "$theirs" ]; then
        echo "$theirs"
    elif (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null; then
        # iproute2 is not on every machine, and shows other users' processes to root alone.
        { have ss && ss -Hltnp "sport = :$port" | sed -n 's/.*users:((\("[^"]*",pid=[0-9]*\).*/process \1/p' | head -n 1; } |
            grep . || echo "another program"
    fi
}
ports=(PORT)
caught= # mail: not where a server of one's own is named
if [ "${MAIL_SERVER:-mail}" = mail ]; then
    caught=yes
    ports+=(MAIL_PORT)
fi
[ ! -d "$FRONT_END" ] || ports+=(TLS_PORT)
same=$(for variable in "${ports[@]}"; do echo "${!variable}"; done | sort | uniq -d)
[ -z "$same" ] || die "two of ${ports[*]} are $same. Choose: make up PROFILE=$profile PORT=8080 TLS_PORT=8443 MAIL_PORT=1080"
for variable in "${ports[@]}"; do
    by=$(holder "${!variable}")
    [ -z "$by" ] || die "port ${!variable} is taken by $by. Stop that, or choose another port: make up PROFILE=$profile $variable=$((${!variable} + 1))"
done

# Compose takes its time to say so: asked while images are built.
COMPOSE_FILE=${COMPOSE_FILE:-compose.yaml}${APP:+:$scratch/project.yaml} \
    docker compose --profile "$profile" config --services >"$scratch/services" &
listing=$!
docker/images.sh "$profile"
docker/certs.sh
if [ -n "${APP:-}" ]; then
    export COMPOSE_FILE=${COMPOSE_FILE:-compose.yaml}:$scratch/project.yaml
    docker/project/build.sh "$app_service" "$FRONT_END"
fi

wait "$listing"
mapfile -t wanted < <(if [ "$caught" ]; then cat; else grep -vx mail; fi <"$scratch/services")
services=() # but for the schema's step
for service in "${wanted[@]}"; do
    [ "$service" = migrate ] || services+=("$service")
done

containers() { docker ps "$@" --filter "label=com.docker.compose.project=$STACK" --format '{{.Label "com.docker.compose.service"}}'; }
remove_all() {
    # A start that was cancelled may have a container made after the first look.
    for _ in 1 2 3; do
        "${compose[@]}" --profile '*' down --remove-orphans
        [ -n "$(containers --all)" ] || break
    done
}

# The schema's step before anything is replaced: where it fails, what runs goes on.
if [[ " ${wanted[*]} " = *' migrate '* ]]; then
    say "Bringing the schema up to date"
    if ! "${compose[@]}" --profile "$profile" up --detach --no-deps migrate 2>"$scratch/error" ||
        [ "$(docker wait "$STACK-migrate-1")" != 0 ]; then
        docker compose --profile "$profile" logs --no-log-prefix --tail 5 migrate >&2 || true
        # For a moment after its end Docker may still list the step itself.
        running=$(containers | grep -vx migrate || true)
        [ -n "$running" ] || remove_all
        reason=$(tail -n 1 "$scratch/error")
        die "$profile did not start: ${reason:-the step of its schema failed, see the lines above}. Nothing that runs was changed."
    fi
fi

# ---- from here on the running stack changes ----
for service in $(containers --all); do
    if [[ " ${wanted[*]} " != *" $service "* ]]; then
        say "Removing $service, which $profile does not need (the data stays)"
        "${compose[@]}" --profile '*' rm --stop --force "$service"
    fi
done

give_up() {
    remove_all
    die "$*"
}

say "Starting ${services[*]}"
if ! "${compose[@]}" --profile "$profile" up --detach --no-deps "${services[@]}" 2>"$scratch/error"; then
    give_up "$profile did not start: $(tail -n 1 "$scratch/error")"
fi

# Asks what a visitor would ask, through the published port. Docker's proxy takes the connection before
# anything listens behind it, and drops it while we write: that must not end this script.
trap '' PIPE
answers() { # ADDRESS PORT PATH
    local status
    exec 3<>"/dev/tcp/$1/$2" || return
    printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$3" >&3
    read -r -t 5 _ status _ <&3 || status=none
    exec 3>&-
    [ "$status" = 200 ]
}
say "Waiting for http://$address:$PORT/readyz"
deadline=$((SECONDS + 60))
sleep 0.7 # not sooner than any can listen: lighttpd waits a second or two where it found nobody
until answers "$address" "$PORT" /readyz 2>/dev/null &&
    { [ ! "$caught" ] || answers 127.0.0.1 "$MAIL_PORT" /api/healthz 2>/dev/null; }; do
    if [ $SECONDS -ge $deadline ]; then
        docker compose --profile "$profile" ps --all >&2
        docker compose --profile "$profile" logs --tail 10 >&2
        give_up "$profile does not answer: its containers' last words are above"
    fi
    sleep 0.1
done

tls="
    TLS     https://$address:$TLS_PORT${APP_PREFIX:-}/   (certs/ca.pem vouches for it; a certificate of yours goes into certs/site/)"
[ -d "$FRONT_END" ] || tls=
mail="http://127.0.0.1:$MAIL_PORT/   (what the application sends is caught here)"
[ "$caught" ] || mail="$MAIL_SERVER:${MAIL_SMTP_PORT:-1025}   (yours: what the application sends goes there)"
serves="the guide's (app/), with its data in the volume ${STACK}_data"
next="make smoke PROFILE=$profile"
if [ -n "${APP:-}" ]; then
    serves="$APP, with its data in the volume ${STACK}_project (/var/lib/app)"
    next="make verify URL=https://$address:$TLS_PORT/ CA=certs/ca.pem"
fi
cat <<END
==> $profile is up after $((SECONDS - started)) s

    Site    http://$address:$PORT${APP_PREFIX:-}/   ($FRONT_END, $transport, $server)$tls
    Mail    $mail
    Serves  $serves

    make logs · make status · make reload · $next · make down
END
