#!/bin/sh
# Install what tests drive and this machine lacks, from Debian's packages, without starting any of it.
#
#   install.sh "WHAT IT IS FOR" COMMAND=PACKAGE...
set -eu

purpose=$1
shift
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH

commands=
packages=
for pair in "$@"; do
  if ! command -v "${pair%%=*}" >/dev/null; then
    commands="$commands ${pair%%=*}"
    packages="$packages ${pair#*=}"
  fi
done
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "Missing:$commands. They are $purpose. Install them, so that these commands are found." >&2
  exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "Missing:$commands. They are $purpose. Install them with" \
      "'sudo apt-get install --no-install-recommends$packages'." >&2
    exit 1
  fi
  as_root="sudo -n"
fi

# Debian asks this before it starts what it installs; the answer is no, while we install.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '$as_root rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 0755 "$policy"
fi

echo "Installing$packages: $purpose."
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update
# shellcheck disable=SC2086 # a list of words
$as_root apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $packages >/dev/null
for command in $commands; do
  command -v "$command" >/dev/null || {
    echo "Missing: $command. apt-get installed its package, but there is no such command." >&2
    exit 1
  }
done
