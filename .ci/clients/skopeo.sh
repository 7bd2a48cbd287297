#!/usr/bin/env bash
# skopeo against a running registry:
#   REGISTRY=host:port [REGISTRY_CA=ca.crt] bash .ci/clients/skopeo.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
client skopeo
need skopeo buildah
containers_storage
containers_connect

skopeo() { bounded skopeo "$@"; }

HERE=docker://$REGISTRY/$SPACE
LAYOUT=oci:$CI_TMP/layout

# A layout of two platforms to copy from.
layout() {
    local arch
    for arch in amd64 arm64; do
        image_context "$CI_TMP/$arch" 15000000 "$arch"
        bounded buildah bud --isolation chroot --layers --platform "linux/$arch" --manifest multi "$CI_TMP/$arch"
    done
    bounded buildah manifest push --all multi "$LAYOUT:multi"
    skopeo copy "$LAYOUT:multi" "$LAYOUT:single"
}
check 'an OCI layout to copy from' layout

# What a layout holds under TAG, all blobs: the lines of `digest  size`, sorted.
layout_blobs() { (cd "$1/blobs/sha256" && sha256sum -- * | sort); }

copy_to() {
    skopeo copy "${TO[@]}" --digestfile "$CI_TMP/digest" "$LAYOUT:single" "$HERE/app:v1"
    stored "$SPACE/app" v1 "$(cat "$CI_TMP/digest")"
}
check 'copy to the registry' copy_to
DIGEST=$(cat "$CI_TMP/digest")

copy_from() {
    skopeo copy "${FROM[@]}" "$HERE/app:v1" "dir:$CI_TMP/dir"
    same_bytes "$CI_TMP/dir/manifest.json" <(manifest "$SPACE/app" v1)
    jq -r '.config.digest, .layers[].digest' "$CI_TMP/dir/manifest.json" | while IFS=: read -r _ hash; do
        equal "file $hash" "$(sha "$CI_TMP/dir/$hash")" "$hash"
    done
    skopeo copy "${FROM[@]}" "$HERE/app@$DIGEST" "oci:$CI_TMP/back:v1"
    equal 'digest in the layout' "$(jq -r '.manifests[0].digest' "$CI_TMP/back/index.json")" "$DIGEST"
    skopeo copy "${FROM[@]}" "$HERE/app:v1" "docker-archive:$CI_TMP/archive.tar:app:v1"
    equal 'config in the archive' "$(tar -xOf "$CI_TMP/archive.tar" manifest.json | jq -r '.[0].Config')" \
        "$(jq -r .config.digest "$CI_TMP/dir/manifest.json" | cut -d: -f2).json"
}
check 'copy from the registry to a directory, a layout and an archive: same bytes' copy_from

copy_within() {
    skopeo copy "${FROM[@]}" "${TO[@]}" "$HERE/app:v1" "$HERE/team/app:v1"
    stored "$SPACE/team/app" v1 "$DIGEST"
}
check 'copy within the registry: same digest' copy_within

copy_all() {
    skopeo copy --all "${TO[@]}" "$LAYOUT:multi" "$HERE/multi:v1"
    stored "$SPACE/multi" v1 "$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "multi").digest' "$CI_TMP/layout/index.json")"
    skopeo copy --all "${FROM[@]}" "${TO[@]}" "$HERE/multi:v1" "$HERE/multi-copy:v1"
    stored "$SPACE/multi-copy" v1 "$(head_digest "$SPACE/multi" v1)"
    skopeo copy --all "${FROM[@]}" "$HERE/multi-copy:v1" "oci:$CI_TMP/multi-back:multi"
    equal 'blobs of the layout that came back' "$(layout_blobs "$CI_TMP/multi-back")" "$(layout_blobs "$CI_TMP/layout")"
}
check 'copy --all there, within and back: every blob of the layout' copy_all

converted() {
    skopeo copy --format v2s2 "${TO[@]}" "$LAYOUT:single" "$HERE/app:v2s2"
    stored "$SPACE/app" v2s2
    equal mediaType "$(skopeo inspect --raw "${CONNECT[@]}" "$HERE/app:v2s2" | jq -r .mediaType)" application/vnd.docker.distribution.manifest.v2+json
}
check 'copy as docker schema 2' converted

inspect() {
    skopeo inspect "${CONNECT[@]}" "$HERE/app:v1" >"$CI_TMP/inspect.json"
    equal Digest "$(jq -r .Digest "$CI_TMP/inspect.json")" "$DIGEST"
    equal Architecture "$(jq -r .Architecture "$CI_TMP/inspect.json")" amd64
    equal RepoTags "$(jq -r '.RepoTags | sort | join(" ")' "$CI_TMP/inspect.json")" 'v1 v2s2'
    skopeo inspect --raw "${CONNECT[@]}" "$HERE/app:v1" >"$CI_TMP/raw.json"
    equal 'sha256 of the raw manifest' "sha256:$(sha "$CI_TMP/raw.json")" "$DIGEST"
    skopeo inspect --config --raw "${CONNECT[@]}" "$HERE/app:v1" >"$CI_TMP/config.json"
    equal 'sha256 of the config' "sha256:$(sha "$CI_TMP/config.json")" "$(jq -r .config.digest "$CI_TMP/raw.json")"
}
check 'inspect, --raw, --config' inspect

list_tags() { equal tags "$(skopeo list-tags "${CONNECT[@]}" "$HERE/app" | jq -r '.Tags | sort | join(" ")')" 'v1 v2s2'; }
check 'list-tags' list_tags

sync() {
    mkdir -p "$CI_TMP/sync"
    skopeo sync --all --scoped --src docker --dest dir "${FROM[@]}" "$REGISTRY/$SPACE/app" "$CI_TMP/sync"
    equal 'manifest on disk' "sha256:$(sha "$CI_TMP/sync/$REGISTRY/$SPACE/app:v1/manifest.json")" "$DIGEST"
    skopeo sync --all --src dir --dest docker "${TO[@]}" "$CI_TMP/sync/$REGISTRY/$SPACE" "$REGISTRY/$SPACE/synced"
    stored "$SPACE/synced/app" v1 "$DIGEST"
    stored "$SPACE/synced/app" v2s2 "$(head_digest "$SPACE/app" v2s2)"
    skopeo sync --all --src docker --dest docker "${FROM[@]}" "${TO[@]}" "$REGISTRY/$SPACE/multi" "$REGISTRY/$SPACE/mirror"
    stored "$SPACE/mirror/multi" v1 "$(head_digest "$SPACE/multi" v1)"
}
check 'sync of a repository to a directory, back, and to another place' sync

delete() {
    skopeo delete "${CONNECT[@]}" "$HERE/app:v1"
    gone "$SPACE/app" v1
    gone "$SPACE/app" "$DIGEST"
    fails_with 'manifest unknown' skopeo inspect "${CONNECT[@]}" "$HERE/app:v1"
    equal tags "$(skopeo list-tags "${CONNECT[@]}" "$HERE/app" | jq -r '.Tags | sort | join(" ")')" v2s2
    stored "$SPACE/team/app" v1 "$DIGEST"
}
check 'delete: 404 for tag and digest, other repositories untouched' delete

client_end
