#!/usr/bin/env bash
# Packs a built program into dist/NAME.tar.gz, with manual pages, completions and licences.
#   deploy/pack.sh BINARY NAME
# The same binary gives the same archive: times come from SOURCE_DATE_EPOCH or the last commit.
set -euo pipefail

binary=$(realpath "${1:?usage: deploy/pack.sh BINARY NAME}")
name=${2:?usage: deploy/pack.sh BINARY NAME}
cd "$(dirname "$0")/.."
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

root=$folder/$name
mkdir -p "$root/man" "$root/completions" dist
install -m 0755 "$binary" "$root/sealcast"
strip "$root/sealcast"
"$binary" man "$root/man" >/dev/null
for shell in bash zsh fish; do "$binary" completions "$shell" > "$root/completions/sealcast.$shell"; done
cp README.md CHANGELOG.md SECURITY.md LICENSE-APACHE LICENSE-MIT "$root"
cp -r config "$root/config"
tar --create --directory "$folder" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner "$name" |
  gzip --no-name --best > "dist/$name.tar.gz"
echo "dist/$name.tar.gz"
