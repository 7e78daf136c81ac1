#!/bin/sh
# Installs Epiluma into ./venv beside this file, from the files beside this file alone. No network is used.
set -eu
cd "$(dirname "$0")"

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

[ "$(uname -sm)" = "Linux @PLATFORM@" ] || fail "this archive is for Linux on @PLATFORM@, this is $(uname -sm)"
sha256sum --check --quiet SHA256SUMS || fail "a file is not what was delivered; copy the archive again"

python=${PYTHON:-$(command -v python@PYTHON@ || command -v python3 || true)}
[ -n "$python" ] || fail "there is no python3; install Python @PYTHON@"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ "$version" = "@PYTHON@" ] ||
    fail "this archive is for Python @PYTHON@, $python is $version;" \
        "name another as PYTHON=/path/to/python@PYTHON@, or build the archive with --python $version"

"$python" -m venv --clear venv || fail "./venv cannot be made; on Debian and Ubuntu: apt install python@PYTHON@-venv"
venv/bin/python -m pip --isolated --disable-pip-version-check install --quiet --no-cache-dir \
    --no-index --find-links wheels --only-binary :all: --require-hashes --requirement requirements.txt
echo "installed; now run ./self-test.sh"
