# Shared by every script in .ci; sourced, never run. Owns: the temporary directory, everything
# started in the background and its end, the check lines, floundr's start and stop, and the
# requests the scripts make themselves.
#
# Rules every script here keeps:
#   1. A check compares values that came back with values known before; nothing follows it with `|| true`.
#   2. Nothing waits without a bound, and everything listens on loopback.
#   3. Whatever was started is ended by its process id, and whatever was mounted or written under
#      $CI_TMP is gone, however the script ends.
#   4. One line per check; a check's output is shown only when it fails.
#
# Environment, all optional:
#   FLOUNDR      the server binary; default: release build in the target directory
#   CI_BIN       where .ci/install puts conformance, crane and oras
#   CI_TOOLS     where it puts cargo-deny, cargo-fuzz and typos (in bin/) and schemathesis (in python/)
#   CI_TALLY     a file that gets one line per check, for the sum at the end of .ci/run
#   REGISTRY     host:port of the registry that the client scripts talk to
#   REGISTRY_CA  its certificate authority; set means TLS, unset means plain HTTP
#   HTTP_USER    name:password that the scripts' own requests carry; unset or empty means none

CI_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CI_ROOT=$(dirname "$CI_DIR")
CI_TARGET=${CARGO_TARGET_DIR:-$CI_ROOT/target}
CI_BIN=${CI_BIN:-$CI_TARGET/ci-bin}
CI_TOOLS=${CI_TOOLS:-$CI_TARGET/ci-tools}
FLOUNDR=${FLOUNDR:-$CI_TARGET/release/floundr}
CI_PIDS=()   # started in the background, in order of start
CI_CHECK=    # the check that runs now
CI_NAME=ci   # what check lines begin with
CI_CHECKS=0  # checks that held in this script
SERVER_AS=() # the command that starts the server, when it is not started directly
CI_FAILED=0  # checks that did not, where the script goes on after one (CI_KEEP_GOING)
CI_KEEP_GOING=

command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
# Debian keeps some of the tools out of an ordinary PATH; its own docker is named by full path below.
PATH=$PATH:/usr/sbin:/sbin
exec </dev/null

# === the temporary directory and the end ===

CI_TMP=$(mktemp -d "${TMPDIR:-/tmp}/floundr-ci.XXXXXX")

# The clients' configuration and login files: empty, ours, and there (buildah refuses a missing one).
mkdir -p "$CI_TMP/docker-config"
echo '{}' >"$CI_TMP/docker-config/config.json"
export DOCKER_CONFIG=$CI_TMP/docker-config REGISTRY_AUTH_FILE=$CI_TMP/docker-config/config.json

alive() { kill -0 "$1" 2>/dev/null; }

# Ends PID: TERM, up to 15 seconds, then KILL. Returns the process's own exit status.
end_process() {
    local pid=$1 code=0 tries
    kill -TERM "$pid" 2>/dev/null || return 0
    for ((tries = 0; tries < 150; tries++)); do
        alive "$pid" || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null && echo "process $pid did not stop within 15 s of TERM" >&2
    wait "$pid" 2>/dev/null || code=$?
    return "$code"
}

# Shims and containers that outlived their parent: only processes whose command line names $CI_TMP.
end_leftovers() {
    local dir pid
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
        if tr '\0' ' ' 2>/dev/null <"$dir/cmdline" | grep -qF "$CI_TMP/"; then
            kill -KILL "$pid" 2>/dev/null || continue
        fi
    done
}

unmount_all() {
    local point
    awk -v root="$CI_TMP/" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r point; do umount "$point" 2>/dev/null || umount -l "$point" || return 1; done
}

# Ends PID and everything below it, children first told.
end_tree() {
    local child
    for child in $(pgrep -P "$1"); do end_tree "$child"; done
    kill -TERM "$1" 2>/dev/null
}

