#!/usr/bin/env bash
# Lets tools that nobody here wrote meet the exporter's own port: curl, openssl s_client, and a real
# Prometheus that scrapes over TLS with a client certificate and a password, while certificates are replaced
# and six hundred slow clients crowd the port. Under a minute, and nothing but loopback.
#
# Needs prometheus, promtool, curl, openssl and python3.
#
#   scripts/e2e-web.sh [BINARY]      builds the debug binary itself where none is given
set -euo pipefail
cd "$(dirname "$0")/.."

if (($# > 0)); then
    binary=$(realpath "$1")
else
    cargo build --quiet --locked
    binary=$(realpath "${CARGO_TARGET_DIR:-target}/debug/hex-token-exporter")
fi
export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
ulimit -n 4096 2>/dev/null || true

folder=$(mktemp -d)
started=()
passed=0
over=

clean_up() {
    local code=$?
    if [[ -z $over ]]; then
        tail -n 20 "$folder"/*.log >&2 || true
        printf 'FAILED\n' >&2
        ((code != 0)) || code=1
    fi
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
    exit "$code"
}
trap clean_up EXIT

pass() {
    passed=$((passed + 1))
    printf 'ok  %s\n' "$1"
}

# is WHAT FOUND WANTED
is() {
    [[ $2 == "$3" ]] || { printf '%s: found "%s", not "%s"\n' "$1" "$2" "$3" >&2; exit 1; }
    pass "$1"
}

# until_so WHAT COMMAND...: looks until it is so, for 30 seconds.
until_so() {
    local what=$1 deadline=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || { printf '%s: not within 30s\n' "$what" >&2; exit 1; }
        sleep 0.2
    done
    pass "$what"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -keyout "$folder/$1.key" -out "$folder/$1.pem" 2>/dev/null
}

signed() { # NAME AUTHORITY NAMES PURPOSE
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$folder/$1.key.new" -out "$folder/$1.csr" 2>/dev/null
    openssl x509 -req -in "$folder/$1.csr" -CA "$folder/$2.pem" -CAkey "$folder/$2.key" -days 2 \
        -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=%s\n' "$3" "$4") \
        -out "$folder/$1.pem.new" 2>/dev/null
    mv "$folder/$1.key.new" "$folder/$1.key"
    mv "$folder/$1.pem.new" "$folder/$1.pem"
}

authority ca
authority strangers
signed server ca DNS:localhost,IP:127.0.0.1 serverAuth
signed prometheus ca DNS:prometheus.test clientAuth
signed other ca DNS:other.test clientAuth
signed stranger strangers DNS:prometheus.test clientAuth

password='correct horse battery staple'
cat >"$folder/web.yml" <<'YAML'
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [prometheus.test]
  min_version: TLS12
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]
  curve_preferences: [X25519, CurveP256]
http_server_config:
  http2: true
  headers:
    X-Frame-Options: deny
basic_auth_users:
  prometheus: $2y$10$abcdefghijklmnopqrstuuGGgFFcYeueaAql8Z7U7CnCTRw4DR77W
YAML
# The promtool of Debian 12 is older than this one key.
grep -v client_allowed_sans "$folder/web.yml" >"$folder/web-of-2022.yml"
promtool check web-config "$folder/web-of-2022.yml" >"$folder/promtool.log" 2>&1
pass 'promtool takes the file too: it is of the common format'

port=$(free_port)
health=$(free_port)
console=$(free_port)
printf 'no-real-token' >"$folder/token"
cat >"$folder/config.yml" <<YAML
workspaces: {nowhere: {url: 'http://127.0.0.1:9'}}
tokens: {airflow: {credentials_file: token}}
YAML
cat >"$folder/prometheus.yml" <<YAML
global: {scrape_interval: 2s, scrape_timeout: 2s}
scrape_configs:
  - job_name: exporter
    scheme: https
    tls_config: {ca_file: ca.pem, cert_file: prometheus.pem, key_file: prometheus.key, server_name: localhost}
    basic_auth: {username: prometheus, password: '$password'}
    static_configs: [{targets: ['127.0.0.1:$port']}]
YAML
chmod 600 "$folder"/*

"$binary" run --config.file "$folder/config.yml" --web.config.file "$folder/web.yml" \
    --web.listen-address "127.0.0.1:$port" --web.health-address "127.0.0.1:$health" >"$folder/exporter.log" 2>&1 &
exporter=$!
started+=("$exporter")
prometheus --log.level=warn --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/tsdb" \
    --web.listen-address="127.0.0.1:$console" >"$folder/prometheus.log" 2>&1 &
started+=("$!")

url=https://localhost:$port
ask() { curl --silent --max-time 10 --cacert "$folder/ca.pem" "$@"; }
mine=(--cert "$folder/prometheus.pem" --key "$folder/prometheus.key")
known=("${mine[@]}" --user "prometheus:$password")
status() { ask --output /dev/null --write-out '%{http_code}' "$@" || true; }
is_healthy() { [[ $(curl --silent --max-time 5 "http://127.0.0.1:$health/-/healthy") == healthy ]]; }

until_so 'health is told in plain HTTP at an address of its own' is_healthy
is 'a certificate and a password open the door' "$(status "${known[@]}" "$url/metrics")" 200
is 'HTTP/2 is spoken' "$(ask --output /dev/null --write-out '%{http_version}' "${known[@]}" "$url/metrics")" 2
is 'and HTTP/1.1' "$(ask --http1.1 --output /dev/null --write-out '%{http_version}' "${known[@]}" "$url/")" 1.1
is 'a configured header is set' \
    "$(ask --head "${known[@]}" "$url/" | tr -d '\r' | grep -i '^x-frame-options')" 'x-frame-options: deny'
is 'no password: 401' "$(status "${mine[@]}" "$url/metrics")" 401
is 'a wrong password: 401' "$(status "${mine[@]}" --user prometheus:wrong "$url/metrics")" 401
is 'an unknown user: 401' "$(status "${mine[@]}" --user "nobody:$password" "$url/metrics")" 401
is 'health on this port needs a password too' "$(status "${mine[@]}" "$url/-/healthy")" 401
is 'no certificate: no connection' "$(status --user "prometheus:$password" "$url/metrics")" 000
for name in stranger other; do
    is "the certificate of $name: no connection" "$(status --cert "$folder/$name.pem" --key "$folder/$name.key" \
        --user "prometheus:$password" "$url/metrics")" 000
done
is 'http where https is served is told so' "$(status "http://localhost:$port/metrics")" 400

# The first frames of HTTP/2 may come with what is said of the handshake.
shake() { # OPTIONS...
    openssl s_client -connect "localhost:$port" -servername localhost -CAfile "$folder/ca.pem" \
        -cert "$folder/prometheus.pem" -key "$folder/prometheus.key" -alpn h2,http/1.1 "$@" </dev/null 2>&1 | tr -cd '\n[:print:]' || true
}
serial() { shake | openssl x509 -noout -serial; }
for version in 1_2:TLSv1.2 1_3:TLSv1.3; do
    is "openssl shakes hands in ${version#*:}" \
        "$(shake -tls"${version%:*}" | grep -Eo "Verify return code: 0|New, ${version#*:}|ALPN protocol: h2" | sort -u | wc -l)" 3
done
is 'and not in TLS 1.1' "$(shake -tls1_1 -cipher 'DEFAULT@SECLEVEL=0' | grep -c 'Cipher is (NONE)')" 1
is 'nor with a suite that is not listed' \
    "$(shake -tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305 | grep -c 'Cipher is (NONE)')" 1

query() { curl --silent --max-time 5 --data-urlencode "query=$1" "http://127.0.0.1:$console/api/v1/query"; }
holds() { [[ $(query "$1") == *'"value":['*',"1"]'* ]]; }
until_so 'Prometheus scrapes it' holds 'up{job="exporter"}'
until_so 'and sees the token' holds 'hex_token_state{token="airflow",state="unknown"}'

before=$(serial)
signed server ca DNS:localhost,IP:127.0.0.1 serverAuth
kill -HUP "$exporter"
changed() { [[ $(serial) != "$before" ]]; }
until_so 'a new certificate is served after SIGHUP' changed
cp "$folder/web.yml" "$folder/web.yml.good"
printf 'basic_auth_users: {prometheus: a-password-and-no-hash}\n' >"$folder/web.yml"
kill -HUP "$exporter"
until_so 'a bad file is told of' grep -q 'web configuration not reloaded.*is no bcrypt hash' "$folder/exporter.log"
is 'without its value' "$(grep -c 'a-password-and-no-hash' "$folder/exporter.log" || true)" 0
is 'and the old one stays' "$(status "${known[@]}" "$url/metrics") $(status "${mine[@]}" "$url/metrics")" '200 401'
cp "$folder/web.yml.good" "$folder/web.yml"

python3 - "$port" >"$folder/crowd.log" 2>&1 <<'PY' &
import socket, sys, time
crowd = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(600)]
print("crowded", flush=True)
while True:
    for place, one in enumerate(crowd):
        try:
            one.send(b"\x16\x03\x01\x02\x00\x01"[:1])
        except OSError:
            try:
                crowd[place] = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
            except OSError:
                pass
    time.sleep(0.5)
PY
started+=("$!")
until_so 'six hundred slow clients crowd the port' grep -q crowded "$folder/crowd.log"
for round in 1 2 3 4 5; do
    is "a scrape is answered all the same ($round)" "$(status "${known[@]}" "$url/metrics")" 200
done
is_healthy
pass 'and health is told'
is 'Prometheus has missed no scrape' \
    "$(query 'min_over_time(up{job="exporter"}[20s])' | grep -o '"value":.*' | grep -o '"[01]"')" '"1"'

kill "$exporter"
code=0
wait "$exporter" || code=$?
is 'it ends well when told to' "$code" 0
over=yes
printf '%d checks passed\n' "$passed"
