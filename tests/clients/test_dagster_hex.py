"""dagster-hex, Hex's own package for Dagster, against the fake.

It uses the singular paths of Hex's first API, and its answer to a 204 is to ask again, at once
and for ever, until another status comes: a second cancel must be refused.
"""

import unittest

from dagster import Failure, job
from dagster_hex.ops import hex_project_op
from dagster_hex.resources import HexResource, hex_resource

from stand import DRAFT, ENDLESS, LIVE, QUICK, READER, REVOKED, URL


def resource(token):
    return HexResource(api_key=token, base_url=URL)


@job(resource_defs={"hex": hex_resource})
def refresh_project():
    hex_project_op()


class Resource(unittest.TestCase):
    def setUp(self):
        self.hex = resource(LIVE)

    def test_lists_projects_and_shows_one(self):
        ids = {project["id"] for project in self.hex.get_all_projects()["values"]}
        self.assertEqual(ids, {QUICK, ENDLESS, DRAFT})
        details = self.hex.get_project_details(QUICK)
        self.assertEqual(details["title"], "Ends soon")

    def test_cancelling_ends_with_a_refusal_and_a_killed_run(self):
        run = self.hex.run_project(ENDLESS)["runId"]
        with self.assertRaisesRegex(Failure, "422"):
            self.hex.cancel_run(ENDLESS, run)
        self.assertEqual(self.hex.run_status(ENDLESS, run)["status"], "KILLED")

    def test_an_unpublished_project_does_not_run(self):
        with self.assertRaisesRegex(Failure, "422"):
            self.hex.run_project(DRAFT)

    def test_bad_tokens_are_refused(self):
        for token in (REVOKED, "no-such-token"):
            with self.assertRaisesRegex(Failure, "401 status from Hex: Unauthorized"):
                resource(token).get_all_projects()

    def test_a_token_without_the_scope_may_not_run(self):
        with self.assertRaisesRegex(Failure, "403"):
            resource(READER).run_project(QUICK)


class Job(unittest.TestCase):
    def execute(self, token):
        config = {
            "resources": {"hex": {"config": {"api_key": token, "base_url": URL}}},
            "ops": {
                "hex_project_op": {
                    "config": {"project_id": QUICK, "poll_interval": 0.1, "poll_timeout": 60.0}
                }
            },
        }
        return refresh_project.execute_in_process(run_config=config, raise_on_error=False)

    def test_a_job_runs_a_project_to_its_end(self):
        result = self.execute(LIVE)
        self.assertTrue(result.success)
        output = result.output_for_node("hex_project_op")
        self.assertEqual(output.status_response["status"], "COMPLETED")

    def test_a_job_fails_with_a_bad_token(self):
        self.assertFalse(self.execute(REVOKED).success)


if __name__ == "__main__":
    unittest.main()
