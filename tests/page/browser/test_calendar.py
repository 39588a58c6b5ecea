"""The calendar, read by a parser that nobody here wrote."""

import datetime
import unittest

import icalendar

from stand import HOSTILE, crowd, demo, get, tokens


def events(url):
    text = get(url)
    assert text.endswith("END:VCALENDAR\r\n"), text[-100:]
    calendar = icalendar.Calendar.from_ical(text)
    assert calendar.errors == [], calendar.errors
    found = calendar.walk("VEVENT")
    assert all(event.errors == [] for event in found)
    return calendar, found


class Calendar(unittest.TestCase):
    def test_every_dated_token_is_an_entry_at_its_date(self):
        for url, page in ((demo(), demo()), (crowd(), "https://monitoring.example/hex-tokens")):
            dated = {token["name"]: token["expiry"]["at"] for token in tokens(url) if token["expiry"]["at"]}
            calendar, found = events(f"{url}/calendar.ics")
            self.assertEqual(calendar["VERSION"], "2.0")
            self.assertTrue(calendar["PRODID"])
            told = {}
            for event in found:
                name = str(event["URL"]).removeprefix(f"{page}/tokens/")
                start = event["DTSTART"].dt
                self.assertEqual(start.utcoffset(), datetime.timedelta(0))
                self.assertEqual(event["DTSTAMP"].dt.utcoffset(), datetime.timedelta(0))
                self.assertIn(name, event["SUMMARY"])
                told[name] = start.strftime("%Y-%m-%dT%H:%M:%SZ")
            self.assertEqual(told, dated)
            self.assertEqual(len({event["UID"] for event in found}), len(found))

    def test_alarms_ring_at_the_thresholds(self):
        _, found = events(f"{demo()}/calendar.ics?text=dbt-expires-in-10d")
        alarms = found[0].walk("VALARM")
        self.assertEqual([alarm["TRIGGER"].dt.days for alarm in alarms], [-14, -3])
        for alarm in alarms:
            self.assertEqual((alarm["ACTION"], alarm["DESCRIPTION"]), ("DISPLAY", found[0]["SUMMARY"]))

    def test_an_owner_may_be_called_anything(self):
        _, hostile = events(f"{crowd()}/calendar.ics?text=%C3%BCn%C3%AFc%C3%B6d%C3%A9")
        self.assertTrue(hostile)
        for event in hostile:
            self.assertIn(f"Owner: {HOSTILE}", str(event["DESCRIPTION"]))

    def test_it_is_the_same_as_long_as_the_tokens_are(self):
        self.assertEqual(get(f"{crowd()}/calendar.ics"), get(f"{crowd()}/calendar.ics"))
