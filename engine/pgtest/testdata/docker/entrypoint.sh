#!/bin/bash
# The start of the image that build-image.sh makes; see there for what it promises.
set -euo pipefail

case ${1:-} in
-*) set -- postgres "$@" ;;
postgres) ;;
*) exec "$@" ;;
esac

# The server refuses to run as root.
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /run/postgresql
	chmod 0700 "$PGDATA"
	chown -R postgres:postgres "$PGDATA" /run/postgresql
	exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	user=${POSTGRES_USER:-postgres}
	database=${POSTGRES_DB:-$user}
	if [ -z "${POSTGRES_PASSWORD:-}" ]; then
		echo 'POSTGRES_PASSWORD must be set to a superuser password that is not empty' >&2
		exit 1
	fi
	# Word splitting is what POSTGRES_INITDB_ARGS is for.
	# shellcheck disable=SC2086
	initdb -D "$PGDATA" --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") ${POSTGRES_INITDB_ARGS:-}
	printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"

	# A first start, on the socket only, for the database and the scripts.
	setup() { psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$user" "$@"; }
	pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
	if [ "$database" != postgres ]; then
		setup --dbname postgres -v name="$database" <<<'CREATE DATABASE :"name";'
	fi
	for script in /docker-entrypoint-initdb.d/*.sql; do
		if [ -e "$script" ]; then setup --dbname "$database" --file "$script"; fi
	done
	pg_ctl -D "$PGDATA" -m fast -w stop
fi

exec "$@"
