# What the scripts share that need a server with accounts; sourced after lib.sh, never run. Owns: the start of such a server, the accounts
# made on it through the command line, requests as one of them, and the proof that no secret is in what the server wrote.
#
# Environment, all optional:
#   CI_SECRETS   a file of secrets that were used, one a line, for no_secret_in; default: one of this script

ADMIN=floundr_admin
export CI_SECRETS=${CI_SECRETS:-$CI_TMP/secrets}
touch "$CI_SECRETS"

# secret TEXT...: what may be nowhere in what the server writes.
secret() { printf '%s\n' "$@" >>"$CI_SECRETS"; }

# new_password: a new one, with what is special in URLs, forms and basic authentication. What is looked for is its middle, which has one
# form in all of them, and nothing else does.
new_password() {
    local middle
    middle=$(openssl rand -hex 12)
    secret "$middle"
    printf 'p:%%2B%s+&=x' "$middle"
}

# start_accounts NAME [OPTION...]: start_server with accounts. Sets ADMIN_PASSWORD. The scripts' own requests are the administrator's
# from here on.
start_accounts() {
    ADMIN_PASSWORD=$(new_password)
    FLOUNDR_ADMIN_PASSWORD=$ADMIN_PASSWORD start_floundr "$@"
    HTTP_USER=$ADMIN:$ADMIN_PASSWORD
}

# floundr COMMAND...: the command line beside the running server, as JSON.
floundr() { bounded "$FLOUNDR" "$@" --json --home-dir "$SERVER_HOME"; }

# make_user NAME PASSWORD
make_user() { floundr user create "$1" --password-stdin <<<"$2"; }

# make_grant USER ROLE PATTERN
make_grant() { floundr grant add "$2" "$3" --user "$1"; }

# make_public PATTERN
make_public() { floundr rule set "$1" --public; }

# make_key FILE NAME OPTION...: a key, whose answer is left in FILE: .id, .secret, and what it may do.
make_key() {
    local file=$1 name=$2
    shift 2
    floundr key create "$name" "$@" >"$file"
    secret "$(jq -er .secret "$file" | cut -d_ -f3)"
}

# revoke_key FILE
revoke_key() { floundr key revoke "$(jq -er .id "$1")" --yes; }

# token USER:PASSWORD SCOPE: a token for SCOPE, remembered as a secret. The last part of one is enough to look for.
token() {
    local text
    text=$(HTTP_USER=$1 http -f -G "$SCHEME://$REGISTRY/auth/token" --data-urlencode service=floundr --data-urlencode "scope=$2" | jq -er .token)
    secret "${text##*.}"
    echo "$text"
}

# whoami USER:PASSWORD: what the server takes that for.
whoami() { HTTP_USER=$1 http -f "$SCHEME://$REGISTRY/api/v1/whoami"; }

# absent REPO: no such repository, and no upload to it that rests.
absent() {
    answers 404 GET "/v2/$1/tags/list"
    no_upload "$1"
}

# no_upload REPO
no_upload() {
    equal "uploads to $1" "$(http -f "$SCHEME://$REGISTRY/api/v1/uploads?n=1000" | jq --arg name "$1" '[.items[] | select(.repository == $name)] | length')" 0
}

# tags_of REPO: its tags, in one line.
tags_of() { http -f "$SCHEME://$REGISTRY/v2/$1/tags/list" | jq -r '.tags | sort | join(" ")'; }

# metric NAME: the sum of its series.
metric() {
    http -f "$SCHEME://$REGISTRY/metrics" |
        awk -v name="$1" '$1 == name || index($1, name "{") == 1 { total += $2; found = 1 } END { if (!found) exit 1; print total }'
}

# no_secret_in LEAST FILE...: none of the secrets is in any of the files; there are at least LEAST, and looking for them finds them.
no_secret_in() {
    local least=$1 file found
    shift
    sort -u "$CI_SECRETS" >"$CI_TMP/wanted"
    awk 'length($0) < 16 { exit 1 }' "$CI_TMP/wanted" || { echo 'a secret is so short that it would be found by chance'; return 1; }
    [ "$(wc -l <"$CI_TMP/wanted")" -ge "$least" ] || { echo "only $(wc -l <"$CI_TMP/wanted") secrets were used"; return 1; }
    for file in "$@"; do [ -s "$file" ] || { echo "$file is empty"; return 1; }; done
    tail -n 1 "$CI_TMP/wanted" >"$CI_TMP/control"
    found=$(grep -laFf "$CI_TMP/wanted" "$CI_TMP/control" "$@" || [ $? -eq 1 ])
    equal 'files with a secret in them, and the one made so' "$found" "$CI_TMP/control"
}

# wrote_no_secret LEAST [FILE...]: no secret is in the log, the metrics, any FILE, or any file below the server's home, but for the one
# whose purpose is the password that was made at the first start. What the secrets are looked for in goes to $CI_TMP/figure. Large blobs,
# which the scripts made themselves, are left out.
wrote_no_secret() {
    local least=$1 files
    shift
    http -f "$SCHEME://$REGISTRY/metrics" >"$CI_TMP/metrics"
    mapfile -t files < <(find "$SERVER_HOME" -xdev -type f -size +0 -size -64M ! -name floundr.yml)
    no_secret_in "$least" "$SERVER_LOG" "$CI_TMP/metrics" "$@" "${files[@]}"
    echo "$(wc -l <"$CI_TMP/wanted") secrets, looked for in $((${#files[@]} + $# + 2)) files" >"$CI_TMP/figure"
}
