#!/usr/bin/env bash
# buildah against a running registry:
#   REGISTRY=host:port [REGISTRY_CA=ca.crt] bash .ci/clients/buildah.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
client buildah
need buildah
containers_storage
containers_connect

buildah() { bounded buildah "$@"; }

HERE=$REGISTRY/$SPACE/app

# One context for both platforms would hold one program; so two builds into one list.
build() {
    local arch
    for arch in amd64 arm64; do
        image_context "$CI_TMP/$arch" 10000000 "$arch"
        buildah bud --isolation chroot --layers --platform "linux/$arch" --manifest multi "$CI_TMP/$arch"
    done
    equal 'images in the list' "$(buildah manifest inspect multi | jq '.manifests | length')" 2
}
check 'build for two platforms into one list' build

push_index() {
    buildah manifest push --all "${CONNECT[@]}" multi "docker://$HERE:index"
    stored "$SPACE/app" index
    equal mediaType "$(manifest "$SPACE/app" index | jq -r .mediaType)" application/vnd.oci.image.index.v1+json
    equal platforms "$(manifest "$SPACE/app" index | jq -r '[.manifests[].platform.architecture] | sort | join(" ")')" 'amd64 arm64'
}
check 'manifest push --all: an OCI index, every byte as named' push_index

push_list() {
    buildah manifest push --all --format v2s2 "${CONNECT[@]}" multi "docker://$HERE:list"
    stored "$SPACE/app" list
    equal mediaType "$(manifest "$SPACE/app" list | jq -r .mediaType)" application/vnd.docker.distribution.manifest.list.v2+json
}
check 'manifest push --all --format v2s2: a docker manifest list' push_list

pull() {
    local arch
    buildah rmi --all --force
    equal 'images left' "x$(buildah images -q)" x
    for arch in arm64 amd64; do
        buildah pull "${CONNECT[@]}" --arch "$arch" "$HERE:index"
        equal architecture "$(buildah inspect --type image --format '{{.OCIv1.Architecture}}' "$HERE:index")" "$arch"
        equal 'image id' "sha256:$(buildah inspect --type image --format '{{.FromImageID}}' "$HERE:index")" \
            "$(manifest "$SPACE/app" "$(manifest "$SPACE/app" index |
                jq -r --arg arch "$arch" '.manifests[] | select(.platform.architecture == $arch).digest')" | jq -r .config.digest)"
    done
}
check 'remove, pull by platform: the image ids of the index' pull

mount_files() {
    local container root
    container=$(buildah from "${CONNECT[@]}" --pull-never "$HERE:index")
    root=$(buildah mount "$container")
    same_bytes "$root/random.bin" "$CI_TMP/amd64/random.bin"
    same_bytes "$root/probe" "$CI_TMP/amd64/probe"
    buildah umount "$container"
    echo "$container" >"$CI_TMP/container"
}
check 'the files of the pulled image' mount_files

derived() {
    local container
    container=$(cat "$CI_TMP/container")
    echo 'one more file' >"$CI_TMP/more.txt"
    buildah copy "$container" "$CI_TMP/more.txt" /more.txt
    buildah config --label org.floundr.test=yes "$container"
    buildah commit "$container" "$HERE:derived"
    buildah push "${CONNECT[@]}" --digestfile "$CI_TMP/digest" "$HERE:derived"
    stored "$SPACE/app" derived "$(cat "$CI_TMP/digest")"
    contains 'layers of the derived image' "$(manifest "$SPACE/app" derived | jq -r '[.layers[].digest] | join(" ")')" \
        "$(manifest "$SPACE/app" "$(manifest "$SPACE/app" index |
            jq -r '.manifests[] | select(.platform.architecture == "amd64").digest')" | jq -r '[.layers[].digest] | join(" ")')"
}
check 'commit and push on top of it: the same layers and one more' derived

from_registry() {
    buildah rm --all
    buildah rmi --all --force
    buildah from "${CONNECT[@]}" --name again "docker://$HERE:derived"
    same_bytes "$(buildah mount again)/more.txt" "$CI_TMP/more.txt"
    buildah umount again
    buildah rm again
}
check 'from: a container straight from the registry' from_registry

deleted() {
    local digest
    digest=$(head_digest "$SPACE/app" derived)
    answers 202 DELETE "/v2/$SPACE/app/manifests/$digest"
    gone "$SPACE/app" derived
    fails_with 'manifest unknown' buildah pull --policy always "${CONNECT[@]}" "$HERE:derived"
    stored "$SPACE/app" index
}
check 'after a delete the pull fails' deleted

client_end
