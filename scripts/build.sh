#!/bin/sh
# Compiles to dist/. What was there stays until the new is complete.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/node_modules/.bin:$PATH
new=$(mktemp -d dist.XXXXXX)
trap 'rm -rf "$new"' EXIT
tsc -p tsconfig.build.json --noEmitOnError --outDir "$new"
chmod 0755 "$new"
rm -rf dist
mv "$new" dist
