#!/bin/sh
# Write the passwords, the services' secrets and a certificate of the trial into secrets/. Existing
# files are not changed: the servers' data keep the passwords that they were created with.
#
#   secrets.sh [NAME...]     each NAME of the certificate in the form DNS:chat.example or IP:192.0.2.1
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets

random() { openssl rand -hex 24; }

# Add the keys that a file lacks.
fill() {
    file=$1
    shift
    touch "$file"
    for key in "$@"; do
        grep -q "^$key=" "$file" || echo "$key=$(random)" >>"$file"
    done
}

fill secrets/passwords.env \
    rabbitmq-setup rabbitmq-gateway rabbitmq-auth rabbitmq-rooms rabbitmq-history \
    mysql-migrate mysql-rooms mongodb-root mongodb-history mongodb-key redis
fill secrets/services.env gateway rooms history

../../../nginx/certificate.sh secrets "$@"
cp secrets/localhost.pem secrets/tls.crt
cp secrets/localhost.key secrets/tls.key
