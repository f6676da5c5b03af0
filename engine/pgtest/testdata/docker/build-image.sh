#!/usr/bin/env bash
# Builds a Postgres image from Debian's packages, for a machine whose Docker engine can pull none.
#
#	build-image.sh NAME[:TAG]
#
# The image holds the server that this machine has installed (Debian's, which is installed first if it is missing), the
# shared libraries it needs and a shell; nothing is downloaded by Docker. It keeps to what users of the official image
# rely on: POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS, scripts in /docker-entrypoint-initdb.d,
# port 5432, settings as -c arguments, a first start for the setup and a second for use.
set -euo pipefail

name=${1:?usage: build-image.sh NAME[:TAG]}
here=$(cd "$(dirname "$0")" && pwd)

newest_bin() { find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1; }
bin=$(newest_bin)
if [ -z "$bin" ]; then
	apt-get install --yes --no-install-recommends postgresql >&2
	bin=$(newest_bin)
fi
version=$(basename "$(dirname "$bin")")

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# The folder layout of a merged /usr, so that a program finds its libraries where the linker expects them.
mkdir -p "$root"/{usr/bin,usr/lib,usr/lib64,etc,proc,sys,dev,docker-entrypoint-initdb.d,run/postgresql,var/lib/postgresql/data}
mkdir -m 1777 "$root/tmp"
ln -s usr/bin "$root/bin"
ln -s usr/bin "$root/sbin"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"
ln -s ../run "$root/var/run"

# The server, without the JIT compiler: it is switched off in every profile and brings 100 MB of libraries.
mkdir -p "$root/usr/lib/postgresql/$version" "$root/usr/share/postgresql"
cp -a "$bin" "$root/usr/lib/postgresql/$version/"
cp -a "/usr/lib/postgresql/$version/lib" "$root/usr/lib/postgresql/$version/"
rm -rf "$root/usr/lib/postgresql/$version/lib"/{bitcode,llvmjit*,pgxs}
cp -a "/usr/share/postgresql/$version" "$root/usr/share/postgresql/"
sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" "$root/usr/share/postgresql/$version/postgresql.conf.sample"
cp -a /usr/share/zoneinfo "$root/usr/share/"

# The tools of the entrypoint, and those with which testcontainers looks for the listening port.
for tool in bash cat chmod chown id ls mkdir rm setpriv grep awk; do
	cp -L "$(command -v "$tool")" "$root/usr/bin/$tool"
done
ln -s bash "$root/usr/bin/sh"

# Every shared library that any of it is linked against, at its own path.
find "$root/usr/bin" "$root/usr/lib/postgresql" -type f \( -perm -u+x -o -name '*.so' \) -print0 |
	xargs -0 ldd 2>/dev/null | grep -o '/[^ )]*\.so[^ )]*' | grep -v -F "$root" | sort -u |
	while read -r lib; do
		mkdir -p "$root$(dirname "$lib")"
		cp -L "$lib" "$root$lib"
	done

printf 'root:x:0:0::/:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\npostgres:x:999:\n' >"$root/etc/group"
install -m 0755 "$here/entrypoint.sh" "$root/usr/bin/entrypoint.sh"

tar -C "$root" --numeric-owner -c . | docker import \
	--change 'ENTRYPOINT ["entrypoint.sh"]' \
	--change 'CMD ["postgres"]' \
	--change "ENV PATH=/usr/bin:/usr/lib/postgresql/$version/bin" \
	--change 'ENV PGDATA=/var/lib/postgresql/data' \
	--change 'EXPOSE 5432' \
	--change 'VOLUME /var/lib/postgresql/data' \
	- "$name"
