#!/bin/sh
# Make certificates for development in a folder: a CA (ca.pem, which clients must trust) and a server
# certificate for localhost (localhost.pem, localhost.key), unless both are valid for 30 more days.
#
#   certificate.sh FOLDER [NAME...]     each NAME in the form DNS:chat.example or IP:192.0.2.1
set -eu
umask 077

[ $# -ge 1 ] || { echo "usage: $0 FOLDER [DNS:NAME | IP:ADDRESS ...]" >&2; exit 64; }
folder=$1
shift
names="DNS:localhost,IP:127.0.0.1,IP:::1"
for name in "$@"; do
    names="$names,$name"
done
least_seconds=2592000

made_for() { cat "$folder/localhost.names" 2>/dev/null || true; }
holds() { openssl x509 -checkend "$least_seconds" -noout -in "$folder/$1" >/dev/null 2>&1; }

if [ "$(made_for)" = "$names" ] && [ -r "$folder/localhost.key" ] &&
    holds ca.pem && holds localhost.pem; then
    exit 0
fi

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
# Unfinished files never replace valid ones.
work=$(mktemp -d "$folder/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT

if ! { holds ca.pem && [ -r "$folder/ca.key" ]; }; then
    openssl ecparam -genkey -name prime256v1 -noout -out "$work/ca.key"
    openssl req -x509 -new -sha256 -days 3650 -key "$work/ca.key" \
        -subj "/CN=Madang development CA" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -out "$work/ca.pem"
    chmod 0644 "$work/ca.pem"
    mv "$work/ca.key" "$work/ca.pem" "$folder/"
fi

cat >"$work/extensions" <<END
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=$names
END
openssl ecparam -genkey -name prime256v1 -noout -out "$work/localhost.key"
openssl req -new -sha256 -key "$work/localhost.key" -subj "/CN=localhost" -out "$work/request"
# Apple's systems refuse more than 825 days.
openssl x509 -req -sha256 -days 800 -in "$work/request" -extfile "$work/extensions" \
    -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -out "$work/localhost.pem" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
chmod 0644 "$work/localhost.pem"
printf '%s\n' "$names" >"$work/localhost.names"
rm -f "$folder/localhost.names"
mv "$work/localhost.key" "$work/localhost.pem" "$folder/"
mv "$work/localhost.names" "$folder/"
echo "A certificate for localhost is in $folder; clients trust it with $folder/ca.pem."
