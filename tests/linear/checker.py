# SPDX-License-Identifier: Apache-2.0
"""checker: is there an order of these operations, one after another, that fits every answer, and
in which what ended before another began comes before it? (Linearizability; the search is Wing and
Gong's, with Lowe's memory of what was seen.) It knows places and holders, nothing of the daemon.
"""
import math


class Op:
    """kind: hold, release, expire, read. ok: the answer; pledge, or places left for a read."""

    __slots__ = ("kind", "begin", "end", "ok", "pledge", "left")

    def __init__(self, kind, begin, end, ok=True, pledge=None, left=None):
        self.kind, self.begin, self.end = kind, begin, end
        self.ok, self.pledge, self.left = ok, pledge, left

    def __repr__(self):
        return (f"{self.kind}[{self.begin:.4f}, {self.end:.4f}] ok={self.ok} {self.pledge or ''}"
                f"{'' if self.left is None else self.left}")


def step(held, op, places):
    """The holders after the operation, or None if its answer does not fit."""
    if op.kind == "read":
        return held if places - len(held) == op.left else None
    if op.kind == "expire":
        return held - {op.pledge}
    if op.kind == "hold":
        if op.ok:
            return held | {op.pledge} if len(held) < places else None
        return held if len(held) == places else None
    if op.kind == "release":
        if op.ok:
            return held - {op.pledge} if op.pledge in held else None
        return held if op.pledge not in held else None
    raise ValueError(op.kind)


def linearizable(ops, places, most=2_000_000):
    """True or False; raises if the search would not end in reasonable time."""
    ops = sorted(ops, key=lambda op: op.begin)
    everything = (1 << len(ops)) - 1
    stack, seen = [(0, 0, frozenset())], set()
    while stack:
        first, done, held = stack.pop()
        if done == everything:
            return True
        while done >> first & 1:
            first += 1
        soonest, candidates = math.inf, []
        for n in range(first, len(ops)):
            if ops[n].begin > soonest:
                break  # sorted: nothing later may come first
            if not done >> n & 1:
                candidates.append(n)
                soonest = min(soonest, ops[n].end)
        for n in reversed(candidates):
            if ops[n].begin > soonest:
                continue
            after = step(held, ops[n], places)
            if after is None or (done | 1 << n, after) in seen:
                continue
            seen.add((done | 1 << n, after))
            stack.append((first, done | 1 << n, after))
        if len(seen) > most:
            raise RuntimeError(f"no verdict after {most} states")
    return False
