#!/usr/bin/env bash
# Downloads the files of a release and checks sums, signature and provenance.
#   deploy/verify.sh VERSION [OWNER/REPOSITORY]     for example v0.1.0
# Needs gh (signed in) and cosign. Ends with 0 if everything is as the workflow `release` made it.
set -euo pipefail

version=${1:?usage: deploy/verify.sh VERSION [OWNER/REPOSITORY]}
repository=${2:-$(gh repo view --json nameWithOwner --jq .nameWithOwner)}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

gh release download "$version" --repo "$repository" --dir "$folder"
cd "$folder"

echo "== signature of SHA256SUMS"
cosign verify-blob SHA256SUMS --bundle SHA256SUMS.sigstore.json \
  --certificate-oidc-issuer https://token.actions.githubusercontent.com \
  --certificate-identity "https://github.com/$repository/.github/workflows/release.yml@refs/tags/$version"

echo "== sums"
sha256sum --check --strict SHA256SUMS
# Nothing may lie beside the signed files.
for file in *; do
  case $file in SHA256SUMS | SHA256SUMS.sigstore.json) continue ;; esac
  grep -q "  $file\$" SHA256SUMS || { echo "$file is not in SHA256SUMS" >&2; exit 1; }
done

echo "== provenance"
for file in *.tar.gz; do
  gh attestation verify "$file" --repo "$repository" --signer-workflow "$repository/.github/workflows/release.yml"
done
echo "== $version is good"
