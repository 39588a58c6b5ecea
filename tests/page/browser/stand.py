"""The real binary in two casts, the demo and a crowd of a thousand tokens, and a browser to look at them.

Both casts start with the first that is asked for, since each takes a while to settle, and end with the
tests.
"""

import atexit
import collections
import functools
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.request

from playwright.sync_api import sync_playwright

EXPORTER = os.environ["EXPORTER"]
PATIENCE = 120
CROWD = 1000
LONG = 997  # the one with the longest names
HOSTILE = "<script>alert('x')</script>, \"quoted\"; \\ 'n ünïcödé 🗝"

# What the demo's tokens become, once all is asked and confirmed.
DEMO = {
    "looker-expired": "expired",
    "intern-revoked": "invalid",
    "merger-wrong-workspace": "wrong_workspace",
    "kpis-missing-run-scope": "under_scoped",
    "board-unpublished-project": "project_unavailable",
    "hightouch-not-mounted": "unknown",
}

folder = pathlib.Path(tempfile.mkdtemp(prefix="page-"))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url):
    with opener.open(url, timeout=30) as answer:
        return answer.read().decode()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(name, *arguments):
    """Starts the binary. Tells where its output goes."""
    log = folder / f"{name}.log"
    with log.open("w") as output:
        child = subprocess.Popen(
            [EXPORTER, *arguments, "--log.level", "warn"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
        )
    atexit.register(stop, child)
    return child, log


def stop(child):
    child.terminate()
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def wait_for(what, child, log, check):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            found = check()
        except OSError:
            found = None
        if found:
            return found
        if child.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come\n{log.read_text()[-2000:]}")


def tokens(url):
    return json.loads(get(f"{url}/api/v1/tokens"))["tokens"]


@functools.cache
def start_demo():
    child, log = start("demo", "demo", "--web.listen-address", "127.0.0.1:0")
    shown = r"Status page +(http://\S+)/"
    found = wait_for("the demo's address", child, log, lambda: re.search(shown, log.read_text()))
    return found[1], child, log


def member(number):
    """A token of the crowd: how it is in the fake Hex, what is asked of it, and what it becomes."""
    real, asked = {"scopes": ["projects_read"]}, {"token_owner": f"team-{number % 25:02}"}
    asked["workspace"] = ("production", "staging", "research")[number % 3]
    becomes = "valid"
    if number % 50 == 3:
        real["revoked"], becomes = True, "invalid"
    elif number % 50 == 7:
        real["expires_in"], asked["expires_at"], becomes = "-3d", "2026-01-31", "expired"
    elif number % 50 == 11:
        asked["required_scopes"], becomes = ["projects_read", "users_read"], "under_scoped"
    elif number % 4 == 0:
        real["expires_in"] = f"{number % 90 + 1}d"
        asked["rotate_url"] = "https://wiki.example.com/rotate-hex"
    elif number == LONG:
        asked["projects"] = {"p" * 63: "5a8591dd-4039-49df-9202-96385ba3eff8"}
        becomes = "project_unavailable"
    if number % 200 == 60:
        asked["token_owner"] = HOSTILE
    return real, asked, becomes


@functools.cache
def start_crowd():
    hex_url, exporter = (f"127.0.0.1:{free_port()}" for _ in range(2))
    names = {f"job-{number:04}{'x' * 55 * (number == LONG)}": member(number) for number in range(CROWD)}
    scenario, config = folder / "scenario.yaml", folder / "config.yaml"
    limits = {"user_per_minute": 1000000, "group_per_minute": 1000000}
    real = {name: {"kind": "workspace", "value": f"value-of-{name}", **real} for name, (real, _, _) in names.items()}
    # JSON is YAML.
    scenario.write_text(json.dumps({"stacks": [{"name": "main", "limits": limits, "tokens": real}]}))
    workspace = {"url": f"http://{hex_url}", "requests_per_minute": 6000}
    asked = {name: {"credentials_file": str(folder / name), **asked} for name, (_, asked, _) in names.items()}
    config.write_text(json.dumps({
        "probe": {"interval": "20s", "scope_interval": "1m", "timeout": "5s", "confirm_after": "2s",
                  "mass_rejection_hold": "5s"},
        "workspaces": {name: workspace for name in ("production", "staging", "research")},
        "defaults": {"required_scopes": ["projects_read"]},
        "tokens": asked,
    }))
    for name in names:
        (folder / name).write_text(f"value-of-{name}")
        (folder / name).chmod(0o600)
    fake, log = start("fake-hex", "fake-hex", "--listen-address", hex_url, "--scenario", str(scenario))
    wait_for("the fake Hex", fake, log, lambda: get(f"http://{hex_url}/"))
    child, log = start("crowd", "run", "--config.file", str(config), "--web.listen-address", exporter,
                       "--web.external-url", "https://monitoring.example/hex-tokens/")
    return f"http://{exporter}", child, log


@functools.cache
def demo():
    """The demo's address, once its verdicts are there."""
    url, child, log = start_demo()
    start_crowd()

    def settled():
        states = {token["name"]: token["state"] for token in tokens(url)}
        unknown = [name for name, state in states.items() if state == "unknown"]
        return unknown == ["hightouch-not-mounted"] and DEMO.items() <= states.items()

    wait_for("the demo's verdicts", child, log, settled)
    return url


@functools.cache
def crowd():
    """The crowd's address, once its verdicts are there."""
    url, child, log = start_crowd()
    expected = collections.Counter(member(number)[2] for number in range(CROWD))

    def settled():
        return collections.Counter(token["state"] for token in tokens(url)) == expected

    wait_for("the crowd's verdicts", child, log, settled)
    return url


@functools.cache
def browser():
    playwright = sync_playwright().start()
    atexit.register(playwright.stop)
    chromium = playwright.chromium.launch(
        executable_path=os.environ["CHROMIUM"],
        args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
              "--disable-background-networking", "--disable-component-update"],
    )
    atexit.register(chromium.close)
    return chromium


class Visit:
    """A page in a browser of its own. Whatever goes wrong behind the scenes is told at the end."""

    def __init__(self, origin, width=1440, height=900, **settings):
        self.origin = origin
        self.troubles = []
        self.context = browser().new_context(viewport={"width": width, "height": height}, **settings)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.troubles.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.troubles.append(f"dialog: {dialog.message}"))
        self.page.on("response", self.judge)

    def judge(self, response):
        if not response.url.startswith(f"{self.origin}/") or response.status != 200:
            self.troubles.append(f"{response.status} {response.url}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.context.close()
        if kind is None and self.troubles:
            raise AssertionError("\n".join(self.troubles))

    def open(self, path):
        self.page.goto(self.origin + path)
        return self.page

    def follow(self, element):
        """Clicks on what leads to another page, and comes back once all of that is there.

        A click by itself comes back with the page's first bytes.
        """
        with self.page.expect_event("load"):
            element.click()

    def listed(self):
        """The names of the tokens that the list shows."""
        return self.page.locator("table.tokens tbody th a").all_inner_texts()
