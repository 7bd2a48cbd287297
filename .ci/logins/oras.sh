# oras, for login.sh.
need "$CI_BIN/oras"
if [ "$SCHEME" = https ]; then
    CONNECT=(--plain-http=false --ca-file "$REGISTRY_CA") FROM=(--from-plain-http=false --from-ca-file "$REGISTRY_CA") TO=(--to-plain-http=false --to-ca-file "$REGISTRY_CA")
else
    CONNECT=(--plain-http) FROM=(--from-plain-http) TO=(--to-plain-http)
fi
oras() { bounded "$CI_BIN/oras" "$@"; }

log_in() { printf %s "$2" | oras login "${CONNECT[@]}" -u "$1" --password-stdin "$REGISTRY"; }
push() { oras cp --from-oci-layout "${TO[@]}" "$CI_TMP/layout:v1" "$REGISTRY/$1"; }

pull() {
    rm -rf "$CI_TMP/pulled"
    oras cp "${FROM[@]}" --to-oci-layout "$REGISTRY/$1" "$CI_TMP/pulled:v1"
    equal 'digests pulled' "$(cd "$CI_TMP/pulled/blobs/sha256" && sha256sum -- * | sort)" "$(cd "$CI_TMP/layout/blobs/sha256" && sha256sum -- * | sort)"
}
