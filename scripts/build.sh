#!/bin/sh
# Bundles src into dist, so that a start loads a handful of files instead of a hundred. The launcher calls it when a
# source is newer than the bundle; a second start waits for the first. Needs nothing but what the lock installed.
root=$(cd -P -- "${0%/*}/.." && pwd) || exit 1
exec 9>"$root/.build.lock" || exit 1
flock 9
entry=$root/dist/main.js
[ -e "$entry" ] && [ -z "$(find "$root/src" "$root/package.json" -newer "$entry" -print -quit)" ] && exit 0
rm -rf "$root/dist.new"
"$root"/node_modules/@esbuild/linux-*/bin/esbuild --bundle --splitting --format=esm --platform=node --target=node26 \
  --log-level=warning --outdir="$root/dist.new" --entry-names='[name]' --chunk-names='[name]-[hash]' \
  --packages=bundle --external:@napi-rs/blake-hash --external:hash-wasm \
  --banner:js='import { createRequire as __require } from "node:module"; const require = __require(import.meta.url);' \
  "$root/src/cli/main.ts" "$root/src/std/crew-worker.ts" "$root/src/disk/tasks.ts" >&2 || exit 1
# A running daemon keeps the chunks it was started with; main.js comes last, so that a start sees a whole bundle.
mkdir -p "$root/dist" && find "$root/dist" -maxdepth 1 -name '*.js' -mtime +30 -delete
mv "$root/dist.new/main.js" "$root/dist/.main.js" && mv "$root"/dist.new/*.js "$root/dist/" &&
  mv "$root/dist/.main.js" "$entry" && rm -rf "$root/dist.new"
