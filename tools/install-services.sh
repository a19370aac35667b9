#!/usr/bin/env bash
# Installs the Debian packages named as arguments, as root, without starting a daemon; tools/install.mjs calls it with what is missing.
set -euo pipefail
[ $# -gt 0 ] || exit 0

# Two checkouts may ask at once; the lock ends with this process, however it ends.
exec 9>/tmp/raceway-install-services.lock
flock 9

missing=()
for package in "$@"; do
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ ! -e /usr/sbin/policy-rc.d ]; then # asked by Debian's packages before they start a daemon: 101 forbids it
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update -qq
apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
