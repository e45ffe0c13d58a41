"""Starting, ending and weighing processes, each known by its pid and when it began."""

import os
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Gone(RuntimeError):
    """A process that was to be measured has ended."""


def _stat(pid):
    """The fields of /proc/PID/stat after the name, or None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(") ", 1)[1].split(" ")
    except (OSError, IndexError):
        return None


def began(pid):
    """Ticks after boot at which it began; tells it from a later process of the same number."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def cpu_seconds(pid):
    """CPU that all its threads used so far, ended ones included."""
    fields = _stat(pid)
    if fields is None:
        raise Gone(f"process {pid} has ended")
    return (int(fields[11]) + int(fields[12])) / TICKS


def named(pid):
    """Its short name."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def children(parent):
    """Pids of the processes right below it."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in pids if (_stat(pid) or [None, "-1"])[1] == str(parent)]


def wait_until(what, seconds, true):
    """Waits until `true()`; raises TimeoutError with `what` when it does not come."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)


class Started:
    """A program this script started, in a session of its own so that Ctrl-C reaches it through us only."""

    def __init__(self, words, log, **more):
        with open(log, "ab") as file:
            self.child = subprocess.Popen(
                [str(word) for word in words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                **more,
            )
        self.words, self.log = words, log

    @property
    def pid(self):
        """Its pid; it is ours until `end`, so no other process can have it."""
        return self.child.pid

    def check(self):
        """Raises when it ended by itself."""
        if self.child.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                last = file.read().strip().splitlines()[-5:]
            raise Gone(f"{self.words[0]} ended with {self.child.returncode}: {' | '.join(last)}")

    def end(self, patience=15):
        """Asks it to end, and ends it when it has not within `patience` seconds."""
        for how, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5)):
            if self.child.poll() is not None:
                return
            self.child.send_signal(how)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                pass


def run(words, seconds=60, **more):
    """Runs a command to its end and gives what it printed; raises RuntimeError with its complaint."""
    try:
        done = subprocess.run(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            start_new_session=True,
            check=False,
            **more,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{words[0]} {words[1]}: no end within {seconds} s") from error
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.returncode}")
    return done.stdout
