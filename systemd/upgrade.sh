#!/usr/bin/env bash
# systemd/upgrade.sh nginx: puts this checkout's configuration and code in service on a server that was set up from an
# older one; what does not work is taken back as a whole. --back takes the last upgrade back. --save copies the server's
# configuration into the checkout, so that git merges your edits with what is new.
set -euo pipefail
cd "$(dirname "$0")/.."

die() {
    echo "error: $*" >&2
    exit 1
}

mode=upgrade
case ${1-} in --save | --back)
    mode=${1#--}
    shift
    ;;
esac
profile=${1-}
paths() { sed -n "s/^${profile//[^a-z-]/?},\($1\),//p" systemd/files.csv; }
case $(paths '[^,]*') in
*/etc/nginx/*) front=nginx check=(nginx -t -q) ;;
*/etc/lighttpd/*) front=lighttpd check=(lighttpd -tt -f /etc/lighttpd/lighttpd.conf) ;;
*/etc/apache2/*) front=apache2 check=(apachectl configtest) ;;
*)
    die "'$profile' is no profile for a server. Choose one of:" \
        "$(tail -n +2 systemd/files.csv | cut -d, -f1 | uniq | paste -sd ' ')."
    ;;
esac
app=$(paths 'systemd\/[a-z]*\.service' | sed 's:.*/::; s:\.service$::')
readonly home=/srv/app mode profile front app=${app:-$front}
[ "$app" != lighttpd ] || # it starts the application: there is none that deploy.sh could put new code in service with
    die "$profile cannot be upgraded in one step. Copy the files that changed, as its README says, and restart lighttpd."
# What an upgrade replaced, and what the one that runs is about to.
readonly kept=$home/upgraded coming=$home/upgrading
[ "$(id -u)" -eq 0 ] || die "this needs root: sudo $0 $*"
[ -d $home/app ] || die "$home is not there. Set the server up first, as the profile's README says."
git() { command git -c safe.directory='*' "$@"; }
git rev-parse --quiet --verify HEAD >/dev/null 2>&1 ||
    die "this needs git (apt-get install git), and a checkout that 'git clone' made: it tells your edits from ours."

# The code is systemd/deploy.sh's.
mapfile -t configuration < <(grep "^$profile," systemd/files.csv | grep -Ev '^[^,]*,(app|servers|requirements|static),' | cut -d, -f2-)

if [ "$mode" = save ]; then
    for row in "${configuration[@]}"; do cp -rT "${row#*,}" "${row%%,*}"; done
    git --no-pager diff --stat
    echo "Your server's configuration is in this checkout. Next: git commit --all"
    exit
fi

# What an older list had, and this one has not, goes.
mapfile -t gone < <(git log --patch --format= -- systemd/files.csv | sed -n "s/^-$profile,[^,]*,//p" | sort -u |
    grep --invert-match --line-regexp --fixed-strings --file <(paths '[^,]*'))

# Copies these paths of the server; the list comes last, so that one that was cut off takes nothing away.
keep() {
    local path file
    for path in "$@"; do
        [ -e "$path" ] || continue
        # git knows a file as it is: then it is ours of some version, or was merged with it.
        while read -r file; do
            git cat-file -e "$(git hash-object --no-filters "$file")" 2>/dev/null ||
                die "$file was edited on this server. Check out the version it is from, say" \
                    "systemd/upgrade.sh --save $profile, and git commit --all; then merge the new version."
        done < <([ "$path" = /srv/static ] || find "$path" -type f)
    done
    mkdir $coming
    for path in "$@"; do
        [ ! -e "$path" ] || { mkdir -p "$coming$(dirname "$path")" && cp -aT "$path" "$coming$path"; }
    done
    stat --format %i $home/app >$coming/code
    printf '%s\n' "$@" >$coming/paths
    # From here on a signal (Ctrl-C) ends what runs, not this: where that fails, all is taken back.
    trap undo EXIT
    trap : INT HUP TERM
}

# Gives the server what a folder has, and takes from it what that had not.
put_back() {
    local path
    while read -r path; do
        if [ -e "$1$path" ]; then cp -aT "$1$path" "$path"; else rm -rf "${path:?}"; fi
    done <"$1/paths"
    systemctl daemon-reload
}

# Whether deploy.sh began, and did not come to its end.
is_cut_off() { compgen -G "$home/*/served" >/dev/null; }

# Whether an upgrade that began has exchanged the code, or was about to.
is_deployed() { is_cut_off || [ "$(stat --format %i $home/app)" != "$(cat $coming/code)" ]; }

# A unit's settings are of its start, while its socket keeps visitors waiting.
is_edited() {
    local path
    while read -r path; do
        [[ $path != /etc/systemd/system/$app.service* ]] || cmp --quiet "$coming$path" "$path" || return 0
    done <$coming/paths
    return 1
}

# Has the server take its files.
take() {
    "${check[@]}" && systemd/deploy.sh "$@" "$app" >/dev/null || return
    ! is_edited || systemctl restart "$app"
    [ "$app" = "$front" ] || systemctl reload "$front"
}

# Takes back what began. Forth or back: the code before is the other one.
take_back() {
    local deployed='' restart=''
    ! is_deployed || deployed=yes
    [ -z "$deployed" ] || ! is_edited || restart=yes
    put_back $coming
    [ -z "$deployed" ] || systemd/deploy.sh --back "$app" >/dev/null
    [ -z "$restart" ] || systemctl restart "$app"
    systemctl reload-or-restart "$front" # it may have found no files that it could start with
    rm -rf $coming
}

undo() {
    set +e
    trap '' INT HUP TERM
    take_back
    echo "error: this does not work, or was interrupted (see above), and all was taken back: what served still does." >&2
    exit 1
}

exec {lock}<$home
flock --timeout 3 "$lock" || die "another upgrade goes on: try again when it has ended."
if [ -e $coming/paths ]; then
    take_back
    echo "An upgrade that was cut off is taken back first."
elif is_cut_off; then
    systemd/deploy.sh --back "$app"
fi
rm -rf $coming

if [ "$mode" = back ]; then
    [ -d $kept ] || die "there is nothing to go back to: nothing was upgraded since the server was set up."
    [ "$(stat --format %i $home/previous/app)" = "$(cat $kept/code)" ] ||
        die "code was deployed since the upgrade, in place of what one would go back to: check that version out, and upgrade to it."
    mapfile -t those <$kept/paths
    keep "${those[@]}"
    put_back $kept
    take --back
    trap - EXIT
    rm -rf $coming $kept
    echo "The configuration and the code from before the upgrade are in service."
    exit
fi

[ -d static ] || die "static/ is not there: make static, on a machine with Docker, and copy it here."
keep "${configuration[@]#*,}" /srv/static "${gone[@]}"
for row in "${configuration[@]}" static,/srv/static; do
    mkdir -p "$(dirname "${row#*,}")"
    cp -rT "${row%%,*}" "${row#*,}"
done
[ -z "${gone[*]}" ] || rm -rf "${gone[@]}"
systemctl daemon-reload
take
trap - EXIT
rm -rf $kept
mv $coming $kept
echo "The new configuration and code are in service. To take both back: systemd/upgrade.sh --back $profile"
