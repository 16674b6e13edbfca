#!/usr/bin/env bash
# Installs the mail programs that the tests drive, as far as this machine allows, and says
# which tests will be skipped without the others. Never fails: the tests look for themselves.
set -euo pipefail

# program:packages, one a line; packages with commas between
programs="mbsync:isync
mutt:mutt
neomutt:neomutt
swaks:swaks,libio-socket-ssl-perl
offlineimap:offlineimap3
curl:curl
xmllint:libxml2-utils
wbxml2xml:libwbxml2-utils
openssl:openssl
python3:python3
strace:strace"

missing() {
    local line
    for line in $programs; do
        command -v "${line%%:*}" >/dev/null 2>&1 || echo "$line"
    done
}

if [ "${1:-}" != "--missing" ]; then
    absent=$(missing)
    if [ -n "$absent" ] && command -v apt-get >/dev/null 2>&1; then
        root=""
        if [ "$(id -u)" -ne 0 ]; then
            if sudo -n true 2>/dev/null; then root="sudo -n"; else root="no"; fi
        fi
        if [ "$root" = "no" ]; then
            echo "not root, and sudo asks for a password: nothing is installed"
        else
            echo "installing for the tests:" $(sed 's/:.*//' <<<"$absent")
            $root env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null 2>&1 || true
            # One by one: a package that this release does not have must not keep the others out.
            for line in $absent; do
                packages=${line##*:}
                # shellcheck disable=SC2086
                $root env DEBIAN_FRONTEND=noninteractive \
                    apt-get install -y -q --no-install-recommends ${packages//,/ } >/dev/null 2>&1 || true
            done
        fi
    fi
fi

for line in $(missing); do
    echo "skipped: tests with ${line%%:*} (not installed; package ${line##*:})"
done
