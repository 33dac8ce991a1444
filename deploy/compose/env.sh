#!/bin/sh
# Write an .env file from .env.example, with a random secret for every name without a value. Missing
# names are added to an existing file, which is otherwise not changed.
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
filled() {
    case $1 in
    *=) echo "$1$(openssl rand -hex 24)" ;;
    *) echo "$1" ;;
    esac
}

if [ -e "$file" ]; then
    cat "$file" >"$new"
    # The last line may lack a line break.
    if [ -n "$(tail -c 1 "$new")" ]; then echo >>"$new"; fi
    while IFS= read -r line; do
        case $line in
        [A-Z]*=*) if missing "${line%%=*}"; then filled "$line" >>"$new"; fi ;;
        esac
    done <"$example"
    if cmp -s "$new" "$file"; then exit 0; fi
else
    while IFS= read -r line; do
        case $line in
        [A-Z]*=*) filled "$line" ;;
        *) echo "$line" ;;
        esac
    done <"$example" >"$new"
fi
mv "$new" "$file"
echo "$file has the settings and secrets of this deployment; back it up with the data."
