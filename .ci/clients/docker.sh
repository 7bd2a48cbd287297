#!/usr/bin/env bash
# A real docker daemon against a running registry:
#   REGISTRY=host:port [REGISTRY_CA=ca.crt] bash .ci/clients/docker.sh
# The daemon and client are Debian's docker.io. The daemon tries TLS first on loopback, so over plain HTTP each session begins with a
# TLS hello on the plain port. It does not verify certificates of loopback addresses.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
client docker
need /usr/bin/docker
start_dockerd

HERE=$REGISTRY/$SPACE/app
image_context "$CI_TMP/context" 300000000
echo 'RUN ["/probe", "stamp", "/stamp"]' >>"$CI_TMP/context/Dockerfile"

id_of() { docker image inspect -f '{{.Id}}' "$1"; }
run_image() { docker run --rm --network none "$1"; }
no_image() { fails_with 'No such image' docker image inspect "$1"; }

build() {
    DOCKER_BUILDKIT=0 docker build --network none -t "$HERE:v1" "$CI_TMP/context"
    equal 'number of layers' "$(docker image inspect -f '{{len .RootFS.Layers}}' "$HERE:v1")" 4
    equal 'output of the built image' "$(run_image "$HERE:v1")" "$(cat "$CI_TMP/context.expected")"
}
check 'build: four layers, one of 300 MB' build
ID=$(id_of "$HERE:v1")

push() {
    docker push "$HERE:v1" >"$CI_TMP/push.log"
    cat "$CI_TMP/push.log"
    equal 'layers pushed' "$(grep -c ': Pushed$' "$CI_TMP/push.log")" 4
}
check 'push' push
DIGEST=$(sed -n 's/^v1: digest: \([^ ]*\) size: .*/\1/p' "$CI_TMP/push.log")

check 'every byte of it is stored as named' stored "$SPACE/app" v1 "$DIGEST"

push_again() {
    docker push "$HERE:v1" >"$CI_TMP/again.log"
    cat "$CI_TMP/again.log"
    equal 'layers that exist' "$(grep -c ': Layer already exists$' "$CI_TMP/again.log")" 4
    contains 'the second push' "$(cat "$CI_TMP/again.log")" "$DIGEST"
}
check 'push again: every layer exists' push_again

mounted() {
    docker tag "$HERE:v1" "$REGISTRY/$SPACE/other:v1"
    docker push "$REGISTRY/$SPACE/other:v1" >"$CI_TMP/mount.log"
    cat "$CI_TMP/mount.log"
    equal 'layers mounted' "$(grep -c ": Mounted from $SPACE/app\$" "$CI_TMP/mount.log")" 4
    answers 200 HEAD "/v2/$SPACE/other/manifests/$DIGEST"
    docker rmi "$REGISTRY/$SPACE/other:v1"
}
check 'push to another repository mounts every layer' mounted

pull() {
    docker rmi "$HERE:v1"
    no_image "$ID"
    docker pull "$HERE:v1"
    equal 'image id' "$(id_of "$HERE:v1")" "$ID"
    equal 'digest' "$(docker image inspect -f '{{index .RepoDigests 0}}' "$HERE:v1")" "$HERE@$DIGEST"
}
check 'remove, pull: identical image id' pull

run_pulled() { equal 'output of the pulled image' "$(run_image "$HERE:v1")" "$(cat "$CI_TMP/context.expected")"; }
check 'run the pulled image: same output' run_pulled

pull_by_digest() {
    docker rmi "$HERE:v1"
    no_image "$ID"
    docker pull "$HERE@$DIGEST"
    equal 'image id' "$(id_of "$HERE@$DIGEST")" "$ID"
    docker rmi "$HERE@$DIGEST"
}
check 'pull by digest: identical image id' pull_by_digest

MULTI=$REGISTRY/$SPACE/multi

