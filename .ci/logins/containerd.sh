# containerd's ctr, for login.sh, with the docker daemon's own containerd. It has no login: each command is given user and password.
need ctr
start_dockerd
LOGIN_ASKS=no
REFUSED_ALSO='read/write on closed pipe' # instead of the refusal, when that comes before the manifest was sent
containerd_connect
ctr() { bounded ctr -a "$CONTAINERD" -n floundr "$@"; }
tar -C "$CI_TMP/layout" -cf "$CI_TMP/image.tar" .
IMAGE=sha256:$(jq -r '.manifests[0].digest' "$CI_TMP/layout/index.json" | cut -d: -f2)

log_in() { printf '%s:%s' "$1" "$2" >"$CI_TMP/user"; }

# with_user push|pull ARGUMENT...: as who logged in, if anybody did.
with_user() {
    local command=$1 user=()
    shift
    if [ -s "$CI_TMP/user" ]; then user=(--user "$(cat "$CI_TMP/user")"); fi
    ctr images "$command" "${CONNECT[@]}" "${user[@]}" "$@"
}

push() {
    ctr images import --no-unpack --digests --base-name imported "$CI_TMP/image.tar"
    with_user push "$REGISTRY/$1" "imported@$IMAGE"
}

pull() {
    ctr images ls -q | while read -r name; do ctr images rm --sync "$name"; done
    equal 'content left' "none$(ctr content ls -q)" none
    with_user pull "$REGISTRY/$1"
    equal 'sha256 of the manifest' "sha256:$(ctr content get "$IMAGE" | sha)" "$IMAGE"
    contains 'check of the content' "$(ctr images check "name==$REGISTRY/$1")" complete
}
