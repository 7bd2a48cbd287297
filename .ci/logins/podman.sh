# podman, for login.sh.
need podman skopeo
containers_storage
containers_connect
podman() { bounded podman "$@"; }

log_in() { printf %s "$2" | podman login "${CONNECT[@]}" -u "$1" --password-stdin "$REGISTRY"; }

push() {
    bounded skopeo copy -q "oci:$CI_TMP/layout:v1" containers-storage:local/image:v1
    podman push "${CONNECT[@]}" local/image:v1 "docker://$REGISTRY/$1"
}

pull() {
    podman rmi -f -a
    equal 'images left' "none$(podman images -q)" none
    podman pull "${CONNECT[@]}" "docker://$REGISTRY/$1"
    equal 'image id' "sha256:$(podman image inspect -f '{{.Id}}' "$REGISTRY/$1")" "$(cat "$CI_TMP/config.digest")"
}
