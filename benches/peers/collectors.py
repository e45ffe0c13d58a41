"""Who is compared: each collects from libvirtd every ten seconds and is told apart by nothing but its name."""

import re
import socket
import threading
import time
import urllib.request

from . import processes, signals
from .processes import Started
from .signals import CPU, DISK, MEMORY, NET, STATE, VCPU

PERIOD = 10
LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, seconds, headers=None):
    """What a web server answers."""
    request = urllib.request.Request(url, headers=headers or {})
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return answer.read().decode()


def series_of(text):
    """Name and labels of every series in Prometheus's text format."""
    for line in text.splitlines():
        if found := LINE.match(line):
            yield found[1], dict(LABEL.findall(found[2] or "")), found[3]


class Every:
    """Calls something every so often from a thread of its own, on whole periods, until it is ended."""

    def __init__(self, seconds, what):
        self.seconds, self.what = seconds, what
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        due = time.monotonic()
        while not self.stop.wait(max(0.0, due - time.monotonic())):
            self.what()
            # What took too long leaves its turns out.
            due += self.seconds * max(1, int((time.monotonic() - due) / self.seconds + 1))

    def end(self):
        """Ends it; what it waits for is bounded by its own deadline."""
        self.stop.set()
        self.thread.join(30)


class Collector:
    """What all have in common. Its figures are of the hosts it was started for."""

    name = ""
    #: Seconds from start until its pace is steady.
    settling = 25
    #: Seconds between two samples of a signal, where they are not PERIOD.
    paces = {}

    def __init__(self, folder):
        self.folder = folder
        self.samples = signals.Samples()
        self.failures = 0
        self.programs = []
        self.series = 0
        self.guest_series = 0

    def start(self, hosts):
        """Starts it for these hosts."""
        raise NotImplementedError

    def pids(self):
        """Whose CPU is its own."""
        return [program.pid for program in self.programs]

    def cpu_seconds(self):
        """Its own CPU so far."""
        return sum(processes.cpu_seconds(pid) for pid in self.pids())

    def check(self):
        """Raises when it does not run any more."""
        for program in self.programs:
            program.check()

    def end(self):
        """Ends it; its samples stay."""
        for program in self.programs:
            program.end()

    def pace_of(self, signal):
        """Seconds between two samples of a signal."""
        return self.paces.get(signal, PERIOD)


class Exporter(Collector):
    """Debian's prometheus-libvirt-exporter, one for each host, scraped as Prometheus does by default: a scrape that
    takes longer than its period failed."""

    name = "prometheus-libvirt-exporter"
    signals_of = (
        ("libvirt_domain_state", STATE),
        ("libvirt_domain_info_cpu_time", CPU),
        ("libvirt_domain_info_memory_usage", MEMORY),
        ("libvirt_domain_block_stats", DISK),
        ("libvirt_domain_interface_stats", NET),
    )

    def __init__(self, folder):
        super().__init__(folder)
        self.scrapes = []

    def start(self, hosts):
        for host in hosts:
            port = free_port()
            words = [
                "prometheus-libvirt-exporter",
                f"--web.listen-address=127.0.0.1:{port}",
                f"--libvirt.uri={host.uri}",
            ]
            self.programs.append(Started(words, self.folder / f"exporter-{host.name}.log"))
            url = f"http://127.0.0.1:{port}/metrics"
            processes.wait_until("the exporter's port", 10, lambda port=port: listens(port))
            self.scrapes.append(Every(PERIOD, lambda url=url: self.scrape(url)))

    def scrape(self, url):
        """Notes what one scrape delivers; the values were read when it began, or later."""
        began = time.time()
        try:
            text = get(url, PERIOD)
        except OSError:
            self.failures += 1
            return
        told = time.time()
        series = guest_series = 0
        for name, labels, _ in series_of(text):
            series += 1
            guest = labels.get("domain")
            guest_series += guest is not None
            for begins, signal in self.signals_of:
                if guest and name.startswith(begins):
                    self.samples.add(guest, signal, began, told)
        self.series = max(self.series, series)
        self.guest_series = max(self.guest_series, guest_series)

    def end(self):
        super().end()
        for scrape in self.scrapes:
            scrape.end()


def listens(port):
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


COLLECTD = """
Hostname "{host}"
FQDNLookup false
Interval {period}
BaseDir "{folder}"
PIDFile "{folder}/pid"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin logfile
<Plugin logfile>
  LogLevel warning
  File "{folder}/log"
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "{folder}/csv"
  StoreRates false
</Plugin>
LoadPlugin virt
<Plugin virt>
  Connection "{uri}"
  RefreshInterval {refresh}
  ExtraStats "domain_state memory vcpu"
</Plugin>
"""


class Collectd(Collector):
    """collectd with its plugin virt, one for each host, whose values its plugin csv writes as they come."""

    name = "collectd"
    signals_of = (
        ("domain_state", STATE),
        ("virt_cpu_total", CPU),
        ("virt_vcpu", VCPU),
        ("memory", MEMORY),
        ("disk_", DISK),
        ("if_", NET),
    )

    def __init__(self, folder, refresh):
        super().__init__(folder)
        self.refresh = refresh
        self.folders = []

    def start(self, hosts):
        for host in hosts:
            folder = self.folder / f"collectd-{host.name}"
            folder.mkdir()
            self.folders.append(folder)
            config = folder / "collectd.conf"
            config.write_text(
                COLLECTD.format(
                    host=host.name, uri=host.uri, folder=folder, period=PERIOD, refresh=self.refresh
                )
            )
            words = ["/usr/sbin/collectd", "-f", "-C", config]
            self.programs.append(Started(words, folder / "output"))

    def end(self):
        super().end()
        for folder in self.folders:
            self._read(folder / "csv")

    def _read(self, folder):
        """Notes every row of every file `GUEST/virt/TYPE-INSTANCE-DAY`."""
        for file in folder.glob("*/virt*/*"):
            rows = file.read_text().splitlines()
            columns = len(rows[0].split(",")) - 1 if rows else 0
            self.series += columns
            self.guest_series += columns
            known = (to for begins, to in self.signals_of if file.name.startswith(begins))
            signal = next(known, None)
            for row in rows[1:] if signal else ():
                at = float(row.split(",", 1)[0])
                self.samples.add(file.parent.parent.name, signal, at, at)

