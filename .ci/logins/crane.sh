# crane, for login.sh.
need "$CI_BIN/crane"
LOGIN_ASKS=no
crane() { bounded "$CI_BIN/crane" "$@"; }

log_in() { printf %s "$2" | crane auth login "$REGISTRY" -u "$1" --password-stdin; }
push() { crane push "$CI_TMP/layout" "$REGISTRY/$1"; }

pull() {
    rm -rf "$CI_TMP/pulled"
    crane pull --format=oci "$REGISTRY/$1" "$CI_TMP/pulled"
    equal 'digests pulled' "$(cd "$CI_TMP/pulled/blobs/sha256" && sha256sum -- * | sort)" "$(cd "$CI_TMP/layout/blobs/sha256" && sha256sum -- * | sort)"
}
