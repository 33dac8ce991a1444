#!/bin/sh
# Runs nginx in the image madang-web:
#   madang-web proxy   the proxy for all public paths; its settings are PROXY_… (proxy.env)
#   madang-web page    only the browser client, on http port 8080, behind another proxy
set -eu

# Prints a checksum of the certificate; a mounted Secret changes when it is renewed.
certificate() {
  cat "$PROXY_CERTIFICATE" "$PROXY_CERTIFICATE_KEY" | cksum
}

# Lets nginx read a renewed certificate. A broken one is not read: nginx keeps the one that it has.
follow_certificate() {
  known=$(certificate)
  while sleep "${CERTIFICATE_POLL_SECONDS:-60}"; do
    if found=$(certificate) && [ "$found" != "$known" ]; then
      echo "the certificate has changed" >&2
      nginx -c "$configuration" -s reload && known=$found || true
    fi
  done
}

case "${1:-}" in
proxy)
  if [ -z "${PROXY_RESOLVER:-}" ]; then
    servers=$(awk '$1 == "nameserver" { printf "%s ", ($2 ~ /:/) ? "[" $2 "]" : $2 }' /etc/resolv.conf)
    PROXY_RESOLVER="${servers}valid=2s"
    export PROXY_RESOLVER
  fi
  configuration="$PROXY_STATE_DIR/nginx.conf"
  # Only settings are replaced; other names with a dollar sign are variables of nginx.
  envsubst "$(env | sed -n 's/^\(PROXY_[A-Z_]*\)=.*/${\1}/p')" </etc/madang/nginx.conf.template >"$configuration"
  follow_certificate &
  ;;
page)
  # A kernel without IPv6 refuses to listen on it.
  listen=8080
  [ ! -e /proc/net/if_inet6 ] || listen='[::]:8080 ipv6only=off'
  configuration=/tmp/nginx.conf
  PAGE_LISTEN=$listen envsubst '${PAGE_LISTEN}' </etc/madang/page.conf.template >"$configuration"
  ;;
*)
  echo "usage: madang-web proxy|page" >&2
  exit 2
  ;;
esac
exec nginx -c "$configuration" -g 'daemon off;'
