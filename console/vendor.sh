#!/usr/bin/env bash
# Fills vendor/ with the files that the pages need, unchanged, from the packages of the lock file.
# A file keeps its path within its package: tests/checks/console-vendor compares them by it.
set -euo pipefail
cd "$(dirname "$0")"

files=(
  lit-html/LICENSE
  lit-html/lit-html.js
  lit-html/directive.js
  lit-html/directive-helpers.js
  lit-html/async-directive.js
  lit-html/directives/live.js
  lit-html/directives/ref.js
  lit-html/directives/repeat.js
  pusher-js/LICENCE
  pusher-js/dist/web/pusher-with-encryption.min.js
  pusher-js/dist/web/pusher-with-encryption.min.js.LICENSE.txt
  uplot/LICENSE
  uplot/dist/uPlot.iife.min.js
  uplot/dist/uPlot.min.css
)

packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
cp package.json package-lock.json .npmrc "$packages"
npm ci --prefix "$packages" --ignore-scripts --no-audit --no-fund --silent

rm -rf vendor
for file in "${files[@]}"; do
  install -D -m 644 "$packages/node_modules/$file" "vendor/$file"
done
