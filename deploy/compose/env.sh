#!/bin/sh
# Copy .env.example to .env. Missing names are added to an existing file, which is otherwise not
# changed.
#
#   env.sh EXAMPLE FILE
set -eu
umask 077

[ $# -eq 2 ] || { echo "usage: $0 EXAMPLE FILE" >&2; exit 64; }
example=$1
file=$2
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT

missing() { ! grep -q "^$1=" "$file" 2>/dev/null; }

if [ -e "$file" ]; then
    cat "$file" >"$new"
    # The last line may lack a line break.
    if [ -n "$(tail -c 1 "$new")" ]; then echo >>"$new"; fi
    while IFS= read -r line; do
        case $line in
        [A-Z]*=*) if missing "${line%%=*}"; then echo "$line" >>"$new"; fi ;;
        esac
    done <"$example"
    if cmp -s "$new" "$file"; then exit 0; fi
else
    cat "$example" >"$new"
fi
mv "$new" "$file"
echo "$file has the settings of this deployment."
