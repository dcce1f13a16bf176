#!/usr/bin/env python3
"""Writes a suite of recorded series whose truth is known, for `tidegate backtest SPEC --suite FOLDER`.

It shares no code with tidegate: the service, its noise and what is wrong with a release are made here, with the
standard library alone. The same seed writes the same bytes.

    python3 generate.py recordings --runs 20
    python3 generate.py - --runs 2000 --worlds leak --rates 30 | tidegate backtest rollout.yaml --suite -

The service: response times are a mixture of two lognormals, 85 % with a median of 60 ms and 15 % with one of 250 ms;
one request in a thousand fails. Draws with a variance of more than 25 are normal ones, rounded.
"""

import argparse
import math
import os
import random
import sys

START = 1767225600  # 2026-01-01T00:00:00Z, the candidate's first request
PARTS = ((0.85, math.log(0.060), 0.4), (0.15, math.log(0.250), 0.5))
ERRORS = 0.001
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
SLOWER = 1.03  # by how much a spec's compare gate lets the candidate be slower


def beyond(seconds):
    """The share of the service's answers that take longer."""
    if seconds <= 0:
        return 1.0
    at = math.log(seconds)
    return sum(part * 0.5 * math.erfc((at - location) / sigma / math.sqrt(2)) for part, location, sigma in PARTS)


def quantile(part):
    low, high = 1e-4, 100.0
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if beyond(middle) < 1 - part else (middle, high)
    return middle


MARKS = [float(f"{quantile(part):.4g}") for part in QUANTILES]
P95 = MARKS[3]


class State:
    """What a slot is like in one minute.

    parts: shares of its answers, how many times slower each is, and by how many seconds more.
    """

    def __init__(self, errors=ERRORS, factor=1.0, parts=((1.0, 1.0, 0.0),), refused=0.0, burst=1):
        self.errors, self.factor, self.parts, self.refused, self.burst = errors, factor, parts, refused, burst

    def slower_than(self, seconds, noise=1.0):
        by = self.factor * noise
        return sum(part * beyond((seconds - more) / (factor * by)) for part, factor, more in self.parts)


class World:
    """A named world: what both slots are like, minute after minute from the candidate's first request on.

    stable, candidate: from the minute to a State, or to a list of (level, State) where `by` says what levels are.
    past, noise, own: the standard deviation of the logarithm of a slot's speed from minute to minute, in the past
    and now, of the candidate alone where it differs; keep: what part of a minute's deviation the next one keeps.
    """

    def __init__(self, name, truth, candidate=None, stable=None, **more):
        usual = lambda minute: State()
        self.name, self.truth = name, truth
        self.candidate, self.stable = candidate or usual, stable or usual
        self.by = more.get("by")
        self.noise = more.get("noise", 0.02)
        self.past = more.get("past", self.noise)
        self.own = more.get("own", self.noise)
        self.keep = more.get("keep", 0.0)
        self.minutes = more.get("minutes", 60)
        self.lottery = more.get("lottery")
        # What the slot that has all of the traffic is like.
        self.before = more.get("before", State())


def warm(factor):
    return lambda minute: State(factor=factor(minute))


def by_load(minute):
    return [(share, State(factor=1 + 0.2 * share / 100)) for share in (0, 25, 50, 75, 100)]


def by_requests(minute):
    return [(served, State(factor=2 - served / 4000)) for served in range(0, 4001, 500)]


def brown_out(in_zone):
    """A zone in which answers take three times as long and 5 % fail, for ten minutes."""

    def state(minute):
        if not 6 <= minute < 16:
            return State()
        parts = ((1 - in_zone, 1.0, 0.0), (in_zone, 3.0, 0.0))
        return State(errors=ERRORS + in_zone * 0.05, parts=parts)

    return state


def leak(minute):
    late = max(0.0, minute + 0.5 - 20)
    return State(errors=ERRORS + 0.0005 * late, factor=1 + 0.05 * late)


