"""A thousand tokens in a real Chromium."""

import unittest

from stand import CROWD, HOSTILE, Visit, crowd


class Crowd(unittest.TestCase):
    def test_a_thousand_tokens_are_pages_to_leaf_through(self):
        with Visit(crowd()) as visit:
            page = visit.open("/")
            seen = visit.listed()
            while page.get_by_role("link", name="Next page").count():
                visit.follow(page.get_by_role("link", name="Next page"))
                seen += visit.listed()
            self.assertEqual((len(seen), len(set(seen))), (CROWD, CROWD))
            visit.follow(page.get_by_role("link", name="Previous page"))
            self.assertTrue(page.get_by_text("Page 9 of 10").is_visible())

    def test_an_owner_finds_their_own_whatever_they_are_called(self):
        with Visit(crowd()) as visit:
            page = visit.open("/")
            page.get_by_label("Owner", exact=True).select_option(HOSTILE)
            visit.follow(page.get_by_role("button", name="Filter"))
            self.assertEqual(sorted(visit.listed()), ["job-0060", "job-0260", "job-0460", "job-0660", "job-0860"])
            self.assertIn(HOSTILE, page.locator("#token-job-0060 th").inner_text())

    def test_reading_anew_keeps_the_place(self):
        with Visit(crowd()) as visit:
            page = visit.open("/?state=valid&page=2")
            visit.follow(page.get_by_role("link", name="refresh by itself"))
            self.assertTrue(page.url.endswith("/?state=valid&page=2&refresh=30"))
            page = visit.open("/?state=valid&page=2&refresh=5#tokens")
            with page.expect_event("load"):
                page.evaluate("scrollTo(0, 2000)")
            self.assertTrue(page.url.endswith("/?state=valid&page=2&refresh=5"), page.url)
            drawn = "new Promise(tell => requestAnimationFrame(() => requestAnimationFrame(() => tell(scrollY))))"
            self.assertEqual(page.evaluate(drawn), 2000)
            visit.follow(page.get_by_role("link", name="stop refreshing"))
            self.assertTrue(page.url.endswith("/?state=valid&page=2"), page.url)
