#!/usr/bin/env bash
# Shows that the alert rules and the examples of Prometheus and Alertmanager are well formed, that the rules
# keep their promises (config/prometheus/tests), and that alerts go where they should.
#
# Needs promtool and amtool on the PATH.
set -euo pipefail
cd "$(dirname "$0")/../config"

promtool check config prometheus/prometheus.yml
promtool test rules prometheus/tests/*.test.yml
amtool check-config alertmanager/alertmanager.yml

# goes RECEIVER LABEL=VALUE...
goes() {
    local receiver=$1
    shift
    local found
    found=$(amtool config routes test --config.file=alertmanager/alertmanager.yml "$@" 2>/dev/null)
    if [[ $found != "$receiver" ]]; then
        echo "goes to $found, not to $receiver: $*" >&2
        return 1
    fi
    echo "$receiver <- $*"
}

goes platform-page      alertname=HexWorkspaceDown severity=critical workspace=main
goes platform-page      alertname=HexTokenExporterDown severity=critical
goes platform-chat      alertname=HexTokenExporterReloadFailed severity=warning
goes platform-page      alertname=HexTokenRejected severity=critical token=adhoc
goes platform-page      alertname=HexTokenRejected severity=critical token=tableau token_owner=bi
goes platform-chat      alertname=HexTokenExpiresSoon severity=warning token=tableau token_owner=bi
goes data-platform-page alertname=HexTokenRejected severity=critical token=airflow token_owner=data-platform
goes data-platform-chat alertname=HexTokenExpiresSoon severity=warning token=airflow token_owner=data-platform
goes digest             alertname=HexWorkspaceFewerTokens severity=info workspace=main
goes digest             alertname=HexTokenExcessReadScopes severity=info token=airflow token_owner=data-platform
