#!/bin/sh
# Install the browser that the end-to-end tests drive, if it is missing and can be installed here.
set -eu

if command -v chromium >/dev/null; then
  exit 0
fi

if ! command -v apt-get >/dev/null; then
  echo "chromium is missing: the end-to-end tests drive a browser. Install it, so that a command" \
    "chromium is found." >&2
  exit 1
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "chromium is missing: the end-to-end tests drive a browser. Install it with" \
      "'sudo apt-get install chromium'." >&2
    exit 1
  fi
  as_root="sudo -n"
fi

echo "Installing chromium for the end-to-end tests."
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update
$as_root apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends chromium >/dev/null
command -v chromium >/dev/null || {
  echo "chromium is missing: apt-get installed the package, but there is no such command." >&2
  exit 1
}
