#!/bin/sh
# Writes a base for both of bottle's images to standard output, as a tar of a root folder: Debian's packages by
# mmdebstrap, Node from NODE_BINARY (a file), npm from its package. For machines on which no image registry answers.
# Says what it does on standard error. Leaves nothing behind.
set -eu

SUITE=bookworm
PACKAGES=bash,ca-certificates,curl,git,iproute2,iptables,less,openssh-client,openssl,procps,python3,python3-requests,ripgrep
NPM=npm@11.19.1

say() { echo "make-base: $*" >&2; }

node=${NODE_BINARY:?"make-base: NODE_BINARY is not set: the file of the Node binary that goes into the image"}
[ -t 1 ] && { say 'standard output is a terminal: redirect it to a file'; exit 2; }
for tool in mmdebstrap npm setsid tar; do
  command -v "$tool" >/dev/null || { say "$tool is missing. Try: apt-get install $tool"; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
child=
# A shell that waits for a program in the foreground hears no signal until that has ended, and mmdebstrap ends early only
# if all of its processes are told: it gets a process group of its own.
trap '[ -z "$child" ] || { kill -- "-$child" 2>/dev/null; wait "$child"; }; exit 130' INT TERM HUP

say "fetching $NPM"
mkdir "$work/npm"
(cd "$work" && npm pack --silent "$NPM" >/dev/null) || { say "$NPM cannot be fetched. Try: npm pack $NPM"; exit 1; }
tar -xzf "$work"/npm-*.tgz -C "$work/npm" --strip-components=1 --no-same-owner
cp "$node" "$work/node"
chmod 0755 "$work" "$work/node"

say "fetching and unpacking Debian $SUITE"
setsid mmdebstrap --quiet --variant=minbase --include="$PACKAGES" \
  --customize-hook='mkdir -p "$1/usr/local/lib/node_modules"' \
  --customize-hook="copy-in $work/node /usr/local/bin" \
  --customize-hook="copy-in $work/npm /usr/local/lib/node_modules" \
  --customize-hook='chown -R 0:0 "$1/usr/local"' \
  --customize-hook='ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"' \
  --customize-hook='ln -s ../lib/node_modules/npm/bin/npx-cli.js "$1/usr/local/bin/npx"' \
  --customize-hook='chroot "$1" node --version >&2' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  "$SUITE" - &
child=$!
wait "$child"
say 'done'
