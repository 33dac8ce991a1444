#!/bin/bash
# Makes the data as MySQL's own image does and runs what is in /docker-entrypoint-initdb.d, then runs
# the server.
set -eu

[ "${1:0:1}" = - ] && set -- mysqld "$@"
if [ ! -d /var/lib/mysql/mysql ]; then
    "$@" --initialize-insecure --datadir=/var/lib/mysql
    "$@" --skip-networking --socket=/tmp/setup.sock --datadir=/var/lib/mysql &
    server=$!
    until mysqladmin --socket=/tmp/setup.sock --user=root ping >/dev/null 2>&1; do
        kill -0 "$server"
        sleep 0.1
    done
    for file in /docker-entrypoint-initdb.d/*.sql; do
        mysql --socket=/tmp/setup.sock --user=root <"$file"
    done
    mysql --socket=/tmp/setup.sock --user=root <<END
ALTER USER 'root'@'localhost' IDENTIFIED BY '$(cat "$MYSQL_ROOT_PASSWORD_FILE")';
END
    [ "${MYSQL_ROOT_HOST:-%}" = localhost ]
    kill "$server"
    wait "$server"
fi
exec "$@" --datadir=/var/lib/mysql --socket=/var/run/mysqld/mysqld.sock --pid-file=/tmp/mysqld.pid