def by_the_hour(minute):
    """What a day does to both slots: 10 % slower and a quarter more failures with every hour."""
    return State(errors=ERRORS * (1 + minute / 240), factor=1 + minute / 600)


BURSTY = State(burst=4)

WORLDS = [
    World("healthy", "healthy"),
    World("bursty", "healthy", lambda minute: BURSTY, lambda minute: BURSTY, noise=0.05, before=BURSTY),
    World("wandering", "healthy", noise=0.05, keep=0.8),
    World("by-the-hour", "healthy", by_the_hour, by_the_hour),
    World("warm-2m", "healthy", warm(lambda minute: 2.0 if minute < 2 else 1.0)),
    World("warm-5m", "healthy", warm(lambda minute: 1.3 if minute < 5 else 1.0)),
    World("warm-90s", "healthy", warm(lambda minute: 1 + math.exp(-(minute + 0.5) * 60 / 90))),
    World("warm-4000", "healthy", by_requests, by="served"),
    World("load", "healthy", by_load, by_load, by="load", before=State(factor=1.2)),
    World("quiet-night", "healthy", noise=0.05, past=0.01),
    World("calm-night", "healthy", noise=0.05, past=0.025),
    World("own-noise", "healthy", noise=0.02, own=0.06),
    World("hosts", "healthy", lottery=(4, 0.04)),
    World("brown-out", "healthy", brown_out(1 / 2), brown_out(1 / 3)),
    World("leak", "bad", leak, minutes=180),
    World("bursts-20", "bad", lambda minute: State(errors=0.01, burst=20)),
    World("tail-5s", "bad", lambda minute: State(parts=((0.997, 1.0, 0.0), (0.003, 1.0, 5.0)))),
    World("refused", "bad", lambda minute: State(errors=0.0, factor=0.3, refused=1.0)),
    World("errors-0.5", "bad", lambda minute: State(errors=0.005)),
    World("errors-1", "bad", lambda minute: State(errors=0.01)),
    World("slow-25", "bad", lambda minute: State(factor=1.25)),
]


def poisson(dice, mean):
    if mean > 25:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, dice.random()
    while product > limit:
        count, product = count + 1, product * dice.random()
    return count


def binomial(dice, of, chance):
    if of <= 0 or chance <= 0:
        return 0
    if chance >= 1:
        return of
    if chance > 0.5:
        return of - binomial(dice, of, 1 - chance)
    variance = of * chance * (1 - chance)
    if variance > 25:
        return min(of, max(0, round(dice.gauss(of * chance, math.sqrt(variance)))))
    # The waiting times between successes are geometric.
    count, at, scale = 0, 0, math.log1p(-chance)
    while True:
        at += int(math.log(1 - dice.random()) / scale) + 1
        if at > of:
            return count
        count += 1