finish() {
    local code=$? index
    trap - EXIT ERR
    trap '' INT TERM # a second signal must not cut this short
    set +e
    if [ -n "$CI_CHECK" ]; then
        end_tree "$CI_CHECK"
        end_process "$CI_CHECK" 2>/dev/null # a script below us cleans up after itself first
    fi
    for ((index = ${#CI_PIDS[@]} - 1; index >= 0; index--)); do end_process "${CI_PIDS[index]}" 2>/dev/null; done
    end_leftovers
    unmount_all
    rm -rf --one-file-system "$CI_TMP"
    exit "$code"
}

# A command outside a check failed: that is a failed check too, never a silent end.
unexpected() {
    echo "FAIL $CI_NAME: line $1 of ${BASH_SOURCE[1]##*/} ended with status $2: $3"
    tally FAIL
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'unexpected "$LINENO" "$?" "$BASH_COMMAND"' ERR

# === checks ===

tally() { if [ -n "${CI_TALLY:-}" ]; then echo "$1 $CI_NAME" >>"$CI_TALLY"; fi; }

# Seconds since START (an $EPOCHREALTIME), one decimal.
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }

# check TITLE COMMAND...: one line when COMMAND (a program or a function, under set -e) succeeds; its whole
# output and the end of the script (but see CI_KEEP_GOING) when it does not. Runs in the background, because in a condition bash would ignore
# set -e, and because a signal must not wait for it.
check() {
    local title=$1 log=$CI_TMP/check.log started=$EPOCHREALTIME code=0
    shift
    (trap - EXIT ERR; "$@") >"$log" 2>&1 &
    CI_CHECK=$!
    wait "$CI_CHECK" || code=$?
    CI_CHECK=
    if [ "$code" -eq 0 ]; then
        CI_CHECKS=$((CI_CHECKS + 1))
        tally ok
        printf 'ok   %s: %s (%s)\n' "$CI_NAME" "$title" "$(since "$started")"
        return 0
    fi
    tally FAIL
    printf 'FAIL %s: %s (%s)\n     %s\n' "$CI_NAME" "$title" "$(since "$started")" "$*"
    sed 's/^/     | /' "$log"
    CI_FAILED=$((CI_FAILED + 1))
    [ -z "$CI_KEEP_GOING" ] || return 0
    trap - ERR
    exit 1
}

# figure TEXT: what a check measured, below its line.
figure() { printf '     %s: %s\n' "$CI_NAME" "$*"; }

# part COMMAND...: another script, whose own lines are shown. One that fails is a failed check of this one.
part() {
    local code=0
    "$@" &
    CI_CHECK=$!
    wait "$CI_CHECK" || code=$?
    CI_CHECK=
    [ "$code" -eq 0 ] || CI_FAILED=$((CI_FAILED + 1))
}

# equal WHAT GOT WANT: an empty value is never equal to anything.
equal() {
    if [ -n "$2" ] && [ "$2" = "$3" ]; then return 0; fi
    printf '%s differs\n  got:  %s\n  want: %s\n' "$1" "$2" "$3"
    return 1
}

# contains WHAT TEXT PART
contains() {
    if [ -n "$3" ] && [[ $2 == *"$3"* ]]; then return 0; fi
    printf '%s lacks "%s":\n%s\n' "$1" "$3" "$2"
    return 1
}

lacks() {
    if [[ $2 != *"$3"* ]]; then return 0; fi
    printf '%s has "%s":\n%s\n' "$1" "$3" "$2"
    return 1
}

# fails_with PART COMMAND...: COMMAND must fail, and say PART.
fails_with() {
    local part=$1 text code=0
    shift
    text=$("$@" 2>&1) || code=$?
    [ "$code" -ne 0 ] || { echo "succeeded, but had to fail: $*"; return 1; }
    [ "$code" -ne 124 ] || { echo "ran out of time: $*"; return 1; }
    contains "the error of \"$*\"" "$text" "$part"
}

sha() { sha256sum "$@" | cut -d' ' -f1; }
same_bytes() { equal "sha256 of $1 and $2" "$(sha "$1")" "$(sha "$2")"; }

# Every client runs under a limit, so a hang is a failed check.
bounded() { timeout --kill-after=10 "${CI_LIMIT:-180}" "$@"; }

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { echo "FAIL $CI_NAME: $tool is not installed (run .ci/install)"; tally FAIL; trap - ERR; exit 1; }
    done
}

# === the server ===

# A port nothing listens on, below the range the kernel hands out by itself.
free_port() {
    local port tries
    for ((tries = 0; tries < 200; tries++)); do
        port=$((RANDOM % 12000 + 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
    done
    echo "no free port found" >&2
    return 1
}

# wait_until SECONDS COMMAND...: polls; fails at the bound.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# start_server NAME [OPTION...]: floundr on loopback with a fresh home, open to everyone. Sets SERVER_PID, SERVER_PORT, SERVER_LOG
# and SERVER_HOME. With CI_CERTS set (see make_certificates) it serves TLS too, on SERVER_TLS_PORT. With accounts: see accounts.sh.
start_server() { start_floundr "$1" --no-auth "${@:2}"; }

# start_floundr NAME OPTION...: the same with these options alone. SERVER_AS, when set, is the command it is started by.
start_floundr() {
    local name=$1 tls=() attempt
    shift
    [ -x "$FLOUNDR" ] || { echo "$FLOUNDR is not there: cargo build --release comes first"; return 1; }
    SERVER_HOME=$CI_TMP/$name.home
    for attempt in 1 2 3 4 5; do
        SERVER_PORT=$(free_port)
        SERVER_LOG=$CI_TMP/$name.$attempt.log
        if [ -n "${CI_CERTS:-}" ]; then
            SERVER_TLS_PORT=$(free_port)
            tls=(--ssl --https-port "$SERVER_TLS_PORT" --cert-path "$CI_CERTS/server.crt" --key-path "$CI_CERTS/server.key")
        fi
        "${SERVER_AS[@]}" "$FLOUNDR" serve --host 127.0.0.1 --port "$SERVER_PORT" --home-dir "$SERVER_HOME" \
            "${tls[@]}" "$@" >"$SERVER_LOG" 2>&1 &
        SERVER_PID=$!
        CI_PIDS+=("$SERVER_PID")
        if wait_until 30 server_answers && alive "$SERVER_PID"; then return 0; fi
        # A port taken between the choice and the bind ends the server; anything else ends the script.
        alive "$SERVER_PID" && break
        grep -qi 'address.*in use' "$SERVER_LOG" || break
    done
    echo "the server did not become healthy on port $SERVER_PORT; its log:"
    cat "$SERVER_LOG"
    return 1
}

server_answers() {
    alive "$SERVER_PID" || return 0
    curl -fsS --max-time 2 "http://127.0.0.1:$SERVER_PORT/health"
}

# Asks the server to stop and demands that it still ran, ends with status 0 within 15 seconds, and did not panic.
# Written to hold inside a condition too, where bash ignores set -e.
stop_server() {
    local pid=$SERVER_PID kept=() other code=0
    alive "$pid" || { echo 'the server ended by itself; its log ends:'; tail -n 50 "$SERVER_LOG"; return 1; }
    end_process "$pid" || code=$?
    for other in "${CI_PIDS[@]}"; do [ "$other" = "$pid" ] || kept+=("$other"); done
    CI_PIDS=("${kept[@]}")
    if [ "$code" -ne 0 ]; then
        echo "the server ended with status $code; its log ends:"
        tail -n 50 "$SERVER_LOG"
        return 1
    fi
    if grep -n 'panicked at' "$SERVER_LOG"; then return 1; fi
}

server_memory() { awk '/^(VmHWM|RssAnon)/ { printf "%s %d MiB  ", $1, $2 / 1024 }' "/proc/$SERVER_PID/status"; }

# An authority and a certificate for localhost, for two days. Sets CI_CERTS: ca.crt, server.crt, server.key.
make_certificates() {
    local dir=$CI_TMP/certs
    mkdir -p "$dir"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=floundr test authority' \
        -addext 'basicConstraints=critical,CA:TRUE' -keyout "$dir/ca.key" -out "$dir/ca.crt" 2>"$dir/log"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
        -keyout "$dir/server.key" -out "$dir/server.csr" 2>>"$dir/log"
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' >"$dir/ext"
    openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
        -extfile "$dir/ext" -out "$dir/server.crt" 2>>"$dir/log"
    CI_CERTS=$dir
}

# === what the client scripts share ===

# client NAME: the beginning of every client script. Sets SCHEME, and SPACE: the repositories of this run start with it,
# so a script may run again against the same registry.
client() {
    : "${REGISTRY:?host:port of a running registry}"
    SCHEME=http
    TLS_ARGS=()
    if [ -n "${REGISTRY_CA:-}" ]; then
        SCHEME=https
        TLS_ARGS=(--cacert "$REGISTRY_CA")
        # containers/image reads a directory; Go programs read this variable.
        mkdir -p "$CI_TMP/cert-dir"
        cp "$REGISTRY_CA" "$CI_TMP/cert-dir/ca.crt"
        export SSL_CERT_FILE=$REGISTRY_CA
    fi
    CI_NAME="$1 over $SCHEME"
    SPACE=$1-$SCHEME-$$
    need curl jq sha256sum timeout go
}

http() { curl -sS --max-time 120 "${TLS_ARGS[@]}" ${HTTP_USER:+-u "$HTTP_USER"} "$@"; }

ACCEPT='Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json'

# manifest REPO REF: the stored bytes.
manifest() { http -f -H "$ACCEPT" "$SCHEME://$REGISTRY/v2/$1/manifests/$2"; }

# push_small REPO TAG: the smallest image there is, in the files $CI_TMP/small.config and small.manifest.
push_small() {
    echo '{}' >"$CI_TMP/small.config"
    answers 201 POST "/v2/$1/blobs/uploads/?digest=sha256:$(sha "$CI_TMP/small.config")" -H 'Content-Type: application/octet-stream' \
        --data-binary "@$CI_TMP/small.config"
    jq -cn --arg c "sha256:$(sha "$CI_TMP/small.config")" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $c, size: 3}, layers: []}' >"$CI_TMP/small.manifest"
    answers 201 PUT "/v2/$1/manifests/$2" -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$CI_TMP/small.manifest"
}

# head_digest REPO REF: the Docker-Content-Digest of a HEAD.
head_digest() {
    http -f --head -H "$ACCEPT" "$SCHEME://$REGISTRY/v2/$1/manifests/$2" | tr -d '\r' | sed -n 's/^docker-content-digest: *//Ip'
}

# answers STATUS METHOD PATH [CURL OPTION...]: the status a request gets.
answers() {
    local want=$1 method=$2 path=$3
    shift 3
    [ "$method" != HEAD ] || set -- --head "$@"
    equal "status of $method $path" \
        "$(http -o "$CI_TMP/answer" -w '%{http_code}' -X "$method" -H "$ACCEPT" "$@" "$SCHEME://$REGISTRY$path")" "$want"
}

# stored REPO REF [DIGEST]: reads back the manifest, all it names that the registry should hold, recursively,
# and hashes each; DIGEST, when given, is what REF must resolve to.
stored() {
    local repo=$1 ref=$2 file digest child
    file=$(mktemp "$CI_TMP/manifest.XXXXXX")
    manifest "$repo" "$ref" >"$file"
    digest=$(head_digest "$repo" "$ref")
    equal "digest of $repo:$ref" "sha256:$(sha "$file")" "$digest"
    [ $# -lt 3 ] || equal "what $repo:$ref resolves to" "$digest" "$3"
    for child in $(jq -r '[.config.digest // empty, (.layers // [])[].digest] | unique[]' "$file"); do
        equal "blob $child" "sha256:$(http -f "$SCHEME://$REGISTRY/v2/$repo/blobs/$child" | sha)" "$child"
    done
    for child in $(jq -r '(.manifests // [])[].digest' "$file"); do stored "$repo" "$child" "$child"; done
}

# gone REPO REF: the manifest is 404 for GET and HEAD.
gone() {
    answers 404 GET "/v2/$1/manifests/$2"
    contains 'the error body' "$(cat "$CI_TMP/answer")" MANIFEST_UNKNOWN
    answers 404 HEAD "/v2/$1/manifests/$2"
}

# image_context DIR BYTES [ARCH]: a directory to build FROM scratch: a static program, small files, BYTES of
# random data, and the output the program must have in $DIR.expected.
image_context() {
    local dir=$1 bytes=$2 arch=${3:-amd64}
    mkdir -p "$dir/files"
    CGO_ENABLED=0 GOOS=linux GOARCH=$arch bounded go build -trimpath -ldflags='-s -w -buildid=' -o "$dir/probe" "$CI_DIR/probe/main.go"
    echo "first file, $arch" >"$dir/files/a.txt"
    head -c 70000 /dev/urandom >"$dir/files/b.bin"
    head -c "$bytes" /dev/urandom >"$dir/random.bin"
    cat >"$dir/Dockerfile" <<'END'
FROM scratch
COPY probe /probe
COPY files/ /files/
COPY random.bin /random.bin
ENTRYPOINT ["/probe"]
CMD ["/files/a.txt", "/files/b.bin", "/random.bin"]
END
    {
        echo "linux/$arch"
        (cd "$dir" && sha256sum files/a.txt files/b.bin random.bin | sed 's|  |  /|')
    } >"$dir.expected"
}

# start_dockerd: Debian's docker daemon with its containerd, everything under $CI_TMP. Sets DOCKER_HOST, CONTAINERD.
start_dockerd() {
    local dir=$CI_TMP/dockerd
    need dockerd containerd runc
    mkdir -p "$dir"
    dockerd --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" -H "unix://$dir/docker.sock" \
        --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false >"$dir/log" 2>&1 &
    CI_PIDS+=($!)
    export DOCKER_HOST=unix://$dir/docker.sock
    CONTAINERD=$dir/exec/containerd/containerd.sock
    wait_until 60 docker version || { echo "dockerd did not start; its log:"; cat "$dir/log"; return 1; }
}

docker() { bounded /usr/bin/docker "$@"; }

# containers_storage: podman's and buildah's store and state under $CI_TMP instead of the machine's own. podman takes no run
# directory longer than 50 characters, so $CI_TMP has to be short.
containers_storage() {
    local dir=$CI_TMP/containers
    mkdir -p "$dir"
    printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/graph"\nrunroot = "%s/run"\n' "$dir" "$dir" >"$dir/storage.conf"
    # The other paths follow from graphroot: setting them too hides the container from podman's own clean-up, and each run waits 20 s.
    printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nlock_type = "file"\ntmp_dir = "%s/tmp"\n' "$dir" >"$dir/containers.conf"
    export CONTAINERS_STORAGE_CONF=$dir/storage.conf CONTAINERS_CONF=$dir/containers.conf
}

# containers_connect: how skopeo, podman and buildah reach the registry. Sets CONNECT, and FROM and TO for what copies.
containers_connect() {
    if [ "$SCHEME" = https ]; then
        CONNECT=(--cert-dir "$CI_TMP/cert-dir") FROM=(--src-cert-dir "$CI_TMP/cert-dir") TO=(--dest-cert-dir "$CI_TMP/cert-dir")
    else
        CONNECT=(--tls-verify=false) FROM=(--src-tls-verify=false) TO=(--dest-tls-verify=false)
    fi
}

# containerd_connect: the same of ctr. containerd speaks plain HTTP to localhost unless a hosts file says otherwise.
containerd_connect() {
    CONNECT=(--plain-http)
    [ "$SCHEME" = https ] || return 0
    CONNECT=(--hosts-dir "$CI_TMP/hosts")
    mkdir -p "$CI_TMP/hosts/$REGISTRY"
    printf 'server = "https://%s"\n[host."https://%s"]\n  capabilities = ["pull", "resolve", "push"]\n  ca = "%s"\n' \
        "$REGISTRY" "$REGISTRY" "$REGISTRY_CA" >"$CI_TMP/hosts/$REGISTRY/hosts.toml"
}

client_end() { echo "     $CI_NAME: $CI_CHECKS checks held"; }
