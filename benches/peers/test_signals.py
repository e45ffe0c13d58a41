"""Tests of what is reckoned: `python3 -m unittest discover -s benches/peers -t benches`."""

import unittest

from . import signals
from .signals import CPU, DISK, Samples


def every(seconds, begin, end, delay=0.0, without=()):
    """Samples of one guest on a period."""
    samples = Samples()
    at = begin
    while at <= end:
        if at not in without:
            samples.add("a", CPU, at, at + delay)
        at += seconds
    return samples


class Ages(unittest.TestCase):
    """How old the newest value is."""

    def test_a_value_ages_until_the_next(self):
        mean, worst = signals.ages(every(10, 0, 100).of("a", CPU), 10, 70)
        self.assertAlmostEqual(mean, 5)
        self.assertAlmostEqual(worst, 10)

    def test_what_is_told_late_is_older(self):
        mean, worst = signals.ages(every(10, 0, 100, delay=2).of("a", CPU), 12, 72)
        self.assertAlmostEqual(mean, 7)
        self.assertAlmostEqual(worst, 12)

    def test_where_nothing_was_told_nothing_is_said(self):
        self.assertIsNone(signals.ages([], 0, 10))
        self.assertIsNone(signals.pace(Samples(), DISK, ["a"], 0, 10))

    def test_the_pace_is_that_of_the_guests_that_have_the_signal(self):
        pace = signals.pace(every(10, 0, 120), CPU, ["a", "b"], 0, 60)
        self.assertEqual((pace.guests, pace.per_minute), (1, 6))


class Missed(unittest.TestCase):
    """Samples that did not come."""

    def count(self, samples, period=10, begin=5, end=95):
        """Missing ones of the guest."""
        return signals.missed(samples, "a", CPU, period, begin, end)

    def test_none_are_missing_of_a_regular_series(self):
        self.assertEqual(self.count(every(10, 0, 100)), 0)

    def test_some_jitter_is_no_gap(self):
        samples = Samples()
        for at in (10, 20, 34, 40, 51, 60, 70, 84, 90):
            samples.add("a", CPU, at, at)
        self.assertEqual(self.count(samples), 0)

    def test_each_one_that_is_missing_counts_at_the_edges_too(self):
        self.assertEqual(self.count(every(10, 0, 100, without=(30, 60, 70))), 3)
        self.assertEqual(self.count(every(10, 30, 60)), 5)
        self.assertEqual(self.count(Samples()), 9)


if __name__ == "__main__":
    unittest.main()