class Slot:
    """One slot of one series: draws its minutes."""

    def __init__(self, dice, world, rate, name):
        self.dice, self.rate, self.name = dice, rate, name
        self.marks = [mark * world.before.factor for mark in MARKS]
        if name == "candidate":
            self.marks = [mark * SLOWER for mark in self.marks]
        self.keys = [f"{mark:.6g}" for mark in self.marks]
        self.keep, self.off, self.hosts = world.keep, None, None
        if world.lottery:
            hosts, spread = world.lottery
            self.hosts = tuple((1 / hosts, math.exp(dice.gauss(0, spread)), 0.0) for _ in range(hosts))

    def wander(self, deviation):
        """How many times slower noise makes this minute."""
        fresh = self.dice.gauss(0, deviation)
        keep = self.keep if self.off is not None else 0.0
        self.off = keep * (self.off or 0.0) + math.sqrt(1 - keep * keep) * fresh
        return math.exp(self.off)

    def line(self, at, state, noise, level=None, truth=None):
        """A minute's line, as if the slot had all of the traffic."""
        dice, parts = self.dice, state.parts
        if self.hosts and parts == ((1.0, 1.0, 0.0),):
            state = State(state.errors, state.factor, self.hosts, state.refused, state.burst)
        requests = poisson(dice, self.rate * 60)
        if state.burst > 1:
            errors = state.burst * poisson(dice, requests * state.errors / state.burst)
            errors = min(errors, requests)
        else:
            errors = binomial(dice, requests, state.errors)
        slower, left, above = [], requests, 1.0
        for key, mark in zip(self.keys, self.marks):
            share = state.slower_than(mark, noise)
            left = binomial(dice, left, share / above if above > 0 else 0.0)
            above = share
            slower.append(f'"{key}":{left}')
        text = f'{{"at":{at},"slot":"{self.name}","requests":{requests},"errors_5xx":{errors}'
        text += f',"slower_than":{{{",".join(slower)}}}'
        if state.refused > 0:
            text += f',"errors_4xx":{binomial(dice, requests, state.refused)}'
        if state.burst > 1:
            text += f',"burst":{state.burst}'
        if level:
            text += f',"{level[0]}":{level[1]}'
        if truth:
            text += f',"harmed":{min(requests, requests * truth):.3f}'
        return text + "}\n"


def harm(state, before):
    """The share of the candidate's requests that it harms: failures, refusals, and answers slower than p95."""
    slow = state.slower_than(P95) - before.slower_than(P95)
    return max(0.0, state.errors - before.errors) + state.refused + max(0.0, slow)


def series(world, rate, run, seed, past, minutes=None):
    """The lines of one series."""
    dice = random.Random(f"{seed}/{world.name}/{rate}/{run}")
    stable, candidate = (Slot(dice, world, rate, name) for name in ("stable", "candidate"))
    yield f'{{"world":"{world.name}","truth":"{world.truth}","rate":{rate:g}}}\n'
    for minute in range(-past, 0):
        yield stable.line(START + 60 * minute, world.before, stable.wander(world.past))
    for minute in range(minutes or world.minutes):
        at = START + 60 * minute
        both = (stable, world.stable(minute), stable.wander(world.noise))
        new = (candidate, world.candidate(minute), candidate.wander(world.own))
        for slot, states, noise in (both, new):
            if isinstance(states, State):
                states = [(None, states)]
            for at_level, state in states:
                level = (world.by, at_level) if at_level is not None else None
                bad = world.truth == "bad" and slot is candidate
                yield slot.line(at, state, noise, level, harm(state, world.stable(minute)) if bad else None)


def main():
    known = {world.name: world for world in WORLDS}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", help="where the files go, one for each world and rate; - is standard output")
    parser.add_argument("--worlds", default=",".join(known), help="names, by commas (all): %(default)s")
    parser.add_argument("--rates", default="30,300", help="requests a second, by commas (%(default)s)")
    parser.add_argument("--runs", type=int, default=20, help="series for each world and rate (%(default)s)")
    parser.add_argument("--seed", default="1", help="decides every draw (%(default)s)")
    parser.add_argument("--minutes", type=int, help="how long each series is, for a spec with watch_for (60; leak 180)")
    parser.add_argument("--past", type=int, default=780, help="minutes of the stable slot's past (%(default)s)")
    asked = parser.parse_args()
    worlds = []
    for name in asked.worlds.split(","):
        if name not in known:
            parser.error(f"there is no world {name}; there are: {', '.join(known)}")
        worlds.append(known[name])
    if asked.folder != "-":
        os.makedirs(asked.folder, exist_ok=True)
    for world in worlds:
        for rate in map(float, asked.rates.split(",")):
            path = os.path.join(asked.folder, f"{world.name}-{rate:g}.jsonl")
            out = sys.stdout if asked.folder == "-" else open(path, "w", encoding="ascii")
            for run in range(asked.runs):
                out.writelines(series(world, rate, run, asked.seed, asked.past, asked.minutes))
            if out is not sys.stdout:
                out.close()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(1)
