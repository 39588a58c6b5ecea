#!/usr/bin/env python3
"""Holds the resolved Compose files to what their readers rely on, and to the files that they mount.

    compose-files.py DEMO ONE_TOKEN MANY_TOKENS <SCENARIO

The first three are outputs of `docker-compose config --format json`; the scenario is the fake Hex's.
"""

import json
import pathlib
import re
import sys
import urllib.parse

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config/compose"

# Where each service listens, within the network.
PORTS = {
    "fake-hex": {9848, 9849},
    "hex-token-exporter": {9847},
    "prometheus": {9090},
    "alertmanager": {9093},
    "grafana": {3000},
}

# The token of the demo whose credential nobody has mounted.
NOT_MOUNTED = {"hightouch-not-mounted"}

wrong = []


def expect(holds, text):
    if not holds:
        wrong.append(text)


def load(path):
    return yaml.safe_load(path.read_text())


def expect_hardened(name, service):
    expect(re.fullmatch(r".+:v?[0-9]+\.[0-9]+\.[0-9]+", service["image"]), f"{name}: its image is not pinned")
    expect(service.get("read_only") is True, f"{name}: its root can be written to")
    expect(service.get("cap_drop") == ["ALL"], f"{name}: it keeps capabilities")
    expect(not {"privileged", "cap_add", "network_mode", "pid"} & service.keys(), f"{name}: it has privileges")
    expect("no-new-privileges:true" in service.get("security_opt", []), f"{name}: it may gain privileges")
    expect(service.get("restart") == "unless-stopped", f"{name}: nobody restarts it")
    # The image of our own sets both; scripts/compose.sh up sees them at work.
    if "build" not in service:
        expect(not service.get("user", "0").startswith(("0", "root")), f"{name}: it runs as root")
        expect("healthcheck" in service, f"{name}: nobody asks for its health")
    for port in service.get("ports", []):
        expect(port.get("host_ip") == "127.0.0.1", f"{name}: port {port['target']} is open to the network")
    for volume in service.get("volumes", []):
        if volume["type"] == "bind":
            expect(pathlib.Path(volume["source"]).exists(), f"{name}: {volume['source']} does not exist")
            expect(volume.get("read_only") is True, f"{name}: it may write to {volume['source']}")


def expect_reachable(address, services, where):
    host, _, port = address.rpartition(":")
    expect(host in services and int(port) in PORTS[host], f"{where}: nothing in the stack is at {address}")


def mounted_at(service, path):
    return any(pathlib.PurePath(path).is_relative_to(volume["target"]) for volume in service["volumes"])


def expect_mounts(name, service, path):
    expect(mounted_at(service, path), f"{name}: nothing is mounted at {path}")


def expect_prometheus_fits(services):
    prometheus = load(ROOT / "config/prometheus/prometheus.yml")
    scraped = [group for job in prometheus["scrape_configs"] for group in job["static_configs"]]
    alerted = [group for manager in prometheus["alerting"]["alertmanagers"] for group in manager["static_configs"]]
    for group in scraped + alerted:
        for address in group["targets"]:
            expect_reachable(address, services, "prometheus.yml")
    for rules in prometheus["rule_files"]:
        expect(any((ROOT / "config/prometheus").glob(rules)), f"prometheus.yml: there are no {rules}")


def expect_grafana_fits(services):
    provisioning = ROOT / "config/grafana/provisioning"
    sources = [source for file in provisioning.glob("datasources/*") for source in load(file)["datasources"]]
    expect(sources, "grafana: no data source is provisioned")
    scraped_every = load(ROOT / "config/prometheus/prometheus.yml")["global"]["scrape_interval"]
    for source in sources:
        # Or graphs of rates have gaps.
        expect(source["jsonData"]["timeInterval"] == scraped_every, f"grafana: Prometheus scrapes every {scraped_every}")
        expect_reachable(urllib.parse.urlsplit(source["url"]).netloc, services, "grafana's data source")
    providers = [one for file in provisioning.glob("dashboards/*") for one in load(file)["providers"]]
    expect(providers, "grafana: no dashboards are provisioned")
    grafana = services["grafana"]
    home = pathlib.PurePath(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    expect((ROOT / "dashboards" / home.name).exists(), f"grafana: there is no {home.name}")
    for provider in providers:
        path = provider["options"]["path"]
        expect_mounts("grafana", grafana, path)
        expect(home.is_relative_to(path), f"grafana: the home dashboard is not among those in {path}")


def expect_replaced_files_are_seen(service):
    """What the exporter reads while it runs: a mounted file would stay the one of the start."""
    for volume in service["volumes"]:
        if volume["type"] == "bind":
            expect(not pathlib.Path(volume["source"]).is_file(), f"{volume['source']} is mounted without its directory")
    for argument in service["command"]:
        flag, _, path = argument.partition("=")
        if flag == "--config.file":
            found = [pathlib.Path(volume["source"]) / pathlib.PurePath(path).relative_to(volume["target"])
                     for volume in service["volumes"] if pathlib.PurePath(path).is_relative_to(volume["target"])]
            expect(any(file.is_file() for file in found), f"no file is mounted at {path}")


def expect_demo_fits(services, scenario):
    config = load(CONFIG / "hex-token-exporter.yaml")
    there = {name for stack in scenario["stacks"] for name in stack["tokens"]}
    differing = (config["tokens"].keys() ^ there) - NOT_MOUNTED
    expect(not differing, f"not in both, config and fake: {differing}")
    expect(not NOT_MOUNTED & there, "the fake would write a credential that must be missing")
    for name, workspace in config["workspaces"].items():
        expect_reachable(urllib.parse.urlsplit(workspace["url"]).netloc, services, f"workspace {name}")
    for name, token in config["tokens"].items():
        expect(pathlib.PurePath(token["credentials_file"]).name == name, f"{name} has the credential of another")
        expect_mounts("hex-token-exporter", services["hex-token-exporter"], token["credentials_file"])


def expect_real(services):
    expect("fake-hex" not in services, "the fake runs beside real tokens")
    expect("fake" not in json.dumps(services), "something of the fake is left beside real tokens")


def main():
    demo, one_token, many_tokens = (json.loads(pathlib.Path(path).read_text())["services"] for path in sys.argv[1:])
    for services in (demo, one_token, many_tokens):
        for name, service in services.items():
            expect_hardened(name, service)
        expect_replaced_files_are_seen(services["hex-token-exporter"])
    expect(demo.keys() == PORTS.keys(), f"the services are {sorted(demo)}")
    expect_prometheus_fits(demo)
    expect_grafana_fits(demo)
    expect_demo_fits(demo, yaml.safe_load(sys.stdin))
    expect_real(one_token)
    expect_real(many_tokens)
    expect(one_token["hex-token-exporter"]["command"] == ["run"], "without a file, the one token is not asked for")
    for directory in load(CONFIG / "real.yaml")["token_directories"]:
        expect_mounts("hex-token-exporter", many_tokens["hex-token-exporter"], directory["path"])
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(demo)} services, and {len(many_tokens)} with real tokens: hardened, and they fit each other")


main()
