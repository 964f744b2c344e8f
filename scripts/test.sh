#!/bin/sh
# All set-up, then every test: `npm test`, or `npm test -- FILE…` for some. The last lines are the runner's totals.
# Integration tests skip themselves, with the reason, where there is no Docker engine; BOTTLE_REQUIRE_DOCKER=1 makes
# that a failure.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh
PATH=$PWD/node_modules/.bin:$PATH
export PATH

sh scripts/build.sh
npm run --silent check

if [ "$#" = 0 ]; then
  # One run, so that there is one total; one file at a time, because the integration tests share an engine.
  set -- $(find tests/unit -name '*.test.ts' | LC_ALL=C sort) $(find tests/integration -name '*.test.ts' | LC_ALL=C sort)
fi
exec node --test --test-concurrency=1 "$@"
