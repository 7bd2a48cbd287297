# docker's daemon, for login.sh.
start_dockerd
need skopeo
bounded skopeo copy -q "oci:$CI_TMP/layout:v1" "docker-archive:$CI_TMP/image.tar:local/image:v1"

log_in() { printf %s "$2" | docker login -u "$1" --password-stdin "$REGISTRY"; }

# Loaded anew each time: a pull before may have taken it away.
push() {
    docker load -q -i "$CI_TMP/image.tar"
    docker tag local/image:v1 "$REGISTRY/$1"
    docker push "$REGISTRY/$1"
}

pull() {
    docker image ls -q --no-trunc | sort -u | while read -r id; do docker rmi -f "$id"; done
    equal 'images left' "none$(docker image ls -q)" none
    docker pull "$REGISTRY/$1"
    equal 'image id' "$(docker image inspect -f '{{.Id}}' "$REGISTRY/$1")" "$(cat "$CI_TMP/config.digest")"
}
