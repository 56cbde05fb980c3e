#!/usr/bin/env bash
# Fills DIR (default: onnxruntime/ beside this script) with include/ and lib/ of ONNX
# Runtime: the library out of the Python package, the headers out of Debian's
# libonnxruntime-dev. Older headers go with a newer library: its C interface only grows.
set -euo pipefail

target=${1:-$(dirname "$0")/onnxruntime}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$target/lib" "$work/lists/partial" "$work/archives/partial"
target=$(cd "$target" && pwd)

"${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: \
  --dest "$work" onnxruntime
"${PYTHON:-python3}" -m zipfile -e "$work"/onnxruntime-*.whl "$work/wheel"
cp "$work"/wheel/onnxruntime/capi/libonnxruntime.so.* "$target/lib/"
library=$(basename "$target"/lib/libonnxruntime.so.*)
ln -sf "$library" "$target/lib/libonnxruntime.so"
# The name that programs linked with it look for.
ln -sf "$library" "$target/lib/libonnxruntime.so.1"

# Debian 12 has no such package: it is taken from Debian 13, without installing it.
sed -e '/^$/,$d' -e 's/^Suites:.*/Suites: trixie/' \
  /etc/apt/sources.list.d/debian.sources >"$work/trixie.sources"
apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/trixie.sources"
  -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists"
  -o Dir::Cache::archives="$work/archives" -o Dir::Cache::pkgcache=
  -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
"${apt[@]}" update
(cd "$work" && "${apt[@]}" download libonnxruntime-dev)
dpkg-deb -x "$work"/libonnxruntime-dev_*.deb "$work/headers"
rm -rf "$target/include"
mv "$work/headers/usr/include" "$target/include"
echo "$target has include/ and lib/ ($library)"
