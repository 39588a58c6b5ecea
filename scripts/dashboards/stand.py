"""The real demo, scraped by a real Prometheus: started, asked, ended."""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from board import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

from lib.stand import Failed, build, free_address, opener

# The same exporter twice, as a highly available pair would be: what is counted must not double. And something else,
# which is none of ours.
CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: hex-token-exporter
    static_configs:
      - {{targets: ["{demo}"], labels: {{instance: "exporter-a:9847"}}}}
      - {{targets: ["{demo}"], labels: {{instance: "exporter-b:9847"}}}}
  - job_name: prometheus
    static_configs: [{{targets: ["{prometheus}"]}}]
"""


def get(url, form=None):
    body = urllib.parse.urlencode(form).encode() if form else None
    try:
        with opener.open(url, body, timeout=20) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise Failed(f"{error.code} {error.read().decode(errors='replace')[:500]}") from error


def target_folder():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()


class Stand:
    """Both programs, as long as the `with` lasts."""

    def __init__(self, binary, folder):
        self.binary, self.folder = pathlib.Path(binary).resolve(), pathlib.Path(folder)
        self.programs = {}

    def __enter__(self):
        self.began = time.time()
        self.demo, self.prometheus = f"http://{free_address()}", f"http://{free_address()}"
        config = self.folder / "prometheus.yml"
        demo, prometheus = (url.removeprefix("http://") for url in (self.demo, self.prometheus))
        config.write_text(CONFIG.format(demo=demo, prometheus=prometheus))
        try:
            self.start("demo", self.binary, "demo", "--web.listen-address", demo)
            self.start(
                "prometheus",
                "prometheus",
                "--log.level=warn",
                f"--config.file={config}",
                f"--storage.tsdb.path={self.folder / 'tsdb'}",
                f"--web.listen-address={prometheus}",
            )
            self.until("Prometheus is ready", lambda: get(f"{self.prometheus}/-/ready"), 60)
            self.until("the demo is scraped", lambda: self.query('up{job="hex-token-exporter"} == 1'), 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs.values()):
            program.terminate()
        for program in self.programs.values():
            try:
                program.wait(20)
            except subprocess.TimeoutExpired:
                program.kill()

    def start(self, name, *command):
        with (self.folder / f"{name}.log").open("w") as log:
            self.programs[name] = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def until(self, what, look, seconds):
        """Looks until it is so, and tells what it saw."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if seen := look():
                    return seen
            except (OSError, Failed):
                pass
            for name, program in self.programs.items():
                if program.poll() is not None:
                    log = (self.folder / f"{name}.log").read_text()[-2000:]
                    raise Failed(f"{what}: {name} has ended with {program.returncode}\n{log}")
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not within {seconds}s")
            time.sleep(0.5)

    def ask(self, path, **form):
        return json.loads(get(f"{self.prometheus}/api/v1/{path}", form or None))["data"]

    def query(self, expression, at=None):
        return self.ask("query", query=expression, **({"time": at} if at else {}))["result"]

    def query_range(self, expression, start, end, step):
        return self.ask("query_range", query=expression, start=start, end=end, step=step)["result"]

    def label_values(self, query):
        """What Grafana makes of `label_values(selector, label)`."""
        selector, _, label = query.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        words = urllib.parse.urlencode({"match[]": selector, "start": self.began})
        return self.ask(f"label/{label}/values?{words}")
