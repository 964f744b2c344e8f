#!/bin/sh
# The gate: main process of the container that owns the agent's network namespace. Reads its configuration as one line
# of JSON from standard input ({"version":1,"sidecar":"10.0.0.2","proxy_port":8080,"dns_port":53}), sets the rules, gives
# up every capability, prints its ready line and stays until standard input ends.
# A shell, because it is ready 40 ms earlier than Node would be. Ends with status 2 if the configuration is not exactly
# what it expects, with another one if a rule cannot be set; nothing that shares the namespace is started then.
set -eu

fail() {
  echo "gate: $*" >&2
  exit 2
}

# field NAME PATTERN: the value of one member, without quotes. The pattern is all that the value may be.
field() {
  value=$(printf '%s\n' "$config" | sed -nE "s/^\{(.*,)?\"$1\":\"?($2)\"?(,.*)?\}\$/\2/p")
  [ -n "$value" ] || fail "configuration cannot be read: $1 (missing, or of another form)"
  printf '%s' "$value"
}

port() {
  value=$(field "$1" '[1-9][0-9]{0,4}')
  [ "$value" -le 65535 ] || fail "configuration cannot be read: $1 (not a port)"
  printf '%s' "$value"
}

IFS= read -r config || fail 'configuration cannot be read (standard input ended first)'
octet='(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
[ "$(field version '[0-9]+')" = 1 ] || fail 'configuration cannot be read: version (not 1)'
sidecar=$(field sidecar "$octet(\.$octet){3}")
proxy_port=$(port proxy_port)
dns_port=$(port dns_port)

# --noflush: the engine's own resolver is a few nat rules in this namespace. The filter table is replaced as a whole.
# What is not for the sidecar is refused at once, so that a client fails in milliseconds and not after its timeout; what
# comes in by itself is dropped.
iptables-restore --noflush <<RULES
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-F INPUT
-F FORWARD
-F OUTPUT
-A INPUT -i lo -j ACCEPT
-A INPUT -s $sidecar -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -d $sidecar -p tcp --dport $proxy_port -j ACCEPT
-A OUTPUT -d $sidecar -p udp --dport $dns_port -j ACCEPT
-A OUTPUT -d $sidecar -p tcp --dport $dns_port -j ACCEPT
-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset
-A OUTPUT -j REJECT --reject-with icmp-port-unreachable
COMMIT
RULES

# No interface has an IPv6 address but lo's ::1; should one get another, nothing goes through it.
if [ -e /proc/net/if_inet6 ]; then
  ip6tables-restore --noflush <<'RULES'
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-F INPUT
-F FORWARD
-F OUTPUT
-A INPUT -i lo -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -p tcp -j REJECT --reject-with tcp-reset
-A OUTPUT -j REJECT
COMMIT
RULES
fi

# The process that says ready has proven that all five of its capability sets are empty, so no rule can change any more.
# shellcheck disable=SC2016
exec setpriv --reuid 65534 --regid 65534 --clear-groups \
  --bounding-set -all --inh-caps -all --ambient-caps -all --no-new-privs \
  sh -c '
    [ "$(grep -c "^Cap[A-Za-z]*:[[:space:]]*0*$" /proc/self/status)" = 5 ] || { echo "gate: capabilities are left" >&2; exit 3; }
    printf "%s\n" "{\"event\":\"ready\",\"role\":\"gate\"}"
    exec cat >/dev/null'
