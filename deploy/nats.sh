#!/bin/sh
# Starts the server with the passwords of nats.conf in its environment, where `docker inspect` does not
# show them: for each user the content of the file X_PASSWORD_FILE, or X_PASSWORD, or else the name.
set -eu

fail() {
  echo "nats: $*" >&2
  exit 1
}

# Quoted for the configuration, which would read 123 as a number, not a valid password.
quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }

for user in $(env | sed -n 's/^\([A-Z]*\)_PASSWORD\(_FILE\)\{0,1\}=.*/\1/p' | sort -u); do
  eval "password=\${${user}_PASSWORD:-} file=\${${user}_PASSWORD_FILE:-}"
  if [ -n "$file" ]; then
    [ -z "$password" ] || fail "${user}_PASSWORD and ${user}_PASSWORD_FILE are both set: only one can count"
    password=$(cat "$file" 2>&1) || fail "${user}_PASSWORD_FILE='$file' is not valid: $password"
    [ -n "$password" ] || fail "${user}_PASSWORD_FILE='$file' is not valid: the file is empty"
  fi
  [ -n "$password" ] || password=$(echo "$user" | tr '[:upper:]' '[:lower:]')
  export "${user}_PASSWORD=$(quoted "$password")"
  if [ "$user" = CLUSTER ]; then
    # It is part of the servers' addresses, ROUTE_1 and so on in cluster.conf.
    case $password in
      *[!A-Za-z0-9._~-]*) fail "CLUSTER_PASSWORD may have letters, digits and ._~- only" ;;
    esac
    number=0
    for host in $CLUSTER_HOSTS; do
      number=$((number + 1))
      export "ROUTE_$number=$(quoted "nats-route://cluster:$password@$host:6222")"
    done
  fi
done

exec nats-server "$@"
