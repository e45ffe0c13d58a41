"""The lab, and small guests on it: one disk, one network card, paused from their first instant."""

import json
import os
import signal
import time
import uuid
import xml.etree.ElementTree as xml
from pathlib import Path

from . import processes
from .processes import run

EMULATOR = "/usr/bin/qemu-system-x86_64"
LOCAL_POOL = "/var/lib/libvirt/images"
MIB = 1 << 20


class Host:
    """One lab host: a libvirtd with its guests."""

    def __init__(self, told, bridge):
        self.name = told["name"]
        self.uri = told["uris"]["local"]
        self.peer_uri = told["uris"]["tcp"]
        self.address = told["address"]
        self.pool = Path(told["local_pool"])
        self.init = told["init"]["pid"]
        self.bridge = bridge
        self.guests = []

    def libvirtd(self):
        """Pid of its libvirtd."""
        found = [pid for pid in processes.children(self.init) if processes.named(pid) == "libvirtd"]
        if len(found) != 1:
            raise RuntimeError(f"{self.name} has {len(found)} libvirtds instead of one")
        return found[0]

    def emulators(self):
        """Pids of its guests' QEMUs."""
        below = processes.children(self.init)
        return [pid for pid in below if processes.named(pid).startswith("qemu-system")]

    def virsh(self, *words, seconds=60):
        """What virsh prints."""
        return run(["virsh", "--quiet", "--connect", self.uri, *words], seconds)

    def add_guest(self, name, kvm, data_mib=0):
        """Defines and starts a paused guest, with so much on its disk."""
        disk = self.pool / f"{name}.qcow2"
        if data_mib:
            fill_disk(disk, data_mib)
        else:
            run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"])
        definition = self.pool / f"{name}.xml"
        definition.write_bytes(guest_xml(name, self.bridge, kvm))
        self.virsh("define", definition)
        self.virsh("start", "--paused", name)
        self.guests.append(name)

    def resume_guests(self):
        """Lets its guests run: they find nothing to boot from, and wait."""
        for name in self.guests:
            self.virsh("resume", name)

    def remove_guest(self, name):
        """Ends and forgets a guest wherever it stands; fine when there is none."""
        for words in (("destroy", name), ("undefine", name)):
            try:
                self.virsh(*words)
            except RuntimeError:
                pass
        (self.pool / f"{name}.qcow2").unlink(missing_ok=True)
        if name in self.guests:
            self.guests.remove(name)

    def stop(self):
        """Stops its libvirtd where it stands, as a machine does that hangs."""
        os.kill(self.libvirtd(), signal.SIGSTOP)

    def go_on(self):
        """Lets it go on; fine when it was not stopped."""
        os.kill(self.libvirtd(), signal.SIGCONT)


def fill_disk(path, mib):
    """A qcow2 disk whose data can't be skipped when it is copied."""
    raw = path.with_suffix(".raw")
    with open(raw, "wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path])
    raw.unlink()


def guest_xml(name, bridge, kvm):
    """libvirt's definition of a guest."""
    domain = xml.Element("domain", type="kvm" if kvm else "qemu")

    def put(parent, tag, text=None, **attributes):
        element = xml.SubElement(parent, tag, attributes)
        element.text = text
        return element

    put(domain, "name", name)
    put(domain, "uuid", str(uuid.uuid4()))
    put(domain, "memory", "16", unit="MiB")
    put(domain, "vcpu", "1")
    put(put(domain, "os"), "type", "hvm", arch="x86_64", machine="pc")
    devices = put(domain, "devices")
    put(devices, "emulator", EMULATOR)
    disk = put(devices, "disk", type="file", device="disk")
    put(disk, "driver", name="qemu", type="qcow2")
    put(disk, "source", file=f"{LOCAL_POOL}/{name}.qcow2")
    put(disk, "target", dev="vda", bus="virtio")
    card = put(devices, "interface", type="bridge")
    put(card, "source", bridge=bridge)
    put(card, "model", type="virtio")
    return xml.tostring(domain)


class Lab:
    """Three hosts: the one that is weighed, the one a guest moves to, the one that is stopped."""

    def __init__(self, program, name, guests, others):
        self.words = [program, "--name", name]
        self.name, self.count, self.others = name, guests, others
        self.made = False
        self.hosts = []
        self.kvm = False

    def exists(self):
        """Whether there is a lab of this name already."""
        try:
            run([*self.words, "status"])
            return True
        except RuntimeError as error:
            return "there is no lab" not in str(error)

    def up(self):
        """Makes it with its guests."""
        if self.exists():
            raise RuntimeError(f"there is a lab {self.name} already: bring it down, or give another --lab")
        self.made = True
        memory = f"{self.count * 80 + 1024},2048,1024"
        run([*self.words, "up", "--hosts", "3", "--cores", "2,1,1", "--memory", memory], 180)
        told = json.loads(run([*self.words, "status", "--json"]))
        self.kvm = told["kvm"]
        self.hosts = [Host(host, told["guests"]["bridge"]) for host in told["hosts"]]
        counts = (self.count, self.others, self.others)
        for host, count in zip(self.hosts, counts):
            for number in range(1, count + 1):
                host.add_guest(f"{host.name}-{number:02}", self.kvm)

    def down(self):
        """Removes it with everything in it; a stopped libvirtd first goes on."""
        if not self.made:
            return
        for host in self.hosts:
            try:
                host.go_on()
            except (OSError, RuntimeError):
                pass
        run([*self.words, "down"], 120)
        self.made = False


class Move:
    """A guest that moves with its disk, slowly: a mebibyte a second."""

    def __init__(self, source, target, name, seconds, kvm):
        self.source, self.target, self.name = source, target, name
        source.add_guest(name, kvm, data_mib=seconds)
        self.child = None
        self.began = None

    def begin(self, log):
        """Starts to move."""
        words = "migrate --live --p2p --persistent --undefinesource --copy-storage-all --bandwidth 1"
        self.began = time.monotonic()
        uri = ["virsh", "--quiet", "--connect", self.source.uri]
        self.child = processes.Started(
            [*uri, *words.split(), self.name, self.target.peer_uri], log
        )

    def under_way(self):
        """Whether it still moves."""
        return self.child is not None and self.child.child.poll() is None

    def outcome(self, patience):
        """Waits for its end; seconds it took, and whether it arrived."""
        processes.wait_until("the migration's end", patience, lambda: not self.under_way())
        took = time.monotonic() - self.began
        arrived = self.child.child.returncode == 0
        return {"seconds": round(took, 1), "arrived": arrived}

    def clear(self):
        """Removes the guest wherever it is."""
        if self.child is not None:
            self.child.end()
        self.source.remove_guest(self.name)
        self.target.remove_guest(self.name)
