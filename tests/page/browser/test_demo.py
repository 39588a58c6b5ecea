"""The demo in a real Chromium: clicked through, with and without script."""

import unittest

from stand import Visit, demo


class Demo(unittest.TestCase):
    def test_a_reader_finds_a_token_and_comes_back(self):
        # As it is, and where scripts are off.
        for script in (True, False):
            with Visit(demo(), java_script_enabled=script) as visit:
                page = visit.open("/")
                self.assertEqual(len(visit.listed()), 16)
                visit.follow(page.get_by_role("navigation", name="Tokens by state").get_by_text("expired"))
                self.assertEqual(visit.listed(), ["looker-expired"])
                visit.follow(page.get_by_role("link", name="looker-expired"))
                self.assertIn("looker-expired", page.get_by_role("heading", level=1).inner_text())
                self.assertIn("Create a new token", page.get_by_label("What to do").inner_text())
                visit.follow(page.get_by_role("link", name="Back to all tokens"))
                self.assertTrue(page.url.endswith("/?state=expired#token-looker-expired"), page.url)
                visit.follow(page.get_by_role("link", name="Show all"))
                self.assertEqual(len(visit.listed()), 16)

    def test_a_reader_filters_by_form(self):
        with Visit(demo()) as visit:
            page = visit.open("/")
            page.get_by_label("Owner", exact=True).select_option("finance")
            page.get_by_label("Text", exact=True).fill("BOARD")
            with page.expect_event("load"):
                page.get_by_label("Text", exact=True).press("Enter")
            self.assertEqual(visit.listed(), ["board-unpublished-project"])
            self.assertEqual(page.get_by_label("Text", exact=True).input_value(), "BOARD")
            self.assertEqual(page.get_by_label("Owner", exact=True).input_value(), "finance")
            page.get_by_label("State", exact=True).select_option("valid")
            visit.follow(page.get_by_role("button", name="Filter"))
            self.assertEqual(visit.listed(), [])
            self.assertTrue(page.get_by_text("No token is like that.").is_visible())

    def test_every_token_has_its_page(self):
        with Visit(demo()) as visit:
            visit.open("/")
            for name in visit.listed():
                page = visit.open(f"/tokens/{name}")
                self.assertIn(name, page.title())
                self.assertTrue(page.get_by_role("img", name="Latency of the latest probes").is_visible())

    def test_the_keyboard_reaches_everything_and_can_skip(self):
        with Visit(demo()) as visit:
            page = visit.open("/")
            page.keyboard.press("Tab")
            self.assertEqual(page.evaluate("document.activeElement.textContent"), "Skip to the content")
            self.assertTrue(page.get_by_text("Skip to the content").is_visible())
            page.keyboard.press("Enter")
            self.assertEqual(page.evaluate("document.activeElement.id"), "main")
            reached = set()
            for _ in range(80):
                page.keyboard.press("Tab")
                reached.add(page.evaluate("document.activeElement.textContent.trim()"))
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                self.assertNotEqual(outline, "none", "what has the focus shows it")
                if {"Filter", "terraform-over-scoped"} <= reached:
                    break
            self.assertLessEqual({"Filter", "looker-expired", "terraform-over-scoped"}, reached)

    def test_nothing_that_is_injected_has_an_effect(self):
        with Visit(demo()) as visit:
            page = visit.open("/")
            blocked = page.evaluate("""() => new Promise(resolve => {
                const found = [];
                addEventListener('securitypolicyviolation', event => {
                    found.push(event.effectiveDirective);
                    if (found.length === 3) resolve(found.sort());
                });
                document.querySelector('h1').setAttribute('style', 'color: red');
                document.body.insertAdjacentHTML('beforeend', '<img src="http://127.0.0.1:9/x.png">');
                const script = document.createElement('script');
                script.textContent = 'window.ran = true';
                document.body.append(script);
            })""")
            self.assertEqual(blocked, ["img-src", "script-src-elem", "style-src-attr"])
            self.assertIsNone(page.evaluate("window.ran ?? null"))
            visit.troubles.clear()  # the console tells of all three
