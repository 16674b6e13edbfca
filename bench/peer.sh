#!/bin/sh
# A throw-away Dovecot for comparisons: sdbox, its default fsync setting, 200 plain accounts
# (u0..u199@bench.test, password pw), IMAP and LMTP on loopback ports, limits raised so that
# none of them is what gets measured.
#
#   bench/peer.sh start DIR [IMAP_PORT [LMTP_PORT]]   prints imap=… lmtp=… pid=… data=…
#   bench/peer.sh stop DIR                            ends it and removes DIR
#
# Debian's packages dovecot-imapd and dovecot-lmtpd are needed; nothing of the system's own
# Dovecot configuration is read or changed.
set -eu

die() {
    echo "peer.sh: $*" >&2
    exit 1
}

[ $# -ge 2 ] || die "usage: peer.sh start|stop DIR [IMAP_PORT [LMTP_PORT]]"
verb=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)

if [ "$verb" = stop ]; then
    [ -f "$dir/dovecot.conf" ] || die "$dir is not a peer's directory"
    if [ -f "$dir/run/master.pid" ]; then
        pid=$(cat "$dir/run/master.pid")
        kill "$pid" 2>/dev/null || true
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    fi
    rm -rf "$dir"
    exit 0
fi
[ "$verb" = start ] || die "unknown verb $verb"
[ "$(id -u)" = 0 ] || die "Dovecot's master process wants to be started by root"
command -v dovecot >/dev/null || die "dovecot is missing: apt-get install dovecot-imapd dovecot-lmtpd"

imap=${3:-10143}
lmtp=${4:-10024}
# A number is enough for Dovecot; no account has to be made.
owner=5000
mkdir -p "$dir/run" "$dir/mail"
chmod 755 "$dir"
chown "$owner:$owner" "$dir/mail"

i=0
: >"$dir/passwd"
while [ $i -lt 200 ]; do
    echo "u$i@bench.test:{PLAIN}pw::::" >>"$dir/passwd"
    i=$((i + 1))
done
chmod 644 "$dir/passwd"

cat >"$dir/dovecot.conf" <<CONF
base_dir = $dir/run
log_path = $dir/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = sdbox:$dir/mail/%u
mail_fsync = optimized
mail_uid = $owner
mail_gid = $owner
first_valid_uid = 1
mail_max_userip_connections = 20000
default_client_limit = 20000
default_process_limit = 10000
default_vsz_limit = 0
recipient_delimiter = +
# Guessing is not what is measured.
auth_failure_delay = 0
auth_cache_size = 10 M
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $dir/passwd
}
userdb {
  driver = static
  args = uid=$owner gid=$owner home=$dir/mail/%u
}
namespace inbox {
  inbox = yes
  separator = /
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  client_limit = 20000
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  service_count = 1000
  client_limit = 1
  process_limit = 10000
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $lmtp
  }
}
service anvil {
  client_limit = 40000
}
service auth {
  client_limit = 40000
}
service stats {
  client_limit = 40000
}
CONF

# Notices of new mail stop beyond this many watching sessions of one system user.
if [ -w /proc/sys/fs/inotify/max_user_instances ] &&
    [ "$(cat /proc/sys/fs/inotify/max_user_instances)" -lt 20000 ]; then
    echo 20000 >/proc/sys/fs/inotify/max_user_instances || true
fi
ulimit -n "$(ulimit -H -n)"

# It keeps what it inherits open: no pipe of the caller's, or he waits for its end.
dovecot -c "$dir/dovecot.conf" </dev/null >"$dir/start.log" 2>&1 || die "$(cat "$dir/start.log")"
echo "name=dovecot,imap=127.0.0.1:$imap,lmtp=127.0.0.1:$lmtp,pid=$(cat "$dir/run/master.pid"),data=$dir/mail"
