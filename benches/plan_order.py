#!/usr/bin/env python3
"""Puts published migration plans in order with `bellwether plan order`, plays the answers against a model of their own,
and compares them with the plans of mVM that came with them and, where Python has ortools, with the optimum CP-SAT proves.

Then the same for a thousand moves over two hundred hosts, against what the busiest link has to carry.

    cargo build --release -p bellwether-cli
    benches/plan_order.py FOLDER            # of random.N.json, as in btrplace/migrations-UCC-15"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Seconds by GB of memory and Mbit/s, as published.
SECONDS = {(2, 1000): 20, (2, 500): 51, (3, 1000): 29, (3, 500): 70}


def ordered(program, path):
    """What the program says, times in seconds."""
    done = subprocess.run([program, "plan", "order", path, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class Instance:
    """A published plan: who is where, what is free, what moves."""

    def __init__(self, path):
        document = json.loads(path.read_text())
        origin = document["origin"]
        nodes = origin["mapping"]["onlineNodes"]
        self.hosts = sorted(map(int, nodes))
        self.links = {host: 500 if at < len(self.hosts) // 2 else 1000 for at, host in enumerate(self.hosts)}
        self.at = {vm: int(node) for node, there in nodes.items() for vm in there["runningVMs"]}
        views = {view["rcId"]: view for view in origin["views"]}
        self.needs = {kind: {vm: view["vms"][str(vm)] for vm in self.at} for kind, view in views.items()}
        self.room = {kind: {host: view["nodes"][str(host)] for host in self.hosts} for kind, view in views.items()}
        self.moves = [(action["vm"], action["to"]) for action in document["actions"]]
        self.published = max(action["end"] for action in document["actions"])

    def trip(self, vm, source, target):
        """Mbit/s and seconds."""
        mbit = min(self.links[source], self.links[target])
        return mbit, SECONDS[self.needs["mem"][vm], mbit]

    def faults(self, steps):
        """What of a plan does not hold, played event by event."""
        found, at = [], dict(self.at)
        for step in steps:
            vm, source, target = step["vm"], step["from"], step["to"]
            mbit, seconds = self.trip(vm, source, target)
            if at[vm] != source:
                found.append(f"{vm} is not on {source}")
            if (step["mbit"], step["end_s"] - step["start_s"]) != (mbit, seconds):
                found.append(f"{vm} takes {mbit} Mbit/s for {seconds} s, not {step}")
            at[vm] = target
        if any(at[vm] != target for vm, target in self.moves):
            found.append("not everything is where it was to go")
        for now in {step["start_s"] for step in steps}:
            out, into = defaultdict(int), defaultdict(int)
            used = {kind: defaultdict(int) for kind in self.room}
            for kind, needs in self.needs.items():
                for vm, host in self.at.items():
                    used[kind][host] += needs[vm]
            for step in steps:
                if step["start_s"] <= now < step["end_s"]:
                    out[step["from"]] += step["mbit"]
                    into[step["to"]] += step["mbit"]
                for kind, needs in self.needs.items():
                    used[kind][step["to"]] += needs[step["vm"]] * (step["start_s"] <= now)
                    used[kind][step["from"]] -= needs[step["vm"]] * (step["end_s"] <= now)
            for host in self.hosts:
                if max(out[host], into[host]) > self.links[host]:
                    found.append(f"the link of {host} is overfull at {now}")
                found += [f"no {kind} on {host} at {now}" for kind in used if used[kind][host] > self.room[kind][host]]
        return found

    def optimum(self):
        """What CP-SAT proves to be the shortest; none where there is no CP-SAT, or no proof in a minute."""
        try:
            from ortools.sat.python import cp_model
        except ImportError:
            return None
        model = cp_model.CpModel()
        trips = {vm: self.trip(vm, self.at[vm], target) for vm, target in self.moves}
        horizon = sum(seconds for _, seconds in trips.values())
        starts = {vm: model.new_int_var(0, horizon, f"start{vm}") for vm in trips}
        spans = {vm: model.new_fixed_size_interval_var(starts[vm], trips[vm][1], f"span{vm}") for vm in trips}
        last = model.new_int_var(0, horizon, "last")
        model.add_max_equality(last, [starts[vm] + trips[vm][1] for vm in trips])
        for host in self.hosts:
            for goes in ([vm for vm, _ in self.moves if self.at[vm] == host], [vm for vm, target in self.moves if target == host]):
                model.add_cumulative([spans[vm] for vm in goes], [trips[vm][0] for vm in goes], self.links[host])
            for kind, needs in self.needs.items():
                free = self.room[kind][host] - sum(needs[vm] for vm, there in self.at.items() if there == host)
                times, changes = [], []
                for vm, target in self.moves:
                    if target == host:
                        times.append(starts[vm])
                        changes.append(needs[vm])
                    if self.at[vm] == host:
                        times.append(starts[vm] + trips[vm][1])
                        changes.append(-needs[vm])
                if times:
                    model.add_reservoir_constraint(times, changes, -(10**6), free)
        model.minimize(last)
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = 60
        return solver.objective_value if solver.solve(model) == cp_model.OPTIMAL else None


def published(program, folder):
    """The published plans; whether all is as it should be."""
    paths = sorted(folder.glob("*.json"), key=lambda path: (len(path.name), path.name))
    ours, theirs, best, times, wrong = [], [], [], [], 0
    for path in paths:
        instance, plan = Instance(path), ordered(program, path)
        for fault in instance.faults(plan["steps"]) + [left["why"] for left in plan["left"]]:
            print(f"{path.name}: {fault}")
            wrong += 1
        ours.append(plan["makespan_s"])
        theirs.append(instance.published)
        times.append(plan["search_ms"])
        best.append(instance.optimum())
        if best[-1] is not None and ours[-1] > best[-1]:
            print(f"{path.name}: {ours[-1]:.0f} s, optimum {best[-1]:.0f} s")
    print(f"{len(paths)} published plans: {statistics.mean(ours):.2f} s in the mean, mVM's {statistics.mean(theirs):.2f} s")
    print(f"searched for {statistics.median(times):.2f} ms in the median, {max(times):.2f} ms at most")
    if None in best:
        print("no optimum to compare with (needs Python's ortools)")
        return wrong == 0
    same = sum(a == b for a, b in zip(ours, best))
    print(f"proven optimum (CP-SAT): {statistics.mean(best):.2f} s in the mean, reached in {same} of {len(paths)}")
    return wrong == 0 and same == len(paths)


def large(program, seed):
    """A thousand moves over two hundred hosts: by which factor the bound is missed, and how long it took."""
    dice = random.Random(seed)
    hosts = [{"name": f"h{n}", "memory_mib": 65536 * 4, "link_mbit": 10000 if n % 4 == 0 else 1000} for n in range(200)]
    vms, moves = [], []
    for n in range(1000):
        source, target = dice.sample(range(200), 2)
        size = dice.choice([1024, 2048, 4096, 8192, 16384])
        cold = dice.choice([0, 1, 5, 20])
        vms.append({"name": f"v{n}", "host": f"h{source}", "memory_mib": size, "hot_mib": 16, "cold_mib_per_s": cold})
        moves.append({"vm": f"v{n}", "to": f"h{target}"})
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"hosts": hosts, "vms": vms, "moves": moves}, file)
        file.flush()
        plan = ordered(program, file.name)
    assert not plan["left"], plan["left"]
    return plan["makespan_s"] / plan["bound_s"], plan["search_ms"]


def main():
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="published plans, as BtrPlace's JSON")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/bellwether")
    options = parser.parse_args()
    good = published(options.program, options.folder)
    results = [large(options.program, seed) for seed in range(10)]
    factors, times = [factor for factor, _ in results], [ms for _, ms in results]
    print(f"1,000 moves over 200 hosts, 10 seeds: {max(factors):.4f} times the links' bound at most, in {max(times):.1f} ms at most")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
