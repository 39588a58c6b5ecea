"""hex-toolkit, the SDK and its command line, against the fake."""

import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

from hex_toolkit import HexClient
from hex_toolkit.exceptions import (
    HexAuthenticationError,
    HexNotFoundError,
    HexValidationError,
)

from stand import DRAFT, ENDLESS, LIVE, QUICK, READER, REVOKED, URL


class Sdk(unittest.TestCase):
    def client(self, token):
        client = HexClient(api_key=token, base_url=f"{URL}/api")
        self.addCleanup(client.close)
        return client

    def setUp(self):
        self.hex = self.client(LIVE)

    def test_lists_projects_and_shows_one(self):
        ids = {str(project.id) for project in self.hex.projects.list().values}
        self.assertEqual(ids, {QUICK, ENDLESS, DRAFT})
        self.assertEqual(self.hex.projects.get(QUICK).title, "Ends soon")

    def test_runs_a_project_to_its_end(self):
        started = self.hex.projects.run(QUICK)
        deadline = time.monotonic() + 60
        status = None
        while status != "COMPLETED" and time.monotonic() < deadline:
            time.sleep(0.1)
            status = self.hex.runs.get_status(QUICK, started.run_id).status
        self.assertEqual(status, "COMPLETED")
        listed = self.hex.runs.list(QUICK).runs
        self.assertIn(started.run_id, [run.run_id for run in listed])

    def test_cancels_a_run_once(self):
        started = self.hex.projects.run(ENDLESS)
        self.hex.runs.cancel(ENDLESS, started.run_id)
        status = self.hex.runs.get_status(ENDLESS, started.run_id).status
        self.assertEqual(status, "KILLED")
        with self.assertRaises(HexValidationError):
            self.hex.runs.cancel(ENDLESS, started.run_id)

    def test_a_dry_run_starts_nothing(self):
        dry = self.hex.projects.run(ENDLESS, dry_run=True)
        with self.assertRaises(HexNotFoundError):
            self.hex.runs.get_status(ENDLESS, dry.run_id)

    def test_an_unpublished_project_does_not_run(self):
        with self.assertRaises(HexValidationError):
            self.hex.projects.run(DRAFT)

    def test_bad_tokens_are_refused(self):
        for token in (REVOKED, "no-such-token"):
            with self.assertRaises(HexAuthenticationError) as refused:
                self.client(token).projects.list()
            self.assertEqual(refused.exception.status_code, 401)

    def test_a_token_without_the_scope_may_not_run(self):
        with self.assertRaises(HexAuthenticationError) as refused:
            self.client(READER).projects.run(QUICK)
        self.assertEqual(refused.exception.status_code, 403)


class CommandLine(unittest.TestCase):
    def call(self, token):
        environment = os.environ | {
            "HEX_API_KEY": token,
            "HEX_API_BASE_URL": f"{URL}/api",
            "COLUMNS": "200",
        }
        command = [str(Path(sys.executable).with_name("hex-toolkit")), "projects", "list"]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60
        )

    def test_lists_projects(self):
        called = self.call(LIVE)
        self.assertEqual(called.returncode, 0, called.stderr)
        self.assertIn("Ends soon", called.stdout)

    def test_fails_with_a_bad_token(self):
        called = self.call(REVOKED)
        self.assertNotEqual(called.returncode, 0)
        self.assertIn("401", called.stdout + called.stderr)


if __name__ == "__main__":
    unittest.main()
