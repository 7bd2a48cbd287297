#!/usr/bin/env bash
# Who may log in, pull and push by a real client, and who is refused, against a running server with the accounts of .ci/accounts:
#   REGISTRY=host:port [REGISTRY_CA=ca.crt] ACCOUNTS=file bash .ci/logins/login.sh CLIENT
# CLIENT is a file beside this one. It defines, for the image in the layout $CI_TMP/layout (its configuration has the digest in
# $CI_TMP/config.digest) and a REPOSITORY:TAG on $REGISTRY:
#   log_in USER PASSWORD  succeeds when the client takes them for right. LOGIN_ASKS=no where it keeps them without asking the server.
#   push NAME             pushes the image
#   pull NAME             removes what the client has of it, pulls, and compares with the image that was pushed
# REFUSED_ALSO is what the client may say beside the usual words when it is refused.
#
# Every refusal here has a check beside it in which the same command succeeds for who may; and what the server holds is asked of its API.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../accounts.sh"
client "$1"
CI_NAME="$1 login over $SCHEME"
CI_KEEP_GOING=yes # one reading shows everything that is not as it should be
. "${ACCOUNTS:?the file that .ci/accounts makes}"
HTTP_USER=$ADMIN:$ADMIN_PASSWORD
LOGIN_ASKS=yes REFUSED_ALSO=denied

TEAM=team/$SPACE        # the writer's and the reader's prefix
ELSEWHERE=private/$SPACE # nobody's but the administrator's
PUBLIC=public/$SPACE

# small_layout DIR: an OCI layout of an image with one random layer, tagged v1.
small_layout() {
    local dir=$1 layer config image
    mkdir -p "$dir/blobs/sha256" "$dir.files"
    head -c 100000 /dev/urandom >"$dir.files/random.bin"
    tar -C "$dir.files" -cf "$dir.layer" random.bin
    layer=$(sha "$dir.layer")
    printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["/none"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$layer" >"$dir.config"
    config=$(sha "$dir.config")
    jq -cn --arg c "sha256:$config" --arg l "sha256:$layer" --argjson cs "$(stat -c %s "$dir.config")" --argjson ls "$(stat -c %s "$dir.layer")" \
        '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $c, size: $cs},
        layers: [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $l, size: $ls}]}' >"$dir.manifest"
    image=$(sha "$dir.manifest")
    jq -cn --arg m "sha256:$image" --argjson ms "$(stat -c %s "$dir.manifest")" '{schemaVersion: 2, manifests: [{
        mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $m, size: $ms,
        annotations: {"org.opencontainers.image.ref.name": "v1"}}]}' >"$dir/index.json"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci-layout"
    cp "$dir.layer" "$dir/blobs/sha256/$layer"
    cp "$dir.config" "$dir/blobs/sha256/$config"
    cp "$dir.manifest" "$dir/blobs/sha256/$image"
    echo "sha256:$config" >"$dir/../config.digest"
}

# What is stored there is the image of the layout.
holds() { equal "configuration of $1:$2" "$(manifest "$1" "$2" | jq -r .config.digest)" "$(cat "$CI_TMP/config.digest")"; stored "$1" "$2"; }

log_out() {
    echo '{}' >"$REGISTRY_AUTH_FILE"
    rm -f "$CI_TMP/user"
}

