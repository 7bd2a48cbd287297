# buildah, for login.sh.
need buildah skopeo
containers_storage
containers_connect
buildah() { bounded buildah "$@"; }

log_in() { printf %s "$2" | buildah login "${CONNECT[@]}" -u "$1" --password-stdin "$REGISTRY"; }

push() {
    bounded skopeo copy -q "oci:$CI_TMP/layout:v1" containers-storage:local/image:v1
    buildah push "${CONNECT[@]}" local/image:v1 "docker://$REGISTRY/$1"
}

pull() {
    buildah rmi --all --force
    equal 'images left' "none$(buildah images -q)" none
    buildah pull "${CONNECT[@]}" "docker://$REGISTRY/$1"
    equal 'image id' "sha256:$(buildah inspect --type image --format '{{.FromImageID}}' "$REGISTRY/$1")" "$(cat "$CI_TMP/config.digest")"
}
