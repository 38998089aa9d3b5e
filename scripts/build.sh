#!/bin/sh
# Bundles src into dist, so that a start loads a handful of files instead of a hundred. The launcher calls it when a
# source is newer than the bundle; a second start waits for the first. Needs nothing but what the lock installed.
root=$(cd -P -- "${0%/*}/.." && pwd) || exit 1
exec 9>"$root/.build.lock" || exit 1
flock 9
entry=$root/dist/main.cjs
[ -e "$entry" ] && [ -z "$(find "$root/src" "$root/package.json" -newer "$entry" -print -quit)" ] && exit 0
rm -rf "$root/dist.new"
# One file a thread, as CommonJS: each further file, and Node's loader of modules, would cost a start some milliseconds.
# What is imported lazily is run lazily, and so is what Node itself brings. Blanks go too, since all of it is read at
# each start; names and lines of a bearable length stay, for whoever reads a stack.
bundle() { # entry, file, options ...
  from=$1 to=$root/dist.new/$2
  shift 2
  "$root"/node_modules/@esbuild/linux-*/bin/esbuild "$from" "--outfile=$to" "$@" --bundle --format=cjs --platform=node \
    --target=node26 --minify-whitespace --minify-syntax --line-limit=160 --log-level=warning --packages=bundle '--external:@napi-rs/*' --external:hash-wasm \
    --define:import.meta.url=bundleUrl --banner:js='const bundleUrl = require("node:url").pathToFileURL(__filename).href;' >&2
}
bundle "$root/src/disk/seat.ts" seat.cjs || exit 1
seat=seat-$(cksum <"$root/dist.new/seat.cjs" | tr ' ' -).cjs
mv "$root/dist.new/seat.cjs" "$root/dist.new/$seat"
bundle "$root/src/cli/main.ts" main.cjs "--define:bundledSeat=\"./$seat\"" || exit 1
# A running daemon keeps the seat it was started with; main.cjs comes last, so that a start sees a whole bundle.
mkdir -p "$root/dist" && find "$root/dist" -maxdepth 1 -name 'seat-*' -mtime +30 -delete
mv "$root/dist.new/$seat" "$root/dist/" && mv "$root/dist.new/main.cjs" "$entry" && rm -rf "$root/dist.new"
