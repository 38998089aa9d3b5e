#!/bin/sh
# Builds what npm packs into dist/lib: library and command line as one bundle of JavaScript (Node strips no types below
# node_modules), and the declarations. `npm run build` before `npm pack`. Nothing is run on installation, here or where the package is used.
set -e
root=$(cd -P -- "${0%/*}/.." && pwd)
sh "$root/scripts/node.sh" -e 0
exec 9>"$root/.build.lock"
flock 9
rm -rf "$root/dist/lib.new"
"$root"/node_modules/@esbuild/linux-*/bin/esbuild --bundle --splitting --format=esm --platform=node --target=node26 \
  --log-level=warning --outdir="$root/dist/lib.new" --entry-names='[name]' --chunk-names='[name]-[hash]' \
  --packages=external '--define:bundledSeat="./seat.js"' \
  "main=$root/src/api/main.ts" "cli=$root/src/cli/main.ts" \
  "seat=$root/src/disk/seat.ts" >&2
cd "$root"
sh scripts/node.sh node_modules/typescript/bin/tsc -p tsconfig.lib.json >&2
rm -rf dist/lib
mv dist/lib.new dist/lib
