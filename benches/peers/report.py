"""What came out, for people and as JSON, and which targets were met. Nothing here is measured."""

from . import signals
from .turns import middle

#: A target for libvirtd's CPU, of the exporter's.
LIBVIRTD_SHARE = 0.75
#: Nothing of Bellwether's is to be older, seconds: its pace, and a second for what is on its way.
OLDEST = 30 + 1
#: Samples on the same period come within this share as often; ages within so many seconds are the same.
AS_OFTEN, AS_FRESH = 0.95, 0.5


def summary(rounds, names):
    """Of each collector the medians over rounds, what the idle host spends taken off round by round."""
    told = {"idle": {}}
    for what in ("libvirtd", "qemu"):
        told["idle"][what] = middle([turn["idle"][what] for turn in rounds])
    for name in names:
        turns = [(turn["idle"], turn[name]) for turn in rounds]
        cpu = {
            what: middle([of["cpu_ms_per_minute"][what] - idle[what] for idle, of in turns])
            for what in ("libvirtd", "qemu")
        }
        cpu["own"] = middle([of["cpu_ms_per_minute"]["own"] for _, of in turns])
        told[name] = {
            "cpu_ms_per_minute": cpu,
            "series": max(of["series"] for _, of in turns),
            "series_of_guests": max(of["series_of_guests"] for _, of in turns),
            "failed_scrapes": sum(of["failed_scrapes"] for _, of in turns),
            "signals": {
                signal: _merged([of["signals"][signal] for _, of in turns if signal in of["signals"]])
                for signal in signals.ALL
            },
        }
    return told


def _merged(paces):
    if not paces:
        return None

    def mean(what):
        return round(sum(pace[what] for pace in paces) / len(paces), 2)

    return {
        "guests": min(pace["guests"] for pace in paces),
        "samples_per_minute": mean("samples_per_minute"),
        "mean_age_seconds": mean("mean_age_seconds"),
        "worst_age_seconds": max(pace["worst_age_seconds"] for pace in paces),
    }


def ratio(rounds, ours, peer, what):
    """Ours by the peer's in each round, the idle host's share taken off both."""

    def spent(turn, name):
        base = 0.0 if what == "own" else turn["idle"][what]
        return turn[name]["cpu_ms_per_minute"][what] - base

    shares = [spent(turn, ours) / max(spent(turn, peer), 1.0) for turn in rounds]
    return middle(shares)


def targets(full, ours, peer, guests):
    """Each target with what was measured, and whether it was met."""
    rounds, told = full["rounds"], full["summary"]
    libvirtd, own = ratio(rounds, ours, peer, "libvirtd"), ratio(rounds, ours, peer, "own")
    share = f"libvirtd's CPU at most {LIBVIRTD_SHARE} of the exporter's"
    found = [
        _target(share, libvirtd["median"] <= LIBVIRTD_SHARE, libvirtd),
        _target("its own CPU at most the exporter's", own["median"] <= 1.0, own),
    ]
    for signal in signals.ALL:
        mine, theirs = told[ours]["signals"][signal], told[peer]["signals"][signal]
        found.append(_fresh(signal, mine, theirs, guests))
        if mine is not None:
            worst = mine["worst_age_seconds"]
            found.append(_target(f"{signal} never older than 30 s, a second more or less", worst <= OLDEST, worst))
    if turn := full["trouble"].get(ours):
        met, missed = _unhurt(turn), turn["missed_elsewhere"]
        found.append(_target("no sample missed elsewhere in trouble", met, missed))
    return found


def _fresh(signal, mine, theirs, guests):
    """Whether a signal is there for every guest, and as fresh as the peer's where it has the same pace."""
    if mine is None or mine["guests"] < guests:
        return _target(f"{signal} of every guest", False, mine)
    if theirs is None:
        return _target(f"{signal} too, which the exporter has not", True, mine)
    if mine["samples_per_minute"] < AS_OFTEN * theirs["samples_per_minute"]:
        what = f"{signal} at its own pace, seldomer than the exporter's"
        return _target(what, True, mine, own_pace=True)
    fresh = mine["mean_age_seconds"] <= theirs["mean_age_seconds"] + AS_FRESH
    return _target(f"{signal} as fresh as the exporter's", fresh, mine)


def _unhurt(turn):
    moved = turn["migration"]["arrived"] and turn["migration"]["seconds"] > 10
    return moved and turn["missed_elsewhere"] == 0 and not turn["without_samples"]


def _target(what, met, measured, own_pace=False):
    return {
        "target": what,
        "met": bool(met),
        "measured": measured,
        "at_its_own_pace": own_pace,
    }


def _spread(figure):
    return f"{figure['median']:.0f} ({figure['from']:.0f} to {figure['to']:.0f})"


def show(report):
    """Prints everything as tables."""
    print("\nPaused guests.")
    show_round(report["summary"], report["collectors"])
    if report["running"]:
        print("\nThe same guests running, with nothing to do.")
        show_round(report["running"], [name for name in report["running"] if name != "idle"])
    if report["trouble"]:
        show_trouble(report["trouble"])
    print("\nTargets:")
    for target in report["targets"]:
        print(f"  {'met   ' if target['met'] else 'MISSED'}  {target['target']}: {_short(target['measured'])}")


def show_round(told, names):
    """Prints what each collector cost and delivered."""
    idle = told["idle"]
    libvirtd, qemu = _spread(idle["libvirtd"]), _spread(idle["qemu"])
    print(f"Idle, ms of CPU a minute: libvirtd {libvirtd}, QEMUs {qemu}; taken off below.\n")
    print("| collector | libvirtd, ms of CPU a minute | QEMUs | its own | series of guests | in all |")
    print("|---|---|---|---|---|---|")
    for name in names:
        cpu = told[name]["cpu_ms_per_minute"]
        row = [_spread(cpu[what]) for what in ("libvirtd", "qemu", "own")]
        print(f"| {name} | {' | '.join(row)} | {told[name]['series_of_guests']} | {told[name]['series']} |")
    print("\nSamples a minute; mean and worst age in seconds of the newest value there is:\n")
    print(f"| signal | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")
    for signal in signals.ALL:
        row = [_pace(told[name]["signals"][signal]) for name in names]
        print(f"| {signal} | {' | '.join(row)} |")


def show_trouble(troubles):
    """Prints what was missed while a guest moved and a libvirtd was stopped."""
    print("\nOne guest moving and one libvirtd stopped: samples missed of all other guests on the hosts that answer:\n")
    print("| collector | missed | of | by signal | migration | scrapes that failed |")
    print("|---|---|---|---|---|---|")
    for name, turn in troubles.items():
        of = sum(count["expected"] for count in turn["signals"].values())
        by = ", ".join(f"{signal} {count['missed']}" for signal, count in turn["signals"].items() if count["missed"])
        moved = turn["migration"]
        print(
            f"| {name} | {turn['missed_elsewhere']} | {of} | {by or 'none'} |"
            f" {moved['seconds']} s{'' if moved['arrived'] else ', failed'} | {turn['failed_scrapes']} |"
        )


def _pace(pace):
    if pace is None:
        return "none"
    return f"{pace['samples_per_minute']:.1f}; {pace['mean_age_seconds']:.1f}, {pace['worst_age_seconds']:.1f}"


def _short(measured):
    if isinstance(measured, dict) and "median" in measured:
        return f"{measured['median']:.2f} ({measured['from']:.2f} to {measured['to']:.2f})"
    return _pace(measured) if isinstance(measured, dict) else str(measured)
