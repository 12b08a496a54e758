# What the scripts of the bindings share; sourced, not run.
#
# Everything is installed into one private directory (XUNYUAN_TOOLS, default ~/.cache/xunyuan/tools) and kept
# there; Debian packages only where this machine lets us. What cannot be had ends a script with status 77 and
# a line `SKIPPED: …`, which tests/run repeats at its end.

set -euo pipefail

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
tools="${XUNYUAN_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/xunyuan/tools}"
target="$(cd "$repository" && mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)"
kotlin_version=2.4.20
# What is shipped; `dev` is quicker while working on the bindings.
profile="${XUNYUAN_LIBRARY_PROFILE:-library}"
export PATH="$HOME/.cargo/bin:$PATH"
mkdir -p "$tools"

# skip WHAT WHY: ends the script; tests/run shows the line again at its end.
skip() {
  echo "SKIPPED: $1: $2"
  exit 77
}

# debian PACKAGE…: true once the packages are there.
debian() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 && return 0
  apt-get update >/dev/null 2>&1 && apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1
}

# kotlin: sets kotlinc and kotlin_lib; the compiler is an npm package.
kotlin() {
  local home="$tools/kotlin-$kotlin_version"
  kotlin_lib="$home/node_modules/kotlin-compiler/lib"
  if [ ! -e "$kotlin_lib/kotlin-compiler.jar" ]; then
    command -v npm >/dev/null || return 1
    mkdir -p "$home"
    npm install --silent --no-audit --no-fund --prefix "$home" "kotlin-compiler@$kotlin_version" || return 1
  fi
  kotlinc=(java -Xmx1g -cp "$kotlin_lib/kotlin-compiler.jar" org.jetbrains.kotlin.cli.jvm.K2JVMCompiler)
  kotlinc+=(-no-stdlib -no-reflect -kotlin-home "$(dirname "$kotlin_lib")")
}

# python PACKAGE…: sets python, an environment of our own with these packages.
python() {
  local home="$tools/python"
  python="$home/bin/python"
  [ -x "$python" ] || python3 -m venv "$home" || { debian python3-venv && python3 -m venv "$home"; } || return 1
  "$python" -m pip install --quiet --disable-pip-version-check "$@"
}

# library: builds the library as it is shipped, with symbols, and sets library and stripped.
library() {
  # Only one kind of library at a time: with several the linker could not leave out what nobody calls.
  (cd "$repository" && cargo rustc --locked --quiet -p xunyuan-ffi --lib --crate-type cdylib --profile "$profile")
  library="$target/${profile/dev/debug}/libxunyuan_ffi.so"
  stripped="$target/bindings/lib/libxunyuan_ffi.so"
  mkdir -p "$(dirname "$stripped")"
  strip -o "$stripped" "$library"
}

# sources LANGUAGE: writes the generated sources of a language and sets generated.
sources() {
  generated="$target/bindings/$1"
  rm -rf "$generated" && mkdir -p "$generated"
  # With the features of the whole workspace, so that what `cargo build --workspace` has built is taken.
  (cd "$repository" && cargo build --locked --quiet --workspace --features xunyuan-ffi/bindgen --bin uniffi-bindgen &&
    "$target/debug/uniffi-bindgen" generate "$library" --language "$1" --no-format --out-dir "$generated")
}

# in_small_disk SIZE COMMAND…: runs a command with SMALL_DISK naming a directory on a disk of that size;
# without it where the machine lets us mount none.
in_small_disk() {
  local size=$1 disk="$target/bindings/small-disk" as_root=()
  shift
  mkdir -p "$disk"
  [ "$(id -u)" = 0 ] || as_root=(-r)
  if unshare "${as_root[@]}" -m mount -t tmpfs -o "size=$size" tmpfs "$disk" 2>/dev/null; then
    SMALL_DISK="$disk" unshare "${as_root[@]}" -m bash -c \
      'mount -t tmpfs -o size='"$size"' tmpfs "$SMALL_DISK" && exec "$@"' small "$@"
  else
    echo "SKIPPED: full disk: this machine mounts no small disk"
    SMALL_DISK= "$@"
  fi
}
