#!/bin/sh
# Fills in the templates as nginx's own image does, then runs what it is asked to.
set -eu

output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
names=$(env | cut -d= -f1 | grep -E "${NGINX_ENVSUBST_FILTER:-.}" | sed 's/.*/${&}/' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
    envsubst "$names" <"$template" >"$output/$(basename "$template" .template)"
done
exec "$@"
