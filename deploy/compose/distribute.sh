#!/bin/sh
# Give each container its secrets, and no others: copy them from /source, which only their owner on
# the host can read, into the container's volume below /target, as its user. Runs as root.
#
#   distribute.sh [FORMER_USER]
set -eu
umask 077

former=${1:-}
SERVICE=10001
SERVER=999
GRAFANA=472

# place OWNER CONTAINER NAME: standard input becomes the container's file NAME.
place() {
    target=/target/$2/$3
    cat >"$target.new"
    chown "$1:$1" "$target.new"
    mv "$target.new" "$target"
}

copy() { place "$1" "$2" "$3" <"/source/$4"; }

for service in gateway auth rooms history; do
    copy $SERVICE $service rabbitmq rabbitmq/$service
done
for service in gateway rooms history; do
    copy $SERVICE $service service services/$service
    # auth compares them.
    copy $SERVICE auth $service services/$service
done
copy $SERVICE gateway redis redis/password
copy $SERVICE auth redis redis/password
copy $SERVICE rooms mysql mysql/rooms
copy $SERVICE rooms-migrate mysql mysql/migrate
copy $SERVICE rooms-compare mysql mysql/rooms
copy $SERVICE rooms-compare rabbitmq rabbitmq/operator
copy $SERVICE history mongo mongo/history
copy $SERVICE mongo-setup root mongo/root
copy $SERVICE mongo-setup history mongo/history
copy $SERVICE log-setup rabbitmq rabbitmq/setup
copy $SERVICE dead-letters rabbitmq rabbitmq/operator

copy $SERVER mysql root mysql/root
copy $SERVER mongo root mongo/root
copy $SERVER mongo key mongo/key
copy $SERVER redis password redis/password
copy $GRAFANA grafana admin grafana/admin

# The image of MySQL of an earlier version created a root for every host.
python -m madang_common.log.definitions --passwords /source/rabbitmq --former "$former" \
    >/tmp/definitions.json
place $SERVER rabbitmq definitions.json </tmp/definitions.json
python -m madang_rooms.storage.grants --passwords /source/mysql ${former:+--former "$former" root} \
    >/tmp/grants.sql
place $SERVER mysql grants.sql </tmp/grants.sql
