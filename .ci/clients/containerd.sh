#!/usr/bin/env bash
# containerd's ctr against a running registry, with the docker daemon's own containerd:
#   REGISTRY=host:port [REGISTRY_CA=ca.crt] bash .ci/clients/containerd.sh
# What containerd does that docker's daemon does not: it uploads each blob with POST and one PUT, pulls by HEAD then GET by
# digest, and needs Docker-Content-Digest on every 201.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
client containerd
need ctr buildah skopeo
start_dockerd
containers_storage
containers_connect
containerd_connect

ctr() { bounded ctr -a "$CONTAINERD" -n floundr "$@"; }

# The first copy comes from elsewhere: an OCI index of two platforms, built with buildah.
seed() {
    local arch
    for arch in amd64 arm64; do
        image_context "$CI_TMP/$arch" 10000000 "$arch"
        bounded buildah bud --isolation chroot --platform "linux/$arch" --manifest seed "$CI_TMP/$arch"
    done
    bounded buildah manifest push --all seed "oci:$CI_TMP/layout:v1"
    bounded skopeo copy --all "${TO[@]}" "oci:$CI_TMP/layout:v1" "docker://$REGISTRY/$SPACE/seed:v1"
    stored "$SPACE/seed" v1
}
check 'an index of two platforms to start from' seed
DIGEST=$(head_digest "$SPACE/seed" v1)

pull() {
    ctr images pull "${CONNECT[@]}" --all-platforms "$REGISTRY/$SPACE/seed:v1"
    equal 'digest' "$(ctr images ls "name==$REGISTRY/$SPACE/seed:v1" | awk 'NR == 2 { print $3 }')" "$DIGEST"
    contains 'check of the content' "$(ctr images check "name==$REGISTRY/$SPACE/seed:v1")" 'complete'
}
check 'pull, all platforms' pull

content() {
    local layer
    for layer in $(ctr content ls -q); do
        equal "sha256 of $layer" "sha256:$(ctr content get "$layer" | sha)" "$layer"
    done
    manifest "$SPACE/seed" v1 >"$CI_TMP/index.json"
    ctr content get "$DIGEST" >"$CI_TMP/stored.json"
    same_bytes "$CI_TMP/stored.json" "$CI_TMP/index.json"
}
check 'its content store holds the same bytes' content

run_image() {
    equal 'output' "$(ctr run --rm --runc-binary runc "$REGISTRY/$SPACE/seed:v1" "probe-$$")" "$(cat "$CI_TMP/amd64.expected")"
}
check 'run: same output' run_image

# What was pulled is mounted when it is pushed to the same registry: containerd remembers where each blob came from.
push() {
    ctr images tag "$REGISTRY/$SPACE/seed:v1" "$REGISTRY/$SPACE/pushed:v1"
    ctr images push "${CONNECT[@]}" "$REGISTRY/$SPACE/pushed:v1"
    stored "$SPACE/pushed" v1 "$DIGEST"
}
check 'push to another repository by mount: same digest, every byte' push

push_again() {
    ctr images push "${CONNECT[@]}" "$REGISTRY/$SPACE/pushed:v1"
    stored "$SPACE/pushed" v1 "$DIGEST"
}
check 'push again' push_again

# What was imported has no such memory: each blob goes up whole.
push_imported() {
    ctr images rm --sync "$REGISTRY/$SPACE/seed:v1" "$REGISTRY/$SPACE/pushed:v1"
    bounded skopeo copy --all "oci:$CI_TMP/layout:v1" "oci-archive:$CI_TMP/archive.tar:v1"
    ctr images import --all-platforms --digests --base-name imported "$CI_TMP/archive.tar"
    answers 404 HEAD "/v2/$SPACE/imported/manifests/$DIGEST"
    ctr images push "${CONNECT[@]}" "$REGISTRY/$SPACE/imported:v1" "imported@$DIGEST"
    stored "$SPACE/imported" v1 "$DIGEST"
    ctr images ls -q | while read -r name; do ctr images rm --sync "$name"; done
}
check 'push of an imported archive: each blob by one PUT' push_imported

pull_digest() {
    equal 'images left' "x$(ctr images ls -q)" x
    equal 'content left' "x$(ctr content ls -q)" x
    ctr images pull "${CONNECT[@]}" --platform linux/amd64 "$REGISTRY/$SPACE/pushed@$DIGEST"
    equal 'output' "$(ctr run --rm "$REGISTRY/$SPACE/pushed@$DIGEST" "again-$$")" "$(cat "$CI_TMP/amd64.expected")"
}
check 'remove, pull by digest, run' pull_digest

deleted() {
    answers 202 DELETE "/v2/$SPACE/seed/manifests/$DIGEST"
    gone "$SPACE/seed" v1
    fails_with 'not found' ctr images pull "${CONNECT[@]}" "$REGISTRY/$SPACE/seed:v1"
}
check 'after a delete the pull fails' deleted

client_end
