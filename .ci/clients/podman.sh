#!/usr/bin/env bash
# podman against a running registry:
#   REGISTRY=host:port [REGISTRY_CA=ca.crt] bash .ci/clients/podman.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
client podman
need podman runc
containers_storage
containers_connect

podman() { bounded podman "$@"; }

HERE=$REGISTRY/$SPACE/app
image_context "$CI_TMP/context" 40000000

id_of() { podman image inspect -f '{{.Id}}' "$1"; }
# Limits low enough for a machine that allows no more.
run_image() { podman --runtime runc run --rm --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$1"; }
# push_image IMAGE DESTINATION [OPTION...]: leaves the digest in the file $CI_TMP/digest.
push_image() { podman push "${CONNECT[@]}" --digestfile "$CI_TMP/digest" "${@:3}" "$1" "docker://$2"; }

build() {
    podman build --isolation chroot -t "$HERE:v1" "$CI_TMP/context"
    equal 'output of the built image' "$(run_image "$HERE:v1")" "$(cat "$CI_TMP/context.expected")"
}
check 'build and run' build
ID=$(id_of "$HERE:v1")

push() {
    push_image "$HERE:v1" "$HERE:v1"
    stored "$SPACE/app" v1 "$(cat "$CI_TMP/digest")"
    equal 'config' "$(manifest "$SPACE/app" v1 | jq -r .config.digest)" "sha256:$ID"
}
check 'push: every byte as named' push
DIGEST=$(cat "$CI_TMP/digest")

push_again() {
    push_image "$HERE:v1" "$HERE:v1"
    stored "$SPACE/app" v1 "$DIGEST"
    push_image "$HERE:v1" "$REGISTRY/$SPACE/other/deep:v1"
    stored "$SPACE/other/deep" v1 "$DIGEST"
}
check 'push again, and to another repository: same digest' push_again

pull() {
    podman rmi "$HERE:v1"
    fails_with 'image not known' podman image inspect "$ID"
    podman pull "${CONNECT[@]}" "$HERE:v1"
    equal 'image id' "$(id_of "$HERE:v1")" "$ID"
    equal 'digest' "$(podman image inspect -f '{{.Digest}}' "$HERE:v1")" "$DIGEST"
}
check 'remove, pull: identical image id' pull

run_pulled() { equal 'output of the pulled image' "$(run_image "$HERE:v1")" "$(cat "$CI_TMP/context.expected")"; }
check 'run the pulled image: same output' run_pulled

pull_by_digest() {
    podman rmi "$HERE:v1"
    podman pull "${CONNECT[@]}" "$HERE@$DIGEST"
    equal 'image id' "$(id_of "$HERE@$DIGEST")" "$ID"
}
check 'pull by digest: identical image id' pull_by_digest
podman tag "$ID" "$HERE:v1"

schema2() {
    push_image "$HERE:v1" "$HERE:v2s2" --format v2s2
    stored "$SPACE/app" v2s2 "$(cat "$CI_TMP/digest")"
    equal mediaType "$(manifest "$SPACE/app" v2s2 | jq -r .mediaType)" application/vnd.docker.distribution.manifest.v2+json
}
check 'push as docker schema 2' schema2

# An image that was not pushed before: podman reuses the gzip layers it remembers.
zstd() {
    image_context "$CI_TMP/zstd" 3000000
    podman build --isolation chroot -t "$HERE:zstd" "$CI_TMP/zstd"
    push_image "$HERE:zstd" "$HERE:zstd" --format oci --compression-format zstd
    stored "$SPACE/app" zstd "$(cat "$CI_TMP/digest")"
    equal 'layer types' "$(manifest "$SPACE/app" zstd | jq -r '[.layers[].mediaType] | unique | join(" ")')" \
        application/vnd.oci.image.layer.v1.tar+zstd
    podman rmi "$HERE:zstd"
    podman pull "${CONNECT[@]}" "$HERE:zstd"
    equal 'output of the zstd image' "$(run_image "$HERE:zstd")" "$(cat "$CI_TMP/zstd.expected")"
}
check 'zstd layers: push, remove, pull, run' zstd

# podman search takes no certificate; not verifying, it still asks by TLS first.
search() {
    equal tags "$(podman search --tls-verify=false --list-tags --format json "$HERE" | jq -r '[.[].Tags[]] | sort | join(" ")')" 'v1 v2s2 zstd'
    equal repositories "$(podman search --tls-verify=false --limit 1000 --format json "$REGISTRY/$SPACE/" | jq -r '[.[].Name] | sort | join(" ")')" \
        "$HERE $REGISTRY/$SPACE/other/deep"
}
check 'search: tags and repositories' search

index() {
    local arch
    for arch in amd64 arm64; do
        image_context "$CI_TMP/$arch" 1000000 "$arch"
        podman build --isolation chroot --platform "linux/$arch" --manifest multi "$CI_TMP/$arch"
    done
    podman manifest push --all "${CONNECT[@]}" --digestfile "$CI_TMP/digest" multi "docker://$REGISTRY/$SPACE/multi:v1"
    stored "$SPACE/multi" v1
    equal platforms "$(manifest "$SPACE/multi" v1 | jq -r '[.manifests[].platform.architecture] | sort | join(" ")')" 'amd64 arm64'
    podman manifest rm multi
    for arch in arm64 amd64; do
        podman pull "${CONNECT[@]}" --platform "linux/$arch" "$REGISTRY/$SPACE/multi:v1"
        equal 'architecture pulled' "$(podman image inspect -f '{{.Architecture}}' "$REGISTRY/$SPACE/multi:v1")" "$arch"
    done
    equal output "$(run_image "$REGISTRY/$SPACE/multi:v1")" "$(cat "$CI_TMP/amd64.expected")"
}
check 'index of two platforms pushed, pulled by platform, run' index

deleted() {
    answers 202 DELETE "/v2/$SPACE/app/manifests/$DIGEST"
    gone "$SPACE/app" "$DIGEST"
    gone "$SPACE/app" v1
    fails_with 'manifest unknown' podman pull "${CONNECT[@]}" "$HERE:v1"
    stored "$SPACE/other/deep" v1 "$DIGEST"
}
check 'after a delete the pull fails, and the other repository still has it' deleted

client_end
