#!/usr/bin/env python3
"""Judges a suite's recorded series with savvi, gbstats and a repeated z-test, beside what tidegate made of them.

    pip install savvi==0.2.0 gbstats==0.8.0 matplotlib  # savvi imports matplotlib and does not say so
    tidegate backtest rollout.yaml --suite recordings --json > tidegate.json
    python3 peers.py recordings --tidegate tidegate.json

None of the three chooses shares, so all get fixed steps: 5 %, 25 % and 50 % of the traffic for ten minutes each, then
everything. They look once a minute, at minutes that ended a minute ago, and go back for good when the candidate fails
more, or has more answers slower than the stable slot's p95. The candidate's slow answers are counted 3 % later, as
tidegate's are. Each peer may be wrong about 1 healthy release in 100:

savvi    InhomogeneousPoissonProcess, Lindon's test for canaries, alpha 0.005 for each of both counts; its odds go on
         from step to step, with the step's share
gbstats  SequentialTwoSidedTTest of proportions, alpha 0.01 for each of both counts, when the candidate is the worse
z        a one-sided z-test of proportions at 0.005, again at every look, as it is often done
"""

import argparse
import glob
import json
import math
import os
import random
import statistics
import sys
import warnings

STEPS = ((0, 0.05), (10, 0.25), (20, 0.50), (30, 1.0))
DELAY = 1  # minutes from a minute's end until it can be read


def binomial(dice, of, chance):
    """Exact for few, a rounded normal draw where the variance is more than 25."""
    of = round(of)
    variance = of * chance * (1 - chance)
    if variance > 25:
        return min(of, max(0, round(dice.gauss(of * chance, math.sqrt(variance)))))
    return sum(dice.random() < chance for _ in range(of)) if 0 < chance < 1 else of * (chance >= 1)


def thinned(dice, line, slow_at, part):
    """Requests, failures and slow answers that are kept when a request is kept with a chance of `part`."""
    slow = list(line["slower_than"].values())[slow_at]
    kept_slow = binomial(dice, slow, part)
    requests = kept_slow + binomial(dice, line["requests"] - slow, part)
    burst = line.get("burst", 1)
    whole, rest = divmod(line["errors_5xx"], burst)
    errors = burst * binomial(dice, whole, part) + rest * (burst > 1 and dice.random() < part)
    return requests, min(requests, errors), kept_slow, line.get("harmed", 0.0) * part


def slot(dice, lines, slow_at, share, served):
    """What a slot counts with this share of the traffic: between two levels their mixture."""
    by = "served" if any("served" in line for line in lines) else "load"
    lines = sorted(lines, key=lambda line: line.get(by, 0))
    at = served if by == "served" else 100 * share
    below = [line for line in lines if line.get(by, 0) <= at][-1:]
    above = [line for line in lines if line.get(by, 0) > at][:1]
    mixed = [(line, share) for line in below or above]
    if below and above:
        part = (at - below[0].get(by, 0)) / (above[0][by] - below[0].get(by, 0))
        mixed = [(below[0], share * (1 - part)), (above[0], share * part)]
    return [sum(values) for values in zip(*(thinned(dice, line, slow_at, part) for line, part in mixed))]


class Savvi:
    def __init__(self):
        self.odds = [1.0, 1.0]

    def step(self, share):
        import numpy
        from savvi.multinomial import InhomogeneousPoissonProcess

        weights = numpy.array([[-1, 1]])
        before = self.odds
        self.tests = [InhomogeneousPoissonProcess(0.005, numpy.array([1 - share, share]), weights) for _ in before]
        for test, odds in zip(self.tests, before):
            test.odds = odds

    def worse(self, minute, total):
        import numpy

        found = False
        for number, test in enumerate(self.tests):
            counts = numpy.array([minute["stable"][number + 1], minute["candidate"][number + 1]], dtype=numpy.int64)
            if counts.sum() > 0:
                test.update(counts)
            self.odds[number] = test.odds
            found |= test.odds >= 1 / 0.005 and rate(total["candidate"], number) > rate(total["stable"], number)
        return found


class Gbstats:
    def step(self, share):
        pass

    def worse(self, minute, total):
        from gbstats.frequentist.tests import SequentialConfig, SequentialTwoSidedTTest
        from gbstats.models.statistics import ProportionStatistic

        for number in (0, 1):
            of = [ProportionStatistic(n=total[name][0], sum=total[name][number + 1]) for name in ("stable", "candidate")]
            if min(of[0].n, of[1].n) < 1:
                continue
            result = SequentialTwoSidedTTest(*of, SequentialConfig(alpha=0.01)).compute_result()
            if result.p_value < 0.01 and result.expected > 0:
                return True
        return False


