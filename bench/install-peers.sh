#!/bin/sh
# Installs what the benchmarks compare with: nginx and curl, from Debian or Ubuntu. Needs root.
# The benchmarks start an nginx of their own; the one that the package would start is not wanted.
set -eu
if [ "$(id -u)" -ne 0 ]; then
  echo "install-peers.sh: run it as root" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends nginx-light curl
if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
  systemctl disable --now nginx
fi
nginx -v
curl --version | head -n 1
