"""Every page for everybody: by an accessibility checker, at every width, on paper, and read aloud."""

import unittest

from axe_playwright_python.sync_playwright import Axe

from stand import Visit, crowd, demo

PLACES = (
    (demo, "/"),
    (demo, "/?state=attention&text=e"),
    (demo, "/?text=nobody-is-called-so"),
    (demo, "/tokens/kpis-missing-run-scope"),
    (demo, "/tokens/eu-behind-flaky-upstream"),
    (crowd, "/"),
    (crowd, "/?state=attention&page=2"),
    (crowd, "/tokens/job-0060"),
)

WIDTHS = (320, 768, 1279, 1280, 1920)


class Everybody(unittest.TestCase):
    def check(self, cast, path, **settings):
        with self.subTest(path=path, **settings), Visit(cast(), **settings) as visit:
            found = Axe().run(visit.open(path), options={"resultTypes": ["violations"]})
            self.assertEqual(found.violations_count, 0, found.generate_report())

    def test_a_checker_of_accessibility_finds_nothing(self):
        for cast, path in PLACES:
            self.check(cast, path)

    def test_nor_in_the_dark_nor_where_it_is_narrow(self):
        for path in ("/", "/tokens/kpis-missing-run-scope"):
            self.check(demo, path, color_scheme="dark")
            self.check(demo, path, width=390)

    def test_nothing_is_wider_than_the_window(self):
        for cast, path in PLACES:
            with Visit(cast()) as visit:
                page = visit.open(path)
                for width in WIDTHS:
                    with self.subTest(path=path, width=width):
                        page.set_viewport_size({"width": width, "height": 900})
                        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width)

    def test_a_narrow_table_is_still_one_for_those_who_listen(self):
        with Visit(demo(), width=390) as visit:
            page = visit.open("/")
            table = page.get_by_role("table", name="16 tokens, the most urgent first")
            self.assertEqual(table.get_by_role("row").count(), 17)
            self.assertEqual(table.get_by_role("rowheader").count(), 16)
            self.assertTrue(table.get_by_role("columnheader", name="What to do").count())

    def test_it_prints(self):
        with Visit(demo()) as visit:
            page = visit.open("/")
            page.emulate_media(media="print")
            self.assertFalse(page.get_by_role("button", name="Filter").is_visible())
            self.assertTrue(page.get_by_text(f"{demo()}/", exact=True).is_visible(), "where it is from")
            self.assertTrue(page.pdf(prefer_css_page_size=True).startswith(b"%PDF"))
