# shellcheck shell=bash
# Shared by the scripts of this folder: progress goes to standard output, refusals to standard error.

say() { printf '==> %s\n' "$*"; }

# A refusal is one sentence with the next step, and a non-zero exit.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Prints the part of /etc/os-release that is asked for: ID, VERSION_CODENAME, …
os_release() {
    (
        # shellcheck source=/dev/null
        [ -r /etc/os-release ] && . /etc/os-release
        printf '%s' "${!1:-}"
    )
}

# Prints the machine's own apt mirrors as one-line sources for the release $1 (its codename), main
# component only: whatever mirror this machine was given is the one that is used.
apt_sources() {
    local own keyring
    own=$(os_release VERSION_CODENAME)
    keyring=/usr/share/keyrings/$(os_release ID)-archive-keyring.gpg
    # shellcheck disable=SC2016  # the format is apt's, not the shell's
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
        awk -v own="$own" -v want="$1" -v keyring="$keyring" '
            $2 == own || $2 == own "-updates" || $2 == own "-security" {
                sub("^" own, want, $2)
                line = "deb [signed-by=" keyring "] " $1 " " $2 " main"
                if (!seen[line]++) print line
            }'
}
