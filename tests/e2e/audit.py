# SPDX-License-Identifier: Apache-2.0
"""audit: what the tests of the auditor's tools need: the formats (dump, tiles, note, proof) written
from their descriptions and not from the C code, and a ledger that has a little of everything in it.

A test may hold the ledger's signing key: a dishonest operator does."""
import base64
import dataclasses
import hashlib
import struct
import sys

from cryptography.hazmat.primitives.asymmetric import ed25519

from harness import ROOT, command, document, money, pb, signed_root

sys.path.insert(0, str(ROOT / "tests" / "lib"))
from tlog import leaf_hash, root_of, split_point  # noqa: E402

MAGIC = b"PLDUMP1\n"
PROOF_MAGIC = "c2sp.org/tlog-proof@v1\n"


# --- RFC 6962 ------------------------------------------------------------------------------------

def path_of(index, leaves):
    """Inclusion proof as it is defined (2.1.1)."""
    if len(leaves) <= 1:
        return []
    split = split_point(len(leaves))
    if index < split:
        return path_of(index, leaves[:split]) + [root_of(leaves[split:])]
    return path_of(index - split, leaves[split:]) + [root_of(leaves[:split])]


# --- C2SP signed note ----------------------------------------------------------------------------

class Signer:
    """An Ed25519 key with a name: made anew, or read from a key file."""

    def __init__(self, name, seed=None):
        self.name = name
        self.key = (ed25519.Ed25519PrivateKey.from_private_bytes(seed) if seed
                    else ed25519.Ed25519PrivateKey.generate())
        self.public = self.key.public_key().public_bytes_raw() if hasattr(
            self.key.public_key(), "public_bytes_raw") else self._raw()
        self.id = hashlib.sha256(name.encode() + b"\n\x01" + self.public).digest()[:4]

    def _raw(self):
        from cryptography.hazmat.primitives import serialization
        return self.key.public_key().public_bytes(serialization.Encoding.Raw,
                                                  serialization.PublicFormat.Raw)

    @classmethod
    def from_file(cls, path):
        _, _, rest = path.read_text().strip().partition("PRIVATE+KEY+")
        name, _, blob = rest.split("+", 2)
        return cls(name, base64.b64decode(blob)[1:])

    @property
    def vkey(self):
        blob = base64.b64encode(b"\x01" + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{blob}"

    def line(self, text):
        return f"\u2014 {self.name} {base64.b64encode(self.id + self.key.sign(text.encode())).decode()}\n"

    def checkpoint(self, leaves, origin=None):
        root = base64.b64encode(root_of(leaves)).decode()
        text = f"{origin or self.name}\n{len(leaves)}\n{root}\n"
        return text + "\n" + self.line(text)


# --- dumps ---------------------------------------------------------------------------------------

def frame(kind, body):
    return kind + struct.pack("<I", len(body)) + body


def frames_of(data):
    """[(type, body)] of a dump."""
    assert data[:8] == MAGIC
    at, frames = 8, []
    while at < len(data):
        kind, length = data[at:at + 1], struct.unpack_from("<I", data, at + 1)[0]
        frames.append((kind, data[at + 5:at + 5 + length]))
        at += 5 + length
    assert at == len(data)
    return frames


def entries_of(data):
    return [body for kind, body in frames_of(data) if kind == b"E"]


def trailer_of(data):
    return pb.DumpTrailer.FromString(frames_of(data)[-1][1])


def dump_of(entries, signer, origin=None, lists=True, checkpoint=None, leaves=None):
    """A whole dump of these entries, signed by whoever holds the key."""
    leaves = leaves or [leaf_hash(entry) for entry in entries]
    out = [MAGIC]
    for place, entry in enumerate(entries):
        out.append(frame(b"E", entry))
        last = place + 1 == len(entries)
        if lists and ((place + 1) % 256 == 0 or last):
            out.append(frame(b"L", b"".join(leaves[place // 256 * 256:place + 1])))
    trailer = pb.DumpTrailer(from_seq=1, to_seq=len(entries), ledger_size=len(entries),
                             origin=origin or signer.name,
                             checkpoint=checkpoint or signer.checkpoint(leaves, origin))
    out.append(frame(b"T", trailer.SerializeToString()))
    return b"".join(out)


# --- C2SP tlog-tiles -----------------------------------------------------------------------------

def tile_path(number):
    parts = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        parts.insert(0, f"x{number % 1000:03d}")
    return "/".join(parts)


def tiles_of(entries):
    """{path below the mirror: bytes} of a tree, partial tiles of its own size alone."""
    files = {}

    def put(level, number, width, body):
        name = f"tile/{level}/{tile_path(number)}" + ("" if width == 256 else f".p/{width}")
        files[name] = body

    for first in range(0, len(entries), 256):
        some = entries[first:first + 256]
        put("entries", first // 256, len(some),
            b"".join(struct.pack(">H", len(entry)) + entry for entry in some))
    level, row = 0, [leaf_hash(entry) for entry in entries]
    while row:
        for first in range(0, len(row), 256):
            some = row[first:first + 256]
            put(level, first // 256, len(some), b"".join(some))
        row = [root_of(row[first:first + 256]) for first in range(0, len(row) - 255, 256)]
        level += 1
    return files


def write_mirror(path, entries, signer, checkpoint=None):
    for name, body in tiles_of(entries).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(body)
    leaves = [leaf_hash(entry) for entry in entries]
    (path / "checkpoint").write_text(checkpoint or signer.checkpoint(leaves), encoding="utf-8")
    return path


def proof_of(entries, seq, signer):
    leaves = [leaf_hash(entry) for entry in entries]
    lines = [f"extra {base64.b64encode(entries[seq - 1]).decode()}", f"index {seq - 1}"]
    lines += [base64.b64encode(h).decode() for h in path_of(seq - 1, leaves)]
    return PROOF_MAGIC + "\n".join(lines) + "\n\n" + signer.checkpoint(leaves)


# --- a ledger with a little of everything --------------------------------------------------------

@dataclasses.dataclass
class Story:
    """Ids that tests refer to."""
    contributors: list
    pledges: dict


def tell_story(home, filler=0):
    """Holds, refusals, promises of every kind, signatures, payments in part, too much and in other
    currencies, reversals, ends. `filler`: so many more contributors, so that tiles fill up."""
    clerk, approver = home.client("clerk"), home.client("approver")
    who = [clerk.contributor(f"{name} & \"Co\" <{i}>", kind=1 + i % 5)
           for i, name in enumerate(("=SUM(A1)", "Ünïon", "@home", "-minus", "+plus", "Plain",
                                     "Seventh", "Eighth"))]
    pledges = {}

    def pledged(name, receipt):
        pledges[name] = receipt.outcome.pledge
        return receipt.outcome.pledge

    held = clerk.hold("platine", who[0]).outcome.pledge
    pledged("platine", clerk.execute(submit=pb.Submit(pledge=held, contributor=who[0]),
                                     reason="letter"))
    pledged("second", clerk.submit_tier("platine", who[1]))
    try:
        clerk.submit_tier("platine", who[2])
        raise AssertionError("three took two slots")
    except Exception as refused:  # recorded as an entry
        assert "TIER_SOLD_OUT" in str(getattr(refused, "reason", "")), refused
    clerk.execute(wait=pb.Wait(tier="platine", contributor=who[3]))
    signed = pledged("or", clerk.submit_tier("or", who[2]))
    clerk.pay(signed, 2500000, bank_ref="UTR-1", value_date="2026-02-03")  # before it is signed
    clerk.commit(signed)
    clerk.pay(signed, 1000000, bank_ref="UTR-2", value_date="2026-02-04")
    clerk.pay(signed, 777, currency="USD", bank_ref="UTR-3")  # another currency: nobody's yet
    over = pledged("free", clerk.submit_free(who[4], 100000))
    clerk.pay(over, 150001, bank_ref="UTR-4", value_date="2026-03-31")  # too much
    yen = pledged("yen", clerk.submit_free(who[5], 33401000, currency="JPY"))
    clerk.pay(yen, 401000, currency="JPY", bank_ref="UTR-5")
    wrong = clerk.pay(over, 5000, bank_ref="UTR-6")
    clerk.execute(reverse=pb.Reverse(seq=wrong.seq), reason="another fund's")
    back = clerk.pay(pledges["second"], 1234567, bank_ref="UTR-7")
    clerk.execute(reverse=pb.Reverse(seq=back.seq + 1), reason="not for this pledge")
    gone = pledged("gone", clerk.submit_tier("argent", who[6]))
    clerk.pay(gone, 3000000, bank_ref="UTR-8")
    clerk.withdraw(gone)
    ended = pledged("ended", clerk.submit_tier("argent", who[7]))
    clerk.pay(ended, 100000, bank_ref="UTR-9")
    clerk.commit(ended)
    approver.execute(cancel=pb.Cancel(pledge=ended, money_plan=pb.MONEY_PLAN_REFUND),
                     reason="fund closes", evidence=[document("letter")])
    grown = pledged("grown", clerk.submit_tier("innovation", who[6]))
    clerk.commit(grown)
    clerk.execute(amend_pledge=pb.AmendPledge(pledge=grown, amount=money(4000000)),
                  reason="more", evidence=[document()])
    clerk.execute(change_tier=pb.ChangeTier(pledge=pledges["second"], tier="or"),
                  reason="another tier", evidence=[document("letter")])  # frees a slot: promotes
    letter = dict(reason="as they wrote", evidence=[document("letter")])
    surplus = clerk.ListPayments(pledge=over, unallocated_only=True).payment[0].bank_entry
    clerk.execute(convert=pb.Convert(bank_entry=surplus, amount=money(20000)), **letter)
    paid = clerk.execute(refund=pb.Refund(bank_entry=surplus, amount=money(10001)), **letter)
    clerk.execute(pay=pb.Pay(refund=paid.outcome.refund, amount=money(10001), bank_ref="OUT-1"))
    clerk.execute(refund=pb.Refund(bank_entry=surplus, amount=money(5000)), **letter)  # not paid
    given_up = clerk.execute(refund=pb.Refund(bank_entry=surplus, amount=money(1)), **letter)
    clerk.execute(cancel_refund=pb.CancelRefund(refund=given_up.outcome.refund), reason="no")
    fee = clerk.pay(grown, 3999000, bank_ref="UTR-10")
    clerk.execute(accept_difference=pb.AcceptDifference(
        bank_entry=fee.outcome.bank_entry, pledge=grown, kind=1), reason="correspondent bank")
    approver.execute(close=pb.Close(pledge=grown, waive_benefits=True), reason="they did not come")
    short = pledged("short", clerk.submit_free(who[7], 60000))
    part = clerk.pay(short, 20000, bank_ref="UTR-11")
    clerk.execute(accept_difference=pb.AcceptDifference(  # before it is signed
        bank_entry=part.outcome.bank_entry, pledge=short, kind=2, amount=money(77)), reason="rate")
    clerk.execute(reallocate=pb.Reallocate(seq=part.seq + 1, pledge=signed, amount=money(5000)),
                  **letter)
    clerk.commit(short)
    clerk.execute(write_off=pb.WriteOff(pledge=short, amount=money(30000)), reason="dissolved")
    head = clerk.GetCheckpoint()
    clerk.execute(close_period=pb.ClosePeriod(period="2001-01", head_size=head.size,
                                              head_root=signed_root(head)))
    for first in range(0, filler, 500):
        clerk.batch([command(add_contributor=pb.AddContributor(name=f"Filler {i:06d}", kind=2))
                     for i in range(first, min(filler, first + 500))])
    return Story(who, pledges)
