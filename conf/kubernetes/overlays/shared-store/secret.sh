#!/bin/sh
# Makes the two parts of the secret newterms-store in a folder, with a new
# password:
#
#   sh secret.sh FOLDER
#
#   url        where the store is, with user and password: for newterms
#   users.acl  the user and what it may do: for Valkey or Redis
set -eu
folder=${1:?usage: secret.sh FOLDER}
umask 077
mkdir -p "$folder"
cd "$folder"
password=$(openssl rand -hex 32)
hash=$(printf %s "$password" | openssl dgst -sha256 -r | cut -d' ' -f1)
printf %s "redis://newterms:$password@newterms-store:6379" > url
cat > users.acl <<END
user default off
user newterms on #$hash resetkeys ~newterms:* resetchannels -@all +@connection +get +set +pttl +eval +evalsha +hget +hset
END
