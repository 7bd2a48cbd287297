# skopeo, for login.sh.
need skopeo
containers_connect
skopeo() { bounded skopeo "$@"; }

log_in() { printf %s "$2" | skopeo login "${CONNECT[@]}" -u "$1" --password-stdin "$REGISTRY"; }
push() { skopeo copy "${TO[@]}" "oci:$CI_TMP/layout:v1" "docker://$REGISTRY/$1"; }

pull() {
    rm -rf "$CI_TMP/pulled"
    skopeo copy "${FROM[@]}" "docker://$REGISTRY/$1" "dir:$CI_TMP/pulled"
    equal configuration "$(jq -r .config.digest "$CI_TMP/pulled/manifest.json")" "$(cat "$CI_TMP/config.digest")"
    jq -r '.config.digest, .layers[].digest' "$CI_TMP/pulled/manifest.json" | while IFS=: read -r _ hash; do
        equal "file $hash" "$(sha "$CI_TMP/pulled/$hash")" "$hash"
    done
}
