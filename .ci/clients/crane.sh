#!/usr/bin/env bash
# crane (go-containerregistry) against a running registry:
#   REGISTRY=host:port [REGISTRY_CA=ca.crt] bash .ci/clients/crane.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
client crane
need "$CI_BIN/crane"

crane() { bounded "$CI_BIN/crane" "$@"; }

HERE=$REGISTRY/$SPACE
image_context "$CI_TMP/context" 5000000
tar -C "$CI_TMP/context" -cf "$CI_TMP/layer1.tar" probe files
tar -C "$CI_TMP/context" -cf "$CI_TMP/layer2.tar" random.bin

append() {
    crane append -f "$CI_TMP/layer1.tar" -f "$CI_TMP/layer2.tar" -t "$HERE/app:v1"
    equal 'number of layers' "$(crane manifest "$HERE/app:v1" | jq '.layers | length')" 2
    stored "$SPACE/app" v1 "$(crane digest "$HERE/app:v1")"
}
check 'append: an image of two layers, every byte as named' append

manifest_bytes() {
    crane manifest "$HERE/app:v1" >"$CI_TMP/manifest"
    equal 'digest of the manifest' "sha256:$(sha "$CI_TMP/manifest")" "$(crane digest "$HERE/app:v1")"
    crane config "$HERE/app:v1" >"$CI_TMP/config"
    equal 'digest of the config' "sha256:$(sha "$CI_TMP/config")" "$(jq -r .config.digest "$CI_TMP/manifest")"
}
check 'manifest, config and digest agree' manifest_bytes

DIGEST=$(crane digest "$HERE/app:v1")
check 'validate' crane validate --remote "$HERE/app:v1"

export_files() {
    crane export "$HERE/app:v1" "$CI_TMP/export.tar"
    mkdir "$CI_TMP/export"
    tar -C "$CI_TMP/export" -xf "$CI_TMP/export.tar"
    same_bytes "$CI_TMP/export/random.bin" "$CI_TMP/context/random.bin"
    same_bytes "$CI_TMP/export/probe" "$CI_TMP/context/probe"
}
check 'export: the files come back' export_files

blob() {
    local layer
    layer=$(crane manifest "$HERE/app:v1" | jq -r '.layers[1].digest')
    equal 'sha256 of the blob' "sha256:$(crane blob "$HERE/app@$layer" | sha)" "$layer"
}
check 'blob' blob

push_layout() {
    crane pull --format=oci "$HERE/app:v1" "$CI_TMP/layout"
    crane push "$CI_TMP/layout" "$HERE/pushed:v1"
    stored "$SPACE/pushed" v1 "$DIGEST"
}
check 'pull to an OCI layout, push it elsewhere: same digest' push_layout

push_tarball() {
    local config
    config=$(crane manifest "$HERE/app:v1" | jq -r .config.digest)
    crane pull "$HERE/app:v1" "$CI_TMP/image.tar"
    crane push "$CI_TMP/image.tar" "$HERE/tarball:v1"
    stored "$SPACE/tarball" v1
    equal 'config' "$(crane manifest "$HERE/tarball:v1" | jq -r .config.digest)" "$config"
    crane validate --remote "$HERE/tarball:v1"
}
check 'pull to a tarball, push it: same config' push_tarball

push_again() {
    local text
    contains 'a push of the same tag' "$(crane push "$CI_TMP/layout" "$HERE/pushed:v1" 2>&1)" "existing manifest: v1@$DIGEST"
    text=$(crane push "$CI_TMP/layout" "$HERE/pushed:v2" 2>&1)
    contains 'a push under another tag' "$text" 'existing blob'
    lacks 'a push under another tag' "$text" 'pushed blob'
}
check 'push again: the manifest exists; another tag: every blob exists' push_again

copy() {
    local text
    text=$(crane copy "$HERE/app:v1" "$HERE/deep/er/copy:v1" 2>&1)
    contains 'the copy' "$text" 'mounted blob'
    lacks 'the copy' "$text" 'pushed blob'
    stored "$SPACE/deep/er/copy" v1 "$DIGEST"
}
check 'copy to another repository mounts every blob' copy

mount() {
    local layer
    layer=$(crane manifest "$HERE/app:v1" | jq -r '.layers[0].digest')
    answers 404 HEAD "/v2/$SPACE/mounted/blobs/$layer"
    answers 201 POST "/v2/$SPACE/mounted/blobs/uploads/?mount=$layer&from=$SPACE/app"
    answers 200 HEAD "/v2/$SPACE/mounted/blobs/$layer"
    equal 'sha256 of the mounted blob' "sha256:$(crane blob "$HERE/mounted@$layer" | sha)" "$layer"
}
check 'mount of one blob across repositories' mount

index() {
    image_context "$CI_TMP/arm" 1000 arm64
    tar -C "$CI_TMP/arm" -cf "$CI_TMP/arm.tar" probe files
    crane append -f "$CI_TMP/arm.tar" -t "$HERE/app:arm"
    crane mutate --set-platform linux/arm64 -t "$HERE/app:arm" "$HERE/app:arm"
    crane mutate --set-platform linux/amd64 -t "$HERE/app:amd" "$HERE/app:v1"
    crane index append -m "$HERE/app:amd" -m "$HERE/app:arm" -t "$HERE/app:index"
    stored "$SPACE/app" index "$(crane digest "$HERE/app:index")"
    crane validate --remote "$HERE/app:index"
    equal 'the arm64 child' "$(crane digest --platform linux/arm64 "$HERE/app:index")" "$(crane digest "$HERE/app:arm")"
    equal 'the amd64 child' "$(crane digest --platform linux/amd64 "$HERE/app:index")" "$(crane digest "$HERE/app:amd")"
}
check 'index of two platforms, resolved by platform' index

copy_index() {
    crane copy "$HERE/app:index" "$HERE/index-copy:v1"
    stored "$SPACE/index-copy" v1 "$(crane digest "$HERE/app:index")"
}
check 'copy of an index takes its children along' copy_index

tags() {
    crane tag "$HERE/app:v1" latest
    equal 'digest of latest' "$(crane digest "$HERE/app:latest")" "$DIGEST"
    equal 'tags' "$(crane ls "$HERE/app" | tr '\n' ' ')" 'amd arm index latest v1 '
}
check 'tag and ls' tags

# A repository with blobs and no manifest may be listed or not.
catalog() {
    equal 'repositories' "$(crane catalog "$REGISTRY" | sed -n "s|^$SPACE/||p" | grep -vx mounted | tr '\n' ' ')" \
        'app deep/er/copy index-copy pushed tarball '
}
check 'catalog' catalog

delete_tag() {
    crane delete "$HERE/app:latest"
    gone "$SPACE/app" latest
    stored "$SPACE/app" v1 "$DIGEST"
    equal 'tags' "$(crane ls "$HERE/app" | tr '\n' ' ')" 'amd arm index v1 '
}
check 'delete of a tag leaves the manifest' delete_tag

delete_manifest() {
    crane delete "$HERE/app@$DIGEST"
    gone "$SPACE/app" "$DIGEST"
    gone "$SPACE/app" v1
    fails_with MANIFEST_UNKNOWN crane manifest "$HERE/app:v1"
    stored "$SPACE/deep/er/copy" v1 "$DIGEST"
}
check 'delete of a manifest takes its tags, and no other repository' delete_manifest

client_end
