#!/bin/bash
# Makes the data, the database and its user as MySQL's own image does, then runs the server.
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
    mysql --socket=/tmp/setup.sock --user=root <<END
CREATE DATABASE \`$MYSQL_DATABASE\`;
CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';
ALTER USER 'root'@'localhost' IDENTIFIED BY '$(head -c 24 /dev/urandom | base64)';
END
    kill "$server"
    wait "$server"
fi
exec "$@" --datadir=/var/lib/mysql --socket=/var/run/mysqld/mysqld.sock --pid-file=/tmp/mysqld.pid
