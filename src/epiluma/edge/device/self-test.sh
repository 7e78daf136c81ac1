#!/bin/sh
# Checks that every file is what was delivered, and that this device computes what it must.
set -eu
cd "$(dirname "$0")"
sha256sum --check --quiet SHA256SUMS
exec ./epiluma edge self-test . "$@"
