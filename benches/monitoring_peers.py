#!/usr/bin/env python3
"""Compares what monitoring costs: Debian's prometheus-libvirt-exporter, collectd's plugin virt and Bellwether, in turns
over one libvirtd of a lab with small paused guests; then with a guest that moves and a libvirtd that is stopped.

Needs root, what `scripts/setup lab peers` installs, and release builds of bellwetherd and bellwether-lab."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from peers import report, turns
from peers.bellwether import Bellwether, Strict
from peers.collectors import Collectd, Exporter
from peers.lab import Lab
from peers.processes import run

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ROOT = Path(__file__).resolve().parent.parent


def arguments():
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--guests", type=int, default=40, help="guests of the libvirtd that is weighed (40)")
    add("--others", type=int, default=4, help="guests of each of the two other hosts (4)")
    add("--rounds", type=int, default=3, help="rounds in which each collector has a turn (3)")
    add("--seconds", type=int, default=120, help="what is weighed of a turn; a multiple of 30 (120)")
    add("--own-seconds", type=int, default=300, help="the same for Bellwether; in 300 is what it looks at every five minutes (300)")
    add("--idle-seconds", type=int, default=120, help="the same for the host by itself (120)")
    add("--running-rounds", type=int, default=1, help="rounds more with guests that run, of which collectd tells more (1)")
    add("--moving", type=int, default=60, help="MiB of disk that move, one a second; 0 leaves trouble out (60)")
    add("--stopped", type=int, default=40, help="seconds for which a libvirtd is stopped meanwhile (40)")
    add("--collectd-refresh", type=int, default=60, help="collectd's RefreshInterval, for new guests (60, as by default)")
    add("--only", nargs="+", metavar="NAME", help="only collectors whose name contains one of these")
    add("--lab", default="peers", help="name of the lab that is made and removed (peers)")
    add("--bin", type=Path, default=ROOT / "target/release", help="where bellwetherd and bellwether-lab are (target/release)")
    add("--json", type=Path, help="write all figures here")
    return parser.parse_args()


class Kinds:
    """Makes a fresh collector for each turn, with a folder of its own."""

    def __init__(self, options, folder):
        self.options, self.folder, self.turn = options, folder, 0
        program = options.bin / "bellwetherd"
        self.makers = {
            Exporter.name: Exporter,
            Collectd.name: lambda at: Collectd(at, options.collectd_refresh),
            Bellwether.name: lambda at: Bellwether(at, program),
            Strict.name: lambda at: Strict(at, program),
        }
        if options.only:
            chosen = [name for name in self.makers if any(word in name for word in options.only)]
            self.makers = {name: self.makers[name] for name in chosen}

    def make(self, name):
        """A collector of this name."""
        self.turn += 1
        folder = self.folder / f"{self.turn:02}"
        folder.mkdir()
        return self.makers[name](folder)


def rounds_of(options, lab, kinds, names, count, what):
    """So many rounds, in each of which every one of these has a turn, another one first each time."""
    host, rounds = lab.hosts[0], []
    for number in range(count):
        at = number % len(names)
        turn = {"idle": turns.idle(host, options.idle_seconds)}
        tell(f"{what}, round {number + 1}, idle: {rounded(turn['idle'])}")
        for name in names[at:] + names[:at]:
            seconds = options.own_seconds if name == Bellwether.name else options.seconds
            turn[name] = turns.alone(kinds.make(name), host, seconds)
            tell(f"{what}, round {number + 1}, {name}: {turn[name]['cpu_ms_per_minute']}")
        rounds.append(turn)
    return rounds


def in_trouble(options, lab, kinds, names):
    """A turn each with a guest that moves and a libvirtd that is stopped."""
    troubles = {}
    for name in names:
        collector = kinds.make(name)
        turn = turns.trouble(collector, lab, options.moving, options.stopped, kinds.folder)
        tell(f"trouble, {name}: {turn['missed_elsewhere']} missed elsewhere, {turn['migration']}")
        troubles[name] = turn
    return troubles


def rounded(figures):
    """For people."""
    return {what: round(value, 1) for what, value in figures.items()}


def machine(lab, load):
    """Where it was measured."""
    system = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
    )

    def version(package):
        return run(["dpkg-query", "-W", "-f", "${Version}", package])

    return {
        "system": system.get("PRETTY_NAME", "unknown").strip('"'),
        "kernel": os.uname().release,
        "cores": os.cpu_count(),
        "kvm": lab.kvm,
        "load_at_start": round(load, 2),
        "libvirt": version("libvirt-daemon"),
        "qemu": version("qemu-system-x86"),
        "prometheus-libvirt-exporter": version("prometheus-libvirt-exporter"),
        "collectd": version("collectd-core"),
    }


def tell(line):
    """Says how far it is."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def compare(options, lab, kinds):
    """Makes the lab, measures and reports."""
    load = os.getloadavg()[0]
    tell(f"making lab {options.lab} with {options.guests} guests")
    lab.up()
    names = list(kinds.makers)
    at_defaults = [name for name in names if name != Strict.name]
    rounds = rounds_of(options, lab, kinds, names, options.rounds, "paused")
    troubles = in_trouble(options, lab, kinds, at_defaults) if options.moving else {}
    lab.hosts[0].resume_guests()
    running = rounds_of(options, lab, kinds, at_defaults, options.running_rounds, "running")
    told = report.summary(rounds, names)
    full = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(lab, load),
        "options": {key: str(value) for key, value in vars(options).items()},
        "collectors": names,
        "summary": told,
        "trouble": troubles,
        "running": report.summary(running, at_defaults) if running else None,
        "targets": [],
        "rounds": rounds,
        "running_rounds": running,
    }
    if Exporter.name in names and Bellwether.name in names:
        full["targets"] = report.targets(full, Bellwether.name, Exporter.name, options.guests)
    if options.json:
        options.json.write_text(json.dumps(full, indent=2) + "\n")
    report.show(full)


def main():
    """Runs, and removes what it made however it ends; a second Ctrl-C does not stop the removing."""
    options = arguments()
    if os.geteuid() != 0:
        sys.exit("needs root, as the lab does")
    if min(options.guests, options.rounds, options.seconds, options.own_seconds, options.idle_seconds) < 1:
        sys.exit("guests, rounds and seconds: at least 1")

    def told_to_end(*_):
        raise KeyboardInterrupt

    # Who starts it in the background may have it ignore these.
    for end in ENDS:
        signal.signal(end, told_to_end)
    lab = Lab(options.bin / "bellwether-lab", options.lab, options.guests, options.others)
    code = 0
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        try:
            compare(options, lab, Kinds(options, Path(folder)))
        except KeyboardInterrupt:
            tell("told to end")
            code = 130
        except (RuntimeError, OSError, TimeoutError) as error:
            tell(f"failed: {error}")
            code = 1
        finally:
            for end in ENDS:
                signal.signal(end, signal.SIG_IGN)
            lab.down()
    sys.exit(code)


if __name__ == "__main__":
    main()
