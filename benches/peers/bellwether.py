"""Bellwether as one of those compared: a bellwetherd of its own, at its defaults but for where it listens and where
it delivers."""

import json
import secrets
import socket
import subprocess
import threading
import time
import urllib.request
from urllib.error import URLError

from . import processes
from .collectors import PERIOD, Collector, Every, free_port, get, listens, series_of
from .processes import Started
from .signals import CONTENTION, CPU, DISK, MEMORY, NET, STATE, VCPU


class Carbon:
    """Takes lines of Graphite's plaintext protocol, each with when it came."""

    def __init__(self, take):
        self.take = take
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with connection, connection.makefile(encoding="utf-8") as lines:
            for line in lines:
                self.take(line.split(" ")[0], time.time())

    def end(self):
        """Listens no more."""
        self.listener.close()


class Bellwether(Collector):
    """One bellwetherd for all hosts. When each signal was measured is known from what it pushes to Graphite as it comes;
    besides, /metrics is scraped as the exporter's is."""

    name = "Bellwether"
    paces = {MEMORY: 30, DISK: 30}
    settling = 45
    signals_of = {
        "cpu": (STATE, CPU),
        # All CPU less that of the vCPUs.
        "overhead": (VCPU,),
        "contention": (CONTENTION,),
        "memory_resident": (MEMORY,),
        "disk_read": (DISK,),
        "net_rx": (NET,),
    }
    #: Lines of the configuration that are not defaults.
    more = ""

    def __init__(self, folder, program):
        super().__init__(folder)
        self.program = program
        self.guests = {}
        self.carbon = Carbon(self._take)
        self.scrapes = None
        #: Longest a host took to answer: what came was read at most this long before.
        self.latency = 0.0
        self.pushed = []

    def start(self, hosts):
        self.guests = {guest for host in hosts for guest in host.guests}
        listen, metrics = free_port(), free_port()
        config = self.folder / "bellwetherd.toml"
        config.write_text(
            f'listen = "127.0.0.1:{listen}"\ndata_dir = "{self.folder}/data"\n'
            f'graphite = ["127.0.0.1:{self.carbon.port}"]\n{self.more}'
            f'[metrics]\nlisten = "127.0.0.1:{metrics}"\n'
        )
        words = [self.program, "--config", config]
        password = secrets.token_urlsafe(18)
        self._make_admin(words, password)
        self.programs.append(Started(words, self.folder / "bellwetherd.log"))
        processes.wait_until("bellwetherd's port", 30, lambda: self.check() or listens(listen))
        self._add(f"http://127.0.0.1:{listen}/api/v1", password, hosts)
        self.scrapes = Every(PERIOD, lambda: self.scrape(f"http://127.0.0.1:{metrics}/metrics"))

    @staticmethod
    def _make_admin(words, password):
        done = subprocess.run(
            [*map(str, words), "admin", "create", "admin"],
            input=f"{password}\n{password}\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"no administrator was made: {done.stderr.strip()}")

    @staticmethod
    def _add(url, password, hosts):
        def post(path, body, headers=None):
            headers = {"Content-Type": "application/json", **(headers or {})}
            request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except URLError as error:
                said = error.read().decode() if hasattr(error, "read") else error
                raise RuntimeError(f"POST {path}: {said}") from error

        token = {"name": "measuring", "days": 1}
        session = post("/session", {"login": "admin", "password": password, "token": token})
        bearer = {"Authorization": f"Bearer {session['token']['secret']}"}
        for host in hosts:
            wanted = {
                "name": host.name,
                "uri": host.uri,
                "peer_uri": host.peer_uri,
                "migration_address": host.address,
            }
            post("/hosts", wanted, bearer)

    def _take(self, path, told):
        """A point that was pushed: bellwether.vms.NAME_UUID.SIGNAL."""
        parts = path.split(".")
        if len(parts) == 4 and parts[1] == "vms" and parts[3] in self.signals_of:
            self.pushed.append((parts[2].rsplit("_", 1)[0], parts[3], told))

    def scrape(self, url):
        """Notes what one scrape delivers."""
        try:
            text = get(url, PERIOD)
        except OSError:
            self.failures += 1
            return
        series = guest_series = 0
        for name, labels, value in series_of(text):
            series += 1
            guest_series += "domain" in labels
            if name == "bellwether_host_sample_duration_seconds":
                self.latency = max(self.latency, float(value))
        self.series = max(self.series, series)
        self.guest_series = max(self.guest_series, guest_series)

    def end(self):
        if self.scrapes is not None:
            self.scrapes.end()
        super().end()
        self.carbon.end()
        for guest, word, told in self.pushed:
            for signal in self.signals_of[word]:
                self.samples.add(guest, signal, told - self.latency, told)


class Strict(Bellwether):
    """The same with everything looked at every ten seconds: as fresh as the exporter in every signal."""

    name = "Bellwether, all every 10 s"
    paces = {}
    more = f"memory_period_seconds = {PERIOD}\ndisk_period_seconds = {PERIOD}\n"