build_platforms() {
    local arch
    for arch in amd64 arm64; do
        image_context "$CI_TMP/$arch" 2000000 "$arch"
        DOCKER_BUILDKIT=1 docker build --platform "linux/$arch" -t "$MULTI:$arch" "$CI_TMP/$arch"
        equal 'architecture' "$(docker image inspect -f '{{.Architecture}}' "$MULTI:$arch")" "$arch"
        id_of "$MULTI:$arch" >"$CI_TMP/$arch.id"
        docker push "$MULTI:$arch"
        stored "$SPACE/multi" "$arch"
    done
}
check 'two platforms built with buildkit and pushed' build_platforms

# An entry of the index, as `docker manifest create` writes it.
entry() {
    local file=$CI_TMP/$1.manifest
    manifest "$SPACE/multi" "$1" >"$file"
    jq -n --arg type "$(jq -r .mediaType "$file")" --arg digest "sha256:$(sha "$file")" --argjson size "$(stat -c %s "$file")" \
        --argjson platform "$2" '{mediaType: $type, size: $size, digest: $digest, platform: $platform}'
}

# `docker manifest push` speaks plain HTTP to every loopback address, so over TLS the same list is put by hand.
index_by_hand() {
    jq -n --argjson amd64 "$(entry amd64 '{"architecture": "amd64", "os": "linux"}')" \
        --argjson arm64 "$(entry arm64 '{"architecture": "arm64", "os": "linux", "variant": "v8"}')" \
        '{schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.list.v2+json", manifests: [$amd64, $arm64]}' \
        >"$CI_TMP/list.json"
    answers 201 PUT "/v2/$SPACE/multi/manifests/all" --data-binary "@$CI_TMP/list.json" \
        -H 'Content-Type: application/vnd.docker.distribution.manifest.list.v2+json'
    echo "sha256:$(sha "$CI_TMP/list.json")" >"$CI_TMP/index.digest"
}

index_by_docker() {
    docker manifest create --insecure "$MULTI:all" "$MULTI:amd64" "$MULTI:arm64"
    docker manifest annotate --os linux --arch arm64 --variant v8 "$MULTI:all" "$MULTI:arm64"
    docker manifest push --insecure "$MULTI:all" | tail -n 1 >"$CI_TMP/index.digest"
}

index() {
    if [ "$SCHEME" = http ]; then index_by_docker; else index_by_hand; fi
    stored "$SPACE/multi" all "$(cat "$CI_TMP/index.digest")"
    equal 'platforms' "$(manifest "$SPACE/multi" all | jq -r '[.manifests[].platform | .architecture + (.variant // "")] | sort | join(" ")')" \
        'amd64 arm64v8'
    docker manifest inspect --insecure "$MULTI:all" >"$CI_TMP/inspect.json"
    equal 'what the client sees' "$(jq -Sc . "$CI_TMP/inspect.json")" "$(manifest "$SPACE/multi" all | jq -Sc .)"
}
check 'manifest create, annotate, push (over TLS: put by hand), inspect: an index of two platforms' index

pull_platforms() {
    local arch
    docker rmi "$MULTI:amd64" "$MULTI:arm64"
    for arch in arm64 amd64; do
        docker pull --platform "linux/$arch" "$MULTI:all"
        equal "image id of $arch" "$(id_of "$MULTI:all")" "$(cat "$CI_TMP/$arch.id")"
        [ "$arch" = arm64 ] || equal 'output' "$(run_image "$MULTI:all")" "$(cat "$CI_TMP/amd64.expected")"
        docker rmi "$MULTI:all"
    done
    docker pull "$MULTI@$(cat "$CI_TMP/index.digest")"
    equal 'image id by digest of the index' "$(id_of "$MULTI@$(cat "$CI_TMP/index.digest")")" "$(cat "$CI_TMP/amd64.id")"
}
check 'pull by platform: identical image ids' pull_platforms

deleted() {
    answers 202 DELETE "/v2/$SPACE/app/manifests/$DIGEST"
    gone "$SPACE/app" "$DIGEST"
    gone "$SPACE/app" v1
    fails_with 'manifest unknown' docker pull "$HERE:v1"
    docker pull "$REGISTRY/$SPACE/other:v1"
    equal 'image id from the other repository' "$(id_of "$REGISTRY/$SPACE/other:v1")" "$ID"
}
check 'after a delete the pull fails, and the other repository still has it' deleted

client_end
