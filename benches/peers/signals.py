"""What was delivered and when: samples of signals of guests, their pace, age and gaps. Nothing here asks anybody."""

from collections import defaultdict
from dataclasses import dataclass

STATE, CPU, VCPU, CONTENTION = "state", "CPU time", "vCPU times", "contention"
MEMORY, DISK, NET = "memory", "disk", "network"
ALL = (STATE, CPU, VCPU, CONTENTION, MEMORY, DISK, NET)


@dataclass(frozen=True)
class Sample:
    """One look at one signal of a guest."""

    read_at: float
    told_at: float


@dataclass
class Pace:
    """How often and how old a signal was, over all guests of a window."""

    guests: int
    per_minute: float
    mean_age: float
    worst_age: float

    def as_json(self):
        """Rounded, for the report."""
        return {
            "guests": self.guests,
            "samples_per_minute": round(self.per_minute, 2),
            "mean_age_seconds": round(self.mean_age, 2),
            "worst_age_seconds": round(self.worst_age, 2),
        }


class Samples:
    """Every sample a collector delivered, by guest and signal."""

    #: Several counters of one disk or card come one after the other: what is nearer than this is one look.
    ONE_LOOK = 1.0

    def __init__(self):
        self._kept = defaultdict(list)

    def add(self, guest, signal, read_at, told_at):
        """Notes a sample."""
        self._kept[guest, signal].append(Sample(read_at, told_at))

    def of(self, guest, signal):
        """One for each look, in the order they were told."""
        looks = []
        for sample in sorted(self._kept.get((guest, signal), ()), key=lambda sample: sample.told_at):
            if not looks or sample.told_at - looks[-1].told_at >= self.ONE_LOOK:
                looks.append(sample)
        return looks

    def guests(self, signal):
        """Who has any of this signal."""
        return sorted({guest for guest, of in self._kept if of == signal})


def ages(samples, begin, end):
    """Mean and worst age of the newest value that was there, from `begin` to `end`; None where there was none at
    the start. Between two samples a value ages as the clock goes."""
    newest, at, sum_of, worst = None, begin, 0.0, 0.0
    for sample in samples:
        if sample.told_at <= begin:
            newest = _newer(newest, sample)
            continue
        if newest is None or sample.told_at > end:
            break
        sum_of, worst = _aged(newest, at, sample.told_at, sum_of, worst)
        newest, at = _newer(newest, sample), sample.told_at
    if newest is None:
        return None
    sum_of, worst = _aged(newest, at, end, sum_of, worst)
    return sum_of / (end - begin), worst


def _newer(newest, sample):
    return sample if newest is None or sample.read_at > newest.read_at else newest


def _aged(newest, since, until, sum_of, worst):
    old, older = since - newest.read_at, until - newest.read_at
    return sum_of + (old + older) / 2 * (until - since), max(worst, older)


def pace(samples, signal, guests, begin, end):
    """The pace of a signal over these guests; None where nobody has it."""
    told, mean, worst, having = 0, 0.0, 0.0, 0
    for guest in guests:
        of_guest = samples.of(guest, signal)
        age = ages(of_guest, begin, end)
        if age is None:
            continue
        having += 1
        told += sum(begin < sample.told_at <= end for sample in of_guest)
        mean, worst = mean + age[0], max(worst, age[1])
    if not having:
        return None
    return Pace(having, told / having * 60 / (end - begin), mean / having, worst)


def missed(samples, guest, signal, every, begin, end):
    """How many samples are missing of one that was to come `every` so many seconds: where two follow each other one
    and a half times as far apart or more, and as much before the first and after the last."""
    moments = [sample.read_at for sample in samples.of(guest, signal)]
    moments = [moment for moment in moments if begin < moment <= end]
    if not moments:
        return int((end - begin) / every)
    edges = [begin, *moments, end]
    gaps = (after - before for before, after in zip(edges, edges[1:]))
    return sum(max(0, int(gap / every + 0.5) - 1) for gap in gaps)
