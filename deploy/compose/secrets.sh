#!/bin/sh
# Write the secrets of a deployment into files that only their owner can read: random ones, or those
# that an .env of an earlier version contains, which are then removed from it. Existing files stay.
#
#   secrets.sh FOLDER ENV
set -eu
umask 077

[ $# -eq 2 ] || { echo "usage: $0 FOLDER ENV" >&2; exit 64; }
folder=$1
env=$2

OLD='RABBITMQ_PASSWORD|MYSQL_PASSWORD|MONGO_PASSWORD|MONGO_ROOT_PASSWORD|MONGO_KEY|REDIS_PASSWORD'
OLD="$OLD|GRAFANA_PASSWORD|GATEWAY_SECRET|AUTH_SECRET|ROOMS_SECRET|HISTORY_SECRET"

# secret PATH [NAME]: NAME is its name in an older .env.
secret() {
    file=$folder/$1
    if [ -s "$file" ]; then return; fi
    mkdir -p "${file%/*}"
    value=
    if [ $# -eq 2 ] && [ -e "$env" ]; then value=$(sed -n "s/^$2=//p" "$env" | tail -n 1 | tr -d '\r'); fi
    # Compose did not pass on the quotes around a value.
    case $value in \'*\' | \"*\") value=${value#?} && value=${value%?} ;; esac
    if [ -z "$value" ]; then value=$(openssl rand -hex 24); fi
    printf %s "$value" >"$file.new"
    mv "$file.new" "$file"
}

# By which the services authenticate to auth.
secret services/gateway GATEWAY_SECRET
secret services/rooms ROOMS_SECRET
secret services/history HISTORY_SECRET
# Users of the servers.
for user in gateway auth rooms history setup operator; do secret "rabbitmq/$user"; done
for user in root migrate rooms; do secret "mysql/$user"; done
secret mongo/root MONGO_ROOT_PASSWORD
secret mongo/history
secret mongo/key MONGO_KEY
secret redis/password REDIS_PASSWORD
secret grafana/admin GRAFANA_PASSWORD

if [ -e "$env" ] && grep -Eq "^($OLD)=" "$env"; then
    # The comments are those of the earlier .env.example.
    grep -Ev "^($OLD)=|^# (Secrets by which the services|Passwords of the servers|Password of the Grafana)" \
        "$env" >"$env.new" || true
    # The one user of RabbitMQ, MySQL and MongoDB of that version is disabled or dropped.
    echo "FORMER_USER=madang" >>"$env.new"
    mv "$env.new" "$env"
    echo "The secrets of $env are in $folder now."
fi
