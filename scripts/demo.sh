#!/bin/sh
# All set-up, then the main job before your eyes: `npm run demo`. Needs no internet beyond package installs.
set -eu
cd "$(dirname "$0")/.."
BOTTLE_REQUIRE_DOCKER=1 sh scripts/setup.sh
PATH=$PWD/node_modules/.bin:$PATH
export PATH
sh scripts/build.sh
exec node scripts/demo.ts
