"""Turns: one collector at a time has the hosts to itself, while what it costs them is weighed or trouble is made."""

import statistics
import time
from pathlib import Path

from . import processes, signals
from .lab import Move

#: Seconds of the trouble before and after which everything is as it should be.
CALM = 15


def cpu_of(host):
    """CPU so far of a host's libvirtd and of its QEMUs."""
    return {
        "libvirtd": processes.cpu_seconds(host.libvirtd()),
        "qemu": sum(processes.cpu_seconds(pid) for pid in host.emulators()),
    }


def rest(seconds, collector=None):
    """Waits, and looks whether the collector still runs."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if collector is not None:
            collector.check()
        time.sleep(min(1.0, left))


def weigh(host, seconds, collector=None):
    """What a host spends in a window, by itself or while a collector asks it; milliseconds of CPU a minute."""

    def spent():
        now = cpu_of(host)
        now["own"] = collector.cpu_seconds() if collector else 0.0
        return now

    before, began = spent(), time.time()
    rest(seconds, collector)
    after, ended = spent(), time.time()
    figures = {what: (after[what] - before[what]) * 60_000 / (ended - began) for what in before}
    return figures, (began, ended)


def idle(host, seconds):
    """The host by itself."""
    rest(5)
    return weigh(host, seconds)[0]


def alone(collector, host, seconds):
    """A collector's turn with one host; its figures, and the pace of each signal."""
    try:
        collector.start([host])
        rest(collector.settling, collector)
        figures, (began, ended) = weigh(host, seconds, collector)
    finally:
        collector.end()
    paces = {
        signal: signals.pace(collector.samples, signal, host.guests, began, ended)
        for signal in signals.ALL
    }
    return {
        "cpu_ms_per_minute": {what: round(value, 1) for what, value in figures.items()},
        "series": collector.series,
        "series_of_guests": collector.guest_series,
        "failed_scrapes": collector.failures,
        "signals": {signal: pace.as_json() for signal, pace in paces.items() if pace},
    }


def trouble(collector, lab, moving, stopped, folder: Path):
    """A collector's turn with all hosts while a guest moves from the first to the second and libvirtd of the third is
    stopped; what is missing of everybody else."""
    weighed, target, silent = lab.hosts
    move = Move(weighed, target, f"mover-{time.time_ns() % 10_000_000}", moving, lab.kvm)
    elsewhere = [guest for guest in weighed.guests + target.guests if guest != move.name]
    try:
        collector.start(lab.hosts)
        rest(collector.settling, collector)
        began = time.time()
        rest(CALM, collector)
        move.begin(folder / "migrate.log")
        silent.stop()
        rest(stopped, collector)
        moved_meanwhile = move.under_way()
        silent.go_on()
        outcome = move.outcome(moving * 3 + 60)
        rest(CALM, collector)
        ended = time.time()
    finally:
        silent.go_on()
        collector.end()
        move.clear()
    outcome["still_moving_when_libvirtd_went_on"] = moved_meanwhile
    counted = {}
    for signal in signals.ALL:
        having = [guest for guest in elsewhere if guest in collector.samples.guests(signal)]
        if not having:
            continue
        every = collector.pace_of(signal)
        lost = [signals.missed(collector.samples, guest, signal, every, began, ended) for guest in having]
        counted[signal] = {
            "guests": len(having),
            "every_seconds": every,
            "expected": int((ended - began) / every) * len(having),
            "missed": sum(lost),
            "guests_with_gaps": sum(count > 0 for count in lost),
        }
    return {
        "seconds": round(ended - began, 1),
        "migration": outcome,
        "stopped_seconds": stopped,
        "failed_scrapes": collector.failures,
        "missed_elsewhere": sum(count["missed"] for count in counted.values()),
        "without_samples": [g for g in elsewhere if g not in collector.samples.guests(signals.CPU)],
        "signals": counted,
    }


def middle(values):
    """Median, with the smallest and the largest."""
    return {
        "median": round(statistics.median(values), 2),
        "from": round(min(values), 2),
        "to": round(max(values), 2),
    }