# login USER PASSWORD: the client's log_in, from nobody; what it keeps is a secret too.
login() {
    log_out
    log_in "$1" "$2"
    [ "$LOGIN_ASKS" = no ] || [ "$(jq '.auths | length' "$REGISTRY_AUTH_FILE")" -eq 1 ] || { echo 'the client kept nothing'; return 1; }
    jq -r '.auths[]? | .auth // empty, .identitytoken // empty' "$REGISTRY_AUTH_FILE" | sed 's/.*\.//' |
        while read -r kept; do [ ${#kept} -lt 16 ] || secret "$kept"; done
}

# refused COMMAND...: it fails because of who asks, and says so; not for want of a connection or of time.
refused() {
    local code=0
    (trap - EXIT ERR; CI_LIMIT=60 "$@") >"$CI_TMP/refused" 2>&1 &
    wait $! || code=$?
    [ "$code" -ne 0 ] || { echo "succeeded, but had to be refused: $*"; return 1; }
    [ "$code" -ne 124 ] || { echo "ran out of time: $*"; return 1; }
    if grep -Eqi '\b(denied|unauthorized|authentication required|forbidden|insufficient.scope|authorization failed|invalid username/password|40[13])\b|'"$REFUSED_ALSO" \
        "$CI_TMP/refused"; then return 0; fi
    echo "$* failed, but not because of who asked:"
    cat "$CI_TMP/refused"
    return 1
}

# keep USER PASSWORD: as if the client had logged in with them, without asking anybody.
keep() {
    jq -n --arg registry "$REGISTRY" --arg auth "$(printf '%s:%s' "$1" "$2" | base64 -w 0)" '{auths: {($registry): {auth: $auth}}}' >"$REGISTRY_AUTH_FILE"
    printf '%s:%s' "$1" "$2" >"$CI_TMP/user"
}

# no_login USER PASSWORD: refused where the client asks, and where it does not, or did before, they are of no use.
no_login() {
    log_out
    [ "$LOGIN_ASKS" = no ] || refused log_in "$1" "$2"
    keep "$1" "$2"
    refused pull "$TEAM:v1"
}

administrator() {
    absent "$ELSEWHERE"
    login "$ADMIN" "$ADMIN_PASSWORD"
    push "$ELSEWHERE:v1"
    holds "$ELSEWHERE" v1
    pull "$ELSEWHERE:v1"
}

writer() {
    absent "$TEAM"
    login "$WRITER" "$WRITER_PASSWORD"
    push "$TEAM:v1"
    holds "$TEAM" v1
    pull "$TEAM:v1"
}

# The repository beside the administrator's, which has the same blobs, and that one itself.
writer_elsewhere() {
    login "$WRITER" "$WRITER_PASSWORD"
    refused push "$ELSEWHERE-other:v1"
    absent "$ELSEWHERE-other"
    refused push "$ELSEWHERE:v2"
    refused pull "$ELSEWHERE:v1"
    equal 'tags there' "$(tags_of "$ELSEWHERE")" v1
    no_upload "$ELSEWHERE"
    push "$TEAM:again"
    equal 'tags of its own' "$(tags_of "$TEAM")" 'again v1'
}

reader() {
    login "$READER" "$READER_PASSWORD"
    pull "$TEAM:v1"
    refused push "$TEAM:reader"
    refused push "$TEAM/below:v1"
    equal 'tags' "$(tags_of "$TEAM")" 'again v1'
    no_upload "$TEAM"
    absent "$TEAM/below"
}

stranger() {
    login "$STRANGER" "$STRANGER_PASSWORD"
    refused pull "$TEAM:v1"
    refused pull "$ELSEWHERE:v1"
    refused pull "$ELSEWHERE-absent:v1"
    refused push "$TEAM:stranger"
    refused push "$SPACE:v1"
    equal 'tags' "$(tags_of "$TEAM")" 'again v1'
    absent "$SPACE"
}

nobody() {
    log_out
    refused pull "$TEAM:v1"
    refused pull "$ELSEWHERE-absent:v1"
    refused push "$TEAM:nobody"
    equal 'tags' "$(tags_of "$TEAM")" 'again v1'
}

public() {
    absent "$PUBLIC"
    log_out
    refused push "$PUBLIC:v1"
    absent "$PUBLIC"
    login "$ADMIN" "$ADMIN_PASSWORD"
    push "$PUBLIC:v1"
    holds "$PUBLIC" v1
    log_out
    pull "$PUBLIC:v1"
    refused push "$PUBLIC:nobody"
    equal 'tags' "$(tags_of "$PUBLIC")" v1
}

# A client may ask four times for each refusal, and after ten a name at an address is not let in for a while: not all by one name.
wrong_password() {
    no_login "$WRITER" "$READER_PASSWORD"
    no_login "$READER" "${READER_PASSWORD%?}"
    no_login nobody.of.this.name "$WRITER_PASSWORD"
    keep "$WRITER" "$WRITER_PASSWORD"
    pull "$TEAM:v1"
    keep "$READER" "$READER_PASSWORD"
    pull "$TEAM:v1"
}

# A key is the password of its owner, of itself, and of `token`.
key_names() {
    local user tags='again v1'
    for user in "$WRITER" "$KEY_NAME" token; do
        login "$user" "$KEY"
        pull "$TEAM:v1"
        push "$TEAM:key-${user%%[@.]*}"
        tags+=" key-${user%%[@.]*}"
        refused push "$ELSEWHERE:key"
    done
    equal 'tags' "$(tags_of "$TEAM" | tr ' ' '\n' | sort)" "$(tr ' ' '\n' <<<"$tags" | sort)"
    equal 'tags elsewhere' "$(tags_of "$ELSEWHERE")" v1
    no_login "$STRANGER" "$KEY"
}

robot() {
    login "$ROBOT_NAME" "$ROBOT"
    push "$TEAM/robot:v1"
    holds "$TEAM/robot" v1
    pull "$TEAM/robot:v1"
    refused push "$ELSEWHERE:robot"
    equal 'tags elsewhere' "$(tags_of "$ELSEWHERE")" v1
}

# Of a key that was revoked before, and of one that is while the client is logged in with it.
revoked() {
    local file=$CI_TMP/late.key
    no_login token "$REVOKED"
    make_key "$file" "late-$SPACE" --owner "$WRITER"
    login "late-$SPACE" "$(jq -r .secret "$file")"
    pull "$TEAM:v1"
    revoke_key "$file"
    refused pull "$TEAM:v1"
    refused push "$TEAM:revoked"
    no_login "$WRITER" "$(jq -r .secret "$file")"
    lacks 'tags' "$(tags_of "$TEAM")" revoked
}

small_layout "$CI_TMP/layout"
. "$CI_DIR/logins/$1.sh"
check 'the administrator pushes and pulls anywhere' administrator
check 'a writer on a prefix pushes and pulls there' writer
check 'and is refused elsewhere' writer_elsewhere
check 'a reader pulls, and is refused to push' reader
check 'a user without rights is refused, whether or not the name exists' stranger
check 'nobody is refused what is private, whether or not it exists' nobody
check 'what is public is pulled without a login, and not pushed' public
check 'a wrong password or user is refused, the right one is not' wrong_password
check 'a key is a password for its owner, its own name and token' key_names
check 'a robot has the rights of its scopes' robot
check 'a revoked key is refused, at once' revoked
log_out
client_end
[ "$CI_FAILED" -eq 0 ]
