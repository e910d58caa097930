# A PostgreSQL server from Debian's packages: its programs alone, no cluster and no service of its own.
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1
common=/etc/postgresql-common/createcluster.conf
[ -e "$common" ] || { mkdir -p "${common%/*}" && echo "create_main_cluster = false" >"$common"; }
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1
install() { timeout 300 apt-get install -qq -y --no-install-recommends postgresql >/dev/null 2>&1; }
install || { timeout 120 apt-get update -qq >/dev/null 2>&1 && install; }
