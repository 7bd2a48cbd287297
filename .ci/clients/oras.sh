#!/usr/bin/env bash
# oras against a running registry:
#   REGISTRY=host:port [REGISTRY_CA=ca.crt] bash .ci/clients/oras.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
client oras
need "$CI_BIN/oras"

if [ "$SCHEME" = https ]; then
    ORAS=(--plain-http=false --ca-file "$REGISTRY_CA")
    COPY=(--from-plain-http=false --from-ca-file "$REGISTRY_CA" --to-plain-http=false --to-ca-file "$REGISTRY_CA")
else
    ORAS=(--plain-http)
    COPY=(--from-plain-http --to-plain-http)
fi
# oras COMMAND...: `oras manifest fetch` and the like are two words, then the connection's options.
oras() { bounded "$CI_BIN/oras" "$@" "${ORAS[@]}"; }

HERE=$REGISTRY/$SPACE/art
cd "$CI_TMP"
head -c 20000000 /dev/urandom >big.bin
echo 'a small file' >small.txt
echo '{"name": "bill of materials"}' >sbom.json
echo 'a signature' >signature.txt

push() {
    oras push "$HERE:v1" --artifact-type application/vnd.floundr.test big.bin:application/octet-stream small.txt:text/plain \
        --annotation org.floundr.test=yes
    stored "$SPACE/art" v1 "$(oras resolve "$HERE:v1")"
    manifest "$SPACE/art" v1 >pushed.json
    equal artifactType "$(jq -r .artifactType pushed.json)" application/vnd.floundr.test
    equal 'layer types' "$(jq -r '[.layers[].mediaType] | join(" ")' pushed.json)" 'application/octet-stream text/plain'
    equal annotation "$(jq -r '.annotations["org.floundr.test"]' pushed.json)" yes
}
check 'push of an artifact' push
DIGEST=$(oras resolve "$HERE:v1")

pull() {
    oras pull "$HERE:v1" -o pulled
    same_bytes pulled/big.bin big.bin
    same_bytes pulled/small.txt small.txt
}
check 'pull: same bytes' pull

push_again() { contains 'the second push' "$(oras push "$HERE:v2" big.bin:application/octet-stream)" 'Exists'; }
check 'push again: the blob exists' push_again

manifest_fetch() {
    oras manifest fetch "$HERE:v1" >fetched.json
    equal 'sha256 of the manifest' "sha256:$(sha fetched.json)" "$DIGEST"
    equal descriptor "$(oras manifest fetch --descriptor "$HERE:v1" | jq -r '.digest, .size' | tr '\n' ' ')" "$DIGEST $(stat -c %s fetched.json) "
}
check 'manifest fetch' manifest_fetch

attach() {
    oras attach --artifact-type application/vnd.floundr.sbom "$HERE:v1" sbom.json:application/json
    oras attach --artifact-type application/vnd.floundr.signature "$HERE@$DIGEST" signature.txt:text/plain
    oras discover --format json "$HERE:v1" >discovered.json
    equal 'referrers found' "$(jq -r '[(.referrers // .manifests)[].artifactType] | sort | join(" ")' discovered.json)" \
        'application/vnd.floundr.sbom application/vnd.floundr.signature'
}
check 'attach two artifacts, discover them' attach

referrers() {
    local found
    http -f "$SCHEME://$REGISTRY/v2/$SPACE/art/referrers/$DIGEST" >referrers.json
    equal 'referrers' "$(jq '.manifests | length' referrers.json)" 2
    http -f -D headers "$SCHEME://$REGISTRY/v2/$SPACE/art/referrers/$DIGEST?artifactType=application/vnd.floundr.sbom" >filtered.json
    equal 'filtered' "$(jq -r '[.manifests[].artifactType] | join(" ")' filtered.json)" application/vnd.floundr.sbom
    contains 'headers of the filtered list' "$(tr '[:upper:]' '[:lower:]' <headers)" 'oci-filters-applied: artifacttype'
    found=$(jq -r '.manifests[0].digest' filtered.json)
    stored "$SPACE/art" "$found" "$found"
    equal 'subject' "$(manifest "$SPACE/art" "$found" | jq -r .subject.digest)" "$DIGEST"
    equal 'tags: no fallback tag was needed' "$(oras repo tags "$HERE" | tr '\n' ' ')" 'v1 v2 '
}
check 'the referrers list, whole and filtered' referrers

