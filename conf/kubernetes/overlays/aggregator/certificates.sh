#!/bin/sh
# Makes the certificates of the aggregator and of its clients, in a folder:
#
#   sh certificates.sh FOLDER [CLIENT...]
#
#   ca.crt, ca.key         an authority for this purpose alone
#   tls.crt, tls.key       the aggregator's
#   CLIENT.crt, CLIENT.key one pair for each client; kube-apiserver if none is named
#
# An authority that exists in the folder is used again, so that a client can be
# added later. Keep ca.key off the cluster: who has it can post events.
#
# Do not take the cluster's own authority (/etc/kubernetes/pki/ca.crt) in place
# of this one. It signs a certificate for each kubelet and for everybody whose
# CertificateSigningRequest is approved. All of them could then post events, and
# so teach newterms to take an attack for known.
set -eu
folder=${1:?usage: certificates.sh FOLDER [CLIENT...]}
shift
[ $# -gt 0 ] || set -- kube-apiserver
name=newterms-aggregator.newterms-aggregator.svc
days=825
umask 077
mkdir -p "$folder"
cd "$folder"

if [ ! -e ca.key ]; then
    openssl ecparam -name prime256v1 -genkey -noout -out ca.key
    openssl req -x509 -new -key ca.key -sha256 -days 3650 -subj "/CN=newterms-aggregator clients and server" -out ca.crt
fi

# sign NAME EXTENSIONS: a key and a certificate of the authority.
sign() {
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
    printf '%s\n' "basicConstraints=CA:FALSE" "keyUsage=digitalSignature" "$2" > "$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -sha256 -days "$days" -extfile "$1.ext" -out "$1.crt"
    rm "$1.csr" "$1.ext"
}

if [ ! -e tls.crt ]; then
    sign tls "extendedKeyUsage=serverAuth
subjectAltName=DNS:$name,DNS:$name.cluster.local,DNS:newterms-aggregator"
fi
for client in "$@"; do
    [ -e "$client.crt" ] || sign "$client" "extendedKeyUsage=clientAuth"
done
