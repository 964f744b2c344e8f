#!/bin/sh
# Makes a bare Debian machine ready for tests and the demo: this project's packages, a Docker engine that answers, and
# what makes a base image where no registry does. Says each thing that it does, and nothing where all is there.
# Without an engine, and with no way to get one, it says why and ends with 0: integration tests then skip themselves.
# With BOTTLE_REQUIRE_DOCKER=1 it ends with 1.
set -eu
cd "$(dirname "$0")/.."
LOG=/var/log/dockerd.log

say() { echo "setup: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

main() {
  packages
  PATH=$PWD/node_modules/.bin:$PATH
  if engine; then base_tools; else no_engine; fi
}

# node_modules as package-lock.json says, with the pinned Node in it.
packages() {
  lock=$(cksum <package-lock.json)
  stamp=node_modules/.installed-lock
  # Of packages that were installed by hand, the times have to tell.
  if [ ! -e $stamp ] && [ -e node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; then
    echo "$lock" >$stamp
  fi
  if [ "$(cat $stamp 2>/dev/null)" != "$lock" ]; then
    have npm || { say 'npm is missing. Try: apt-get install npm'; exit 1; }
    say 'installing packages (npm ci)'
    npm ci --no-audit --no-fund >&2
    echo "$lock" >$stamp
  fi
  if [ ! -x node_modules/node/bin/node ]; then
    # Some versions of npm run no install scripts; this package's one fetches the binary.
    say 'installing the pinned Node'
    (cd node_modules/node && node installArchSpecificPackage.js >&2)
  fi
}

engine() {
  reachable && return 0
  # Who names an engine wants that one.
  [ -z "${DOCKER_HOST:-}${DOCKER_CONTEXT:-}" ] || return 1
  installable || return 1
  have dockerd || install docker.io iptables ca-certificates || return 1
  start
}

# What bottle makes its base image with where no registry answers.
base_tools() {
  [ -n "${BOTTLE_BASE_IMAGE:-}" ] || have mmdebstrap || ! installable || install mmdebstrap
}

# As bottle itself finds the engine: no docker CLI is needed.
reachable() {
  reason=$(node --input-type=module -e '
    import { connect } from "./src/docker/connect.ts";
    connect(process.env).then(() => process.exit(0), (error) => { console.log(error.message); process.exit(1); });
  ' 2>&1)
}

installable() {
  have apt-get && { [ "$(id -u)" = 0 ] || { have sudo && sudo -n true 2>/dev/null; }; }
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
  say "installing $* (apt-get)"
  as_root apt-get update -qq >&2 || say 'apt-get update failed: trying with the lists that are there'
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

start() {
  if [ -d /run/systemd/system ]; then
    say 'starting Docker (systemctl)'
    as_root systemctl start docker
  else
    say "starting dockerd in the background (no service manager runs here; log: $LOG)"
    # Everything redirected here as well, so that no pipe of the caller's is held open.
    as_root setsid sh -c "exec dockerd >>$LOG 2>&1" </dev/null >/dev/null 2>&1 &
  fi
  tries=0
  until reachable; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || return 1
    sleep 0.5
  done
}

no_engine() {
  say "no Docker engine: ${reason:-none answers, and only root can install one}"
  [ "${BOTTLE_REQUIRE_DOCKER:-0}" != 1 ] || exit 1
}

main
