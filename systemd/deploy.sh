#!/usr/bin/env bash
# systemd/deploy.sh gunicorn (flup, uwsgi, apache2): puts the code of this checkout in service on a server set up by a folder's
# README, and loses no request. Code that does not start is not put there; with --back it takes the last back.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
    echo "error: $*" >&2
    exit 1
}

back=
if [ "${1-}" = --back ]; then
    back=yes
    shift
fi
unit=${1-}
case $unit in
gunicorn | flup) packages=(app "$unit") ;;
apache2 | uwsgi) packages=(app) ;; # mod_wsgi and uWSGI are Debian's
app@*) packages=(app "${unit#app@}") ;;
*) die "'$unit' is no application server of this folder. Say: systemd/deploy.sh [--back] gunicorn, or flup, uwsgi, apache2, or app@waitress." ;;
esac
[[ $(mv --help) == *--exchange* ]] ||
    die "this needs 'mv --exchange' of coreutils 9.5 (Debian 13): here copy the folders yourself, then systemctl reload $unit."
[ "$(id -u)" -eq 0 ] || die "this needs root: sudo $0 $unit"
readonly home=/srv/app parts=(app servers requirements)
[ -x $home/venv/bin/python ] && [ -d $home/requirements ] ||
    die "$home lacks venv/ or requirements/. Set the server up first, as the README of nginx/, lighttpd/ or apache/ says."

from=$home/coming
[ -z "$back" ] || from=$home/previous

install_packages() {
    local name files=()
    for name in "${packages[@]}"; do files+=(-r "$1/requirements/$name.txt"); done
    $home/venv/bin/pip install --quiet --no-deps --require-hashes "${files[@]}"
}

# Loads the new code as the unit's user, with its settings and no other, and brings the schema up to date.
starts() (
    umask "$(systemctl show "$unit" -P UMask)" # a database that is made here is as the unit would make it
    mapfile -t settings < <(systemctl show "$unit" -P Environment |
        python3 -c 'import shlex, sys; print(*shlex.split(sys.stdin.read()), sep="\n")')
    setpriv --reuid app --regid app --init-groups env --ignore-environment --chdir "$from" "${settings[@]}" \
        $home/venv/bin/flask --app app.wsgi init-db
)

# What serves finds each folder there at any moment.
exchange() { mv --exchange --no-target-directory "$from/${1##*/}" "$1"; }

# Puts back each folder that served, with its packages. New code goes; what one could go back to stays.
give_up() {
    local number folder
    while read -r number folder; do
        [ "$(stat --format %i "$folder")" = "$number" ] || exchange "$folder"
    done <"$from/served"
    install_packages $home
    rm -rf $home/coming $home/previous/served
}

exec {lock}<$home/venv
flock --timeout 3 "$lock" || die "another deploy goes on: try again when it has ended."
for folder in coming previous; do
    [ -e $home/$folder/served ] || continue
    from=$home/$folder give_up
    systemctl reload-or-restart "$unit"
    echo "A deploy that was cut off is taken back first."
    [ -z "$back" ] || exit 0
done
rm -rf $home/coming
[ -z "$back" ] || [ -d $home/previous/app ] ||
    die "there is nothing to go back to: nothing was deployed since the server was set up."
mkdir -p "$from"
stat --format '%i %n' "${parts[@]/#/$home/}" >"$from/served"
trap give_up EXIT
if [ -z "$back" ]; then
    cp -r "${parts[@]}" "$from/"
    chmod -R u=rwX,go=rX "$from"
fi
{ install_packages "$from" && starts; } ||
    die "this code does not start (see above), and was not put in service: what served still does."
main=$(systemctl show "$unit" -P MainPID)
before=$(cat "/proc/$main/task/$main/children" 2>/dev/null || true)
# Neither Ctrl-C nor a machine that goes off leaves half of it.
sync --file-system $home
trap '' INT HUP TERM
for part in "${parts[@]}"; do exchange $home/"$part"; done
systemctl reload "$unit" ||
    die "$unit does not take this code (journalctl -u $unit), and it was taken back: what served still does."
if [ -z "$back" ]; then
    mkdir -p $home/previous
    mv --exchange --no-target-directory $home/coming $home/previous
fi
rm $home/previous/served
rm -rf $home/coming
trap - EXIT INT HUP TERM
# A reload returns while processes with the code before still answer; they leave as they have ended what they began.
deadline=$((SECONDS + 60))
for process in $before; do
    while [ -d "/proc/$process" ]; do
        [ $SECONDS -lt $deadline ] || break 2
        sleep 0.1
    done
done
[ $SECONDS -lt $deadline ] || echo "note: after a minute, processes with the code before still end what they began."
echo "The code is in service. To take it back: systemd/deploy.sh --back $unit"
