#!/bin/sh
# Runs the Node that this clone has pinned, with the arguments given: sh scripts/node.sh FILE [ARGUMENT ...]
# Where a lock file differs from the copy kept beside what was installed from it, installs first: once, even when two
# first starts meet (the second waits), and again after an interruption (the copy is written last). With unchanged locks
# it needs no network and starts two `cmp` and nothing else. All of its own talk goes to stderr.
set -eu
case $0 in */*) root=${0%/*}/.. ;; *) root=.. ;; esac

installed() { # folder
  cmp -s "$1/package-lock.json" "$1/node_modules/.installed-lock.json"
}

# The Node package in node/ is bound to one system and processor: at most one of them is there.
find_node() {
  for node in "$root"/node/node_modules/node-*/bin/node; do :; done
}

# npm counts a package for one system or processor as optional, and says nothing when it could not be fetched.
left_out='
const { existsSync } = require("node:fs")
const libc = process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc"
const fits = (names, here) => names === undefined || [names].flat().includes(here)
const left = Object.entries(require("./package-lock.json").packages).filter(([path, { os, cpu, libc: c }]) =>
  fits(os, process.platform) && fits(cpu, process.arch) && fits(c, libc) && !existsSync(path || "."))
if (left.length > 0) { console.error("npm could not fetch", left.map(([path]) => path).join(" ")); process.exit(1) }'

install() { # folder
  if installed "$1"; then return; fi
  echo "nightferry: installing what $1/package-lock.json names (once, about ten seconds)" >&2
  # Dev packages too: a production-only install followed by a full one would delete packages under a running daemon.
  (
    unset NODE_COMPILE_CACHE
    # A service's user has no home, and npm drops optional packages in silence when it cannot write its cache.
    [ -w "${HOME:-/}" ] || [ -w "${npm_config_cache:-/}" ] || export npm_config_cache="$root/.npm-cache"
    cd "$1" &&
      NODE_ENV=development npm ci --include=dev --include=optional --ignore-scripts --no-audit --no-fund \
        --no-update-notifier --loglevel=error --fetch-retries=5 --fetch-retry-mintimeout=1000 \
        --fetch-retry-maxtimeout=8000 9>&- &&
      rm -rf "$root/.npm-cache" && find_node && [ -x "$node" ] && "$node" -e "$left_out" &&
      cp package-lock.json node_modules/.installed-lock.json
  ) || {
    echo "nightferry: the installation failed. It needs npm and, this once, the network; starting again tries again." >&2
    find_node
    [ -x "$node" ] || echo "nightferry: Node is pinned for Linux on x64 and arm64 (node/package.json)." >&2
    exit 1
  }
}

if ! installed "$root" || ! installed "$root/node"; then
  root=$(cd -P -- "$root" && pwd)
  {
    flock 9
    install "$root/node"
    find_node
    PATH=${node%/*}:$PATH install "$root"
  } 9>"$root/.install.lock" >&2
fi
find_node
# Young objects get 4 MiB instead of 16 before they are looked through: a third of the memory, and no time, as measured.
exec "$node" --disable-warning=ExperimentalWarning --max-semi-space-size=4 "$@"