class Z:
    def step(self, share):
        pass

    def worse(self, minute, total):
        for number in (0, 1):
            (n, *a), (m, *b) = total["stable"], total["candidate"]
            x, y = a[number], b[number]
            pooled = (x + y) / max(1, n + m)
            spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)) if min(n, m) > 0 else 0
            if spread > 0 and (y / m - x / n) / spread > 2.5758:
                return True
        return False


PEERS = {"savvi": Savvi, "gbstats": Gbstats, "z": Z}


def rate(total, number):
    return total[number + 1] / max(1, total[0])


def play(minutes, slow_at, peer, dice):
    """Minutes from the first request to going back, or None, and how many requests were harmed."""
    total = {"stable": [0, 0, 0], "candidate": [0, 0, 0]}
    served = {"stable": 0, "candidate": 0}
    steps, judged, waiting, harmed = dict(STEPS), None, [], 0.0
    for now, minute in enumerate(minutes):
        share = steps.get(now, share if now else 0.0)
        if len(waiting) > DELAY:
            given, old = waiting.pop(0)
            if given < 1 and given != judged:
                judged = given
                peer.step(given)
            total = {name: [one + more for one, more in zip(total[name], old[name])] for name in total}
            if given < 1 and peer.worse(old, total):
                return now, harmed
        counted = {}
        for name, part in (("stable", 1 - share), ("candidate", share)):
            lines = minute.get(name)
            requests, errors, slow, harm = slot(dice, lines, slow_at, part, served[name]) if lines else (0, 0, 0, 0)
            counted[name] = [requests, errors, slow]
            served[name] += requests
            harmed += harm
        waiting.append((share, counted))
    return None, harmed


def read(folder):
    """Every series: what is known of it, and the lines from the candidate's first request on by minute and slot."""
    for path in sorted(glob.glob(os.path.join(folder, "*.jsonl"))):
        header, lines = None, []
        with open(path, encoding="utf-8") as file:
            for line in map(json.loads, filter(str.strip, file)):
                if "world" in line:
                    if header:
                        yield header, by_minute(lines)
                    header, lines = line, []
                else:
                    lines.append(line)
        if header:
            yield header, by_minute(lines)


def by_minute(lines):
    first = min(line["at"] for line in lines if line["slot"] == "candidate")
    minutes = {}
    for line in lines:
        if line["at"] >= first:
            minutes.setdefault(line["at"], {}).setdefault(line["slot"], []).append(line)
    return [minutes[at] for at in sorted(minutes)]


def cell(of, runs, harmed, seconds):
    took = f"{seconds:.0f} s" if seconds is not None else "-"
    return f"{100 * of / runs:.1f} % / {harmed:.0f} / {took}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="the suite")
    parser.add_argument("--tidegate", help="what `tidegate backtest SPEC --suite FOLDER --json` printed")
    parser.add_argument("--peers", default=",".join(PEERS), help="by commas (%(default)s)")
    parser.add_argument("--slow-at", type=int, default=3, help="which of the series' times is its p95 (%(default)s)")
    parser.add_argument("--seed", default="1", help="decides which requests are kept (%(default)s)")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    names = asked.peers.split(",")
    cells = {}
    for number, (header, minutes) in enumerate(read(asked.folder)):
        key = (header["truth"], header["world"], float(header["rate"]))
        for name in names:
            ended = play(minutes, asked.slow_at, PEERS[name](), random.Random(f"{asked.seed}/{number}"))
            cells.setdefault(key, {}).setdefault(name, []).append(ended)
    ours = {}
    if asked.tidegate:
        with open(asked.tidegate, encoding="utf-8") as file:
            for made in json.load(file)["cells"]:
                ours[made["truth"], made["world"], made["rps"]] = made
    heads = (["tidegate"] if ours else []) + names
    print(f"| truth | world | rps | runs | {' | '.join(heads)} |\n|---|---|---|---|{'---|' * len(heads)}")
    for key in sorted(cells, key=lambda key: (key[0] == "bad",)):
        row = []
        if ours:
            made = ours[key]
            back = made["rolled_back"]
            took = made["seconds_to_detect"]["median"]
            row.append(cell(back["of"], back["runs"], made["harmed_requests"]["mean"], took))
        for name in names:
            ends = cells[key][name]
            backs = [60 * back for back, _ in ends if back is not None]
            harmed = statistics.fmean(harmed for _, harmed in ends)
            row.append(cell(len(backs), len(ends), harmed, statistics.median_low(backs) if backs else None))
        truth, world, rps = key
        print(f"| {truth} | {world} | {rps:g} | {len(cells[key][names[0]])} | {' | '.join(row)} |")
    print("\nIn a cell: rolled back / requests harmed, mean / median time to go back.")


if __name__ == "__main__":
    sys.exit(main())
