"""Where the fake is and what tests/clients/scenario.yaml holds."""

import os

URL = os.environ["FAKE_HEX_URL"].rstrip("/")
LIVE = os.environ["FAKE_HEX_LIVE_TOKEN"]
READER = os.environ["FAKE_HEX_READER_TOKEN"]
REVOKED = os.environ["FAKE_HEX_REVOKED_TOKEN"]

QUICK = "5a8591dd-4039-49df-9202-96385ba3eff8"
ENDLESS = "019f681a-1870-731d-8a55-0f4b7c1d2e3f"
DRAFT = "019f681a-1870-731d-9b66-1a5c8d2e3f40"