discover_filtered() {
    oras discover --format json --artifact-type application/vnd.floundr.sbom "$HERE:v1" >discovered.json
    equal 'referrers found' "$(jq -r '[(.referrers // .manifests)[].artifactType] | join(" ")' discovered.json)" application/vnd.floundr.sbom
    oras pull "$HERE@$(jq -r '(.referrers // .manifests)[0].digest' discovered.json)" -o pulled-sbom
    same_bytes pulled-sbom/sbom.json sbom.json
}
check 'discover by type, and pull what was found' discover_filtered

blobs() {
    local digest
    digest=sha256:$(sha big.bin)
    oras blob push "$REGISTRY/$SPACE/blobs@$digest" big.bin
    oras blob fetch "$REGISTRY/$SPACE/blobs@$digest" --output fetched.bin
    same_bytes fetched.bin big.bin
    equal 'size in the descriptor' "$(oras blob fetch --descriptor "$REGISTRY/$SPACE/blobs@$digest" | jq .size)" 20000000
    oras blob delete --force "$REGISTRY/$SPACE/blobs@$digest"
    answers 404 HEAD "/v2/$SPACE/blobs/blobs/$digest"
    oras blob fetch "$HERE@$digest" --output fetched-again.bin
    same_bytes fetched-again.bin big.bin
}
check 'blob push, fetch, delete' blobs

copy() {
    bounded "$CI_BIN/oras" cp -r "${COPY[@]}" "$HERE:v1" "$REGISTRY/$SPACE/copy:v1"
    stored "$SPACE/copy" v1 "$DIGEST"
    oras discover --format json "$REGISTRY/$SPACE/copy:v1" >discovered.json
    equal 'referrers copied' "$(jq -r '[(.referrers // .manifests)[].digest] | sort | join(" ")' discovered.json)" \
        "$(jq -r '[.manifests[].digest] | sort | join(" ")' referrers.json)"
}
check 'cp -r takes the referrers along' copy

layout() {
    bounded "$CI_BIN/oras" cp -r "${COPY[@]:0:${#COPY[@]}/2}" "$HERE:v1" --to-oci-layout layout:v1
    bounded "$CI_BIN/oras" cp -r "${COPY[@]:${#COPY[@]}/2}" --from-oci-layout layout:v1 "$REGISTRY/$SPACE/back:v1"
    stored "$SPACE/back" v1 "$DIGEST"
    equal 'referrers' "$(http -f "$SCHEME://$REGISTRY/v2/$SPACE/back/referrers/$DIGEST" | jq '.manifests | length')" 2
}
check 'cp to an OCI layout and back' layout

index() {
    oras manifest index create "$HERE:index" v1 v2
    stored "$SPACE/art" index
    equal 'children' "$(manifest "$SPACE/art" index | jq '.manifests | length')" 2
}
check 'manifest index create' index

tags() {
    oras tag "$HERE:v1" stable newest
    equal 'tags' "$(oras repo tags "$HERE" | tr '\n' ' ')" 'index newest stable v1 v2 '
    equal 'digest of stable' "$(oras resolve "$HERE:stable")" "$DIGEST"
    equal 'repositories' "$(oras repo ls "$REGISTRY" | sed -n "s|^$SPACE/||p" | grep -vx blobs | tr '\n' ' ')" 'art back copy '
}
check 'tag, repo tags, repo ls' tags

delete() {
    local referrer
    referrer=$(jq -r '.manifests[0].digest' filtered.json)
    oras manifest delete --force "$HERE@$referrer"
    gone "$SPACE/art" "$referrer"
    equal 'referrers left' "$(http -f "$SCHEME://$REGISTRY/v2/$SPACE/art/referrers/$DIGEST" | jq -r '[.manifests[].artifactType] | join(" ")')" \
        application/vnd.floundr.signature
    oras manifest delete --force "$HERE@$DIGEST"
    gone "$SPACE/art" "$DIGEST"
    gone "$SPACE/art" stable
    fails_with 'not found' oras manifest fetch "$HERE:v1"
    stored "$SPACE/copy" v1 "$DIGEST"
}
check 'delete of a referrer and of the subject' delete

client_end
