#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""seeds: writes the first inputs of the fuzz targets into tests/fuzz/corpus, from a ledger that the
real daemon makes. Run by hand when a format changes: PLEDGED_BIN_DIR=build/release/bin
/usr/bin/python3 tests/fuzz/seeds.py. Inputs that fuzzing found stay where they are."""
import base64
import datetime
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "lib")]
import harness  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from google.protobuf import json_format  # noqa: E402

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def put(target, name, data):
    path = CORPUS / target
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def piece(data, other=False):
    return struct.pack(">H", len(data) | (0x8000 if other else 0)) + data


# --- a small ledger ------------------------------------------------------------------------------

def small_catalogue():
    """The shipped one with two tiers and one benefit, so that inputs stay short."""
    catalogue = harness.shipped_catalogue()
    codes = [tier.code for tier in catalogue.tier[:2]]
    benefit = next(grant.benefit for grant in catalogue.grant if grant.tier in codes)
    for name, wanted in (("tier", lambda t: t.code in codes), ("benefit", lambda x: x.code == benefit),
                         ("grant", lambda g: g.tier in codes and g.benefit == benefit)):
        keep = [item for item in getattr(catalogue, name) if wanted(item)]
        del getattr(catalogue, name)[:]
        getattr(catalogue, name).extend(keep)
    return catalogue


def lead_a_life(home, catalogue):
    clerk = home.client("clerk")
    tier = catalogue.tier[0].code
    one, two = clerk.contributor("Genève SA"), clerk.contributor("O'Neil & Co")
    held = clerk.hold(tier, one).outcome.pledge
    clerk.execute(extend=harness.pb.Extend(pledge=held, for_s=7200), reason="asked for")
    pledge = clerk.submit_free(two, 100000).outcome.pledge
    clerk.commit(pledge)
    clerk.pay(pledge, 40000)
    clerk.submit_tier(catalogue.tier[1].code, two)
    clerk.withdraw(held)


def ledger_seeds():
    catalogue = small_catalogue()
    home = harness.opened(catalogue=catalogue)
    try:
        lead_a_life(home, catalogue)
        responses = home.client("auditor").call("Dump")
        ran = home.pledge("auditor", "dump", "--as", "bin", "--output", str(home.path / "d.bin"))
        assert ran.code == 0, ran
        put("verify", "dump", (home.path / "d.bin").read_bytes())
        home.terminate()
        assert home.pledged("snapshot", "--config", str(home.config)).code == 0
        snapshot = next((home.data / "snapshot").glob("*.snap")).read_bytes()
        segment = home.segments()[0].read_bytes()
    finally:
        home.close()
    put("snapshot", "whole", b"\0" + snapshot[:16] + bytes(16) + snapshot[32:])
    put("snapshot", "made-to-fit", b"\1" + snapshot)
    text = snapshot.index("\0Genève SA".encode()) - 8  # its length says 1.7 GB
    put("snapshot", "long-text", b"\1" + snapshot[:text] + struct.pack("<Q", 0x69000000) + snapshot[text + 8:])
    body = segment[4096:].rstrip(b"\0")
    put("segment", "made-right", b"\1" + segment[:96] + body + bytes(64))
    put("segment", "raw", b"\0" + segment[:96] + body + bytes(64))
    put("segment", "torn", b"\1" + segment[:96] + body[:-700])
    message_seeds([m.SerializeToString() for m in responses], [bytes(e) for m in responses for e in m.entry])
    put("catalogue", "shipped-small", json_format.MessageToJson(catalogue))


def message_seeds(responses, entries):
    put("rules", "life", b"".join(map(piece, entries)))
    put("rules", "start", b"".join(map(piece, entries[:4])))
    for form in range(6):
        put("dump", f"form-{form}", bytes([form]) + b"".join(map(piece, responses)))
    commands, seen = [], set()
    for entry in map(harness.pb.Entry.FromString, entries):
        if entry.command and bytes(entry.request_id) not in seen:
            seen.add(bytes(entry.request_id))
            commands.append(bytes(entry.command))
    put("ingress", "life", b"".join(map(piece, commands)))
    for number, command in enumerate(commands):
        put("ingress", f"command-{number}", piece(command))
        text = json_format.MessageToJson(harness.pb.Command.FromString(command), indent=None)
        put("json", f"command-{number}", b"\0" + text.encode())
    put("ingress", "others", piece(b"\1\x10\x03", True) + piece(b"\4" + entries[-1], True)
        + piece(b"\0" + harness.pb.ExecuteBatchRequest(command=[harness.pb.Command.FromString(
            commands[-1])] * 2).SerializeToString(), True))
    put("json", "entry", b"\3" + json_format.MessageToJson(
        harness.pb.Entry.FromString(entries[-1]), indent=None).encode())
    put("json", "list", b'\2{"pageSize":3,"stage":["STAGE_HELD",2],"page_token":"AA=="}')


# --- entries with whatever there may be ----------------------------------------------------------

def fill(message, field, depth):
    """Something in it, and in what that is made of."""
    if field.message_type is not None:
        place = getattr(message, field.name)
        place = place.add() if field.label == field.LABEL_REPEATED else place
        place.SetInParent()
        for inner in field.message_type.fields if depth > 0 else ():
            fill(place, inner, depth - 1)
        return
    value = {field.CPPTYPE_STRING: b"x" if field.type == field.TYPE_BYTES else "x", field.CPPTYPE_BOOL: True}.get(
        field.cpp_type, 1)
    if field.label == field.LABEL_REPEATED:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def entry_seeds():
    """Each field of an entry with all that is in it; each field of what an entry has most, alone."""
    whole = []
    for field in harness.pb.Entry.DESCRIPTOR.fields:
        entry = harness.pb.Entry()
        fill(entry, field, 3)
        whole.append(entry)
    for part in ("actor", "outcome", "pledge_made"):
        for field in getattr(harness.pb.Entry(), part).DESCRIPTOR.fields:
            entry = harness.pb.Entry()
            getattr(entry, part).SetInParent()
            fill(getattr(entry, part), field, 1)
            whole.append(entry)
    full = harness.pb.Entry()
    for field in full.DESCRIPTOR.fields:
        if field.containing_oneof is None or field.name == "pledge_made":
            fill(full, field, 3)
    rare = [field.name for field in full.outcome.DESCRIPTOR.fields if field.number in (3, 7, 11) or field.number > 13]
    for name in rare:  # what a pledge has not
        full.outcome.ClearField(name)
    put("encode", "full", b"".join(
        struct.pack(">HH", full.ByteSize(), room) + full.SerializeToString() for room in range(40, 600, 9)))
    packed = [entry.SerializeToString() for entry in whole]
    for number in range(4):
        put("encode", f"fields-{number}", b"".join(
            struct.pack(">HH", len(one), 977 * place) + one for place, one in enumerate(packed[number::4])))


# --- the network ---------------------------------------------------------------------------------

def frame(kind, flags, stream, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def head(path, kind, method=b"POST", more=()):
    fields = [(b":method", method), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", path),
              (b"te", b"trailers")] + ([(b"content-type", kind)] if kind else []) + list(more)
    return b"".join(literal(*f) for f in fields)


def network_seeds():
    service = b"/pledged.v1.LedgerService/"
    message = b"\x00\x00\x00\x00\x00"
    for number, (path, kind, body) in enumerate([
            (b"ListTiers", b"application/grpc", message), (b"Dump", b"application/grpc+proto", message),
            (b"Execute", b"application/grpc", message), (b"ListTiers", b"application/json", b"{}"),
            (b"ListTiers", b"application/grpc-web-text", base64.b64encode(message)),
            (b"ListTiers", b"application/grpc-web", message), (b"Dump", b"application/connect+json", b"\0\0\0\0\2{}"),
            (b"Echo", b"application/grpc", message * 3), (b"GetStatus", b"application/proto", b""),
            (b"No", b"application/grpc", message)]):
        put("conn", f"h2-{number}", b"\x1f" + frame(1, 4, 1, head(service + path, kind))
            + frame(0, 1, 1, body) + frame(6, 0, 0, b"12345678"))
    put("conn", "h2-get", b"\x1f" + frame(1, 5, 1, head(
        service + b"ListTiers?connect=v1&encoding=json&message=%7B%7D", None, b"GET")))
    put("conn", "h2-page", b"\x1f" + frame(1, 5, 1, head(b"/page", None, b"GET")) + frame(3, 0, 1, b"\0\0\0\x08"))
    put("conn", "h2-many", b"\x1f" + b"".join(
        frame(1, 4, n, head(service + b"Echo", b"application/grpc", more=[(b"grpc-timeout", b"1S")]))
        + frame(8, 0, n, b"\0\0\1\0") for n in (1, 3, 5)) + frame(9, 4, 5) + frame(7, 0, 0, bytes(8)))
    h1 = b"POST " + service + b"ListTiers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    put("conn", "h1-post", b"\x1e" + h1 + b"Content-Length: 2\r\n\r\n{}" * 1)
    put("conn", "h1-slow", b"\x06" + h1 + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}GET /page HTTP/1.1\r\n"
        b"Host: a\r\n\r\n")
    put("conn", "h1-web", b"\x1e" + h1.replace(b"application/json", b"application/grpc-web")
        + b"Content-Length: 5\r\n\r\n" + message)
    put("h1head", "post", h1 + b"Content-Length: 0012\r\nConnection: close\r\nX: \t a\t\r\n\r\n")
    put("h1head", "get", b"GET https://[::1]:7443/page?a=%20 HTTP/1.1\r\nHOST: [::1]:7443\r\nX-Empty:\r\n\r\n")
    put("h1head", "smuggled", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    put("frames", "unary", b"\0\3" + b"\0\0\0\0\3abc")
    put("frames", "compressed", b"\0\xff" + b"\1\0\0\0\3abc")
    put("frames", "many", b"\1\2" + b"\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\1x")
    put("frames", "text", b"\2\3" + base64.b64encode(b"\0\0\0\0\1") + base64.b64encode(b"x"))
    for number, words in enumerate([b"99999999H", b"250m", b"1000", b"application/grpc-web-text+json; charset=utf-8",
                                    b"application/connect+proto", "100% café\n".encode()]):
        put("frames", f"words-{number}", b"\3\0" + words)
    put("query", "json", b"connect=v1&encoding=json&message=%7B%22pageSize%22%3A3%7D")
    put("query", "base64", b"connect=v1&encoding=proto&base64=1&message=CAE")
    put("query", "bad", b"encoding=json&encoding=proto&message=%7&base64=0&compression=gzip")


# --- what the client is told ---------------------------------------------------------------------

def client_seeds():
    """Answers of a daemon, connection by connection (fuzz_h2client.c)."""
    headers = literal(b":status", b"200") + literal(b"content-type", b"application/grpc")
    fine = literal(b"grpc-status", b"0")
    receipt = harness.pb.Receipt(seq=7, kind=harness.pb.RECEIPT_KIND_NEW,
                                 outcome=harness.pb.Outcome(pledge="P000001")).SerializeToString()
    status = bytes([0x08, 9, 0x12, 2]) + b"no" + bytes([0x1a])  # google.rpc.Status, its first detail follows
    refusal = harness.pb.Refusal(reason=harness.pb.REASON_BUSY, retryable=True, message="busy").SerializeToString()
    kind = b"type.googleapis.com/pledged.v1.Refusal"
    packed = bytes([0x0a, len(kind)]) + kind + bytes([0x12, len(refusal)]) + refusal
    busy = (literal(b"grpc-status", b"14") + literal(b"grpc-message", b"not%20now")
            + literal(b"grpc-status-details-bin", base64.b64encode(status + bytes([len(packed)]) + packed)))

    def message(body):
        return b"\0" + struct.pack(">I", len(body)) + body

    def answer(*bodies, trailers=fine, stream=1):
        return (frame(4, 0, 0) + frame(4, 1, 0) + frame(1, 4, stream, headers)
                + frame(0, 0, stream, b"".join(map(message, bodies))) + frame(1, 5, stream, trailers))

    whole = answer(receipt) + answer(receipt, stream=3)[18:]
    for name, first, connections in [
            ("fine", 0x3c, [whole]),
            ("pieces", 0x04, [whole]),
            ("busy-then-fine", 0x3c, [frame(4, 0, 0) + frame(1, 5, 1, headers + busy), answer(receipt)]),
            ("trailers-busy", 0x3c, [answer(trailers=busy), answer(receipt)]),
            ("breaks-off", 0x3c, [answer(receipt)[:-20], answer(receipt)]),
            ("silent", 0x7c, [frame(4, 0, 0)]),
            ("nothing", 0x3c, [b""] * 3),
            ("goaway", 0x3c, [frame(4, 0, 0) + frame(7, 0, 0, bytes(8)), answer(receipt)]),
            ("reset", 0x3c, [frame(4, 0, 0) + frame(3, 0, 1, b"\0\0\0\x07"), answer(receipt)]),
            ("two-answers", 0x3d, [answer(b"", b"")]),
            ("read", 0x3d, [answer(b"") + answer(b"", stream=3)[18:]]),
            ("proxy", 0x3d, [frame(4, 0, 0) + frame(1, 4, 1, literal(b":status", b"503")) + frame(0, 1, 1, b"<p>")]),
            ("stream", 0x3e, [answer(b"one", b"two", b"") + answer(stream=3)[18:]]),
            ("too-large", 0x3e, [frame(4, 0, 0) + frame(1, 4, 1, headers) + frame(0, 0, 1, b"\0\xff\xff\xff\xff")]),
            ("push", 0x3e, [frame(4, 0, 0) + frame(5, 4, 1, b"\0\0\0\2" + headers)])]:
        put("h2client", name, bytes([first]) + b"".join(struct.pack(">H", len(c)) + c for c in connections))


def witness_seeds():
    """Steps of fuzz_witness.c: {what, value}, answers with a length and bytes."""
    def cosigned(index):
        return bytes([2 + 4 * index, 0])

    def told(index, form, body):
        return bytes([3 + 4 * index, form, len(body)]) + body

    sign, wait = bytes([0, 4]), bytes([1, 4])
    line = "\u2014 w0.example ".encode() + base64.b64encode(bytes(76)) + b"\n"
    put("witness", "quorum", sign + cosigned(0) + cosigned(1) + cosigned(2) + sign + cosigned(1) + cosigned(2))
    put("witness", "older", sign + told(0, 1, b"3\n") + cosigned(0) + cosigned(1))
    put("witness", "newer", sign + told(0, 1, b"777\n") + sign + cosigned(1))
    put("witness", "same-size", sign + cosigned(0) + sign + told(0, 1, b"5\n") + told(0, 1, b"10\n"))
    put("witness", "huge", sign + told(1, 1, b"18446744073709551616\n") + told(2, 1, b"00\n"))
    put("witness", "no-cosignature", sign + told(0, 0, line) + told(1, 0, line[:40] * 3) + wait + cosigned(2))
    put("witness", "refused", sign + told(0, 3, b"") + told(1, 5, b"") + told(2, 24, b"") + wait * 3 + cosigned(0))


def private_seeds():
    contact = harness.pb.Contact(name="Anna Muster", function="desk", email="anna@example.org", phone="+41 22 000 00 00")
    for name, first, record in [("contact", 1, contact.SerializeToString()), ("no-name", 1, b"\x12\0"),
                                ("not-a-contact", 1, b"\xff"), ("too-long", 1, b"\x0a\xfe\x1f" + b"x" * 4094),
                                ("wrong-commitment", 0, contact.SerializeToString()),
                                ("another-commitment", 3, contact.SerializeToString())]:
        command = harness.pb.Command(request_id=bytes(16), reason="as they asked")
        command.record_contact.contributor = "C000001"
        command.record_contact.commitment = bytes(32)
        request = harness.pb.ExecutePrivateRequest(command=command)
        request.record.add(commitment=bytes(32), salt=bytes(32), record=record)
        put("private", name, bytes([first]) + request.SerializeToString())
    other = harness.pb.ExecutePrivateRequest(command=harness.pb.Command(request_id=bytes(16)))
    put("private", "no-record", b"\0" + other.SerializeToString())
    put("private", "two-commands", b"\0" + request.SerializeToString() + other.SerializeToString())


def camt_seeds():
    """The corpus of statements, short ones as they are, one of them as an account that others use."""
    for file in sorted((ROOT / "tests" / "camt").glob("*.xml")):
        if file.stat().st_size <= 16000:
            put("camt", file.stem, b"\0" + file.read_bytes())
    put("camt", "ours", b"\1" + (ROOT / "tests" / "camt" / "twins.xml").read_bytes())


# --- certificates --------------------------------------------------------------------------------

def certificate_seeds():
    key = ec.generate_private_key(ec.SECP256R1())
    other = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x11anna@anna.example")
    names = {
        "uri": [x509.UniformResourceIdentifier("pledged:person:anna")],
        "dns": [x509.DNSName("x.example"), x509.DNSName("anna.example")],
        "mail": [x509.RFC822Name("anna@anna.example")],
        "upn": [other],
    }
    now = datetime.datetime(2026, 1, 1)
    for name, san in names.items():
        extension = x509.SubjectAlternativeName(san)
        der = (x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([]))
               .public_key(key.public_key()).serial_number(1).not_valid_before(now)
               .not_valid_after(now + datetime.timedelta(days=1)).add_extension(extension, False)
               .sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
        put("names", f"certificate-{name}", b"\0" + der)
        put("names", f"san-{name}", b"\1" + extension.public_bytes())
    put("names", "san-nul", b"\1" + bytes([0x30, 22, 0x86, 20]) + b"pledged:person:anna\0")


# --- what is printed by ourselves ----------------------------------------------------------------

def text_seeds():
    put("catalogue", "little", '{"code":"Y26","version":1,"tier":[{"code":"a"},{"code":"a"}]}')
    example = (ROOT / "deploy" / "pledged.conf.example").read_text()
    lines = [line.lstrip("# ") for line in example.splitlines() if " = " in line or line.startswith("[")]
    put("config", "all", "\n".join(lines)[:8000])
    put("config", "persons", "[daemon]\ndata = d\nlisten = [::1]:0\n[tls]\ncert = credential:c\nkey = k\n"
        "client_ca = a\n[person anna]\nrole = clerk\nidentity = uri:pledged:person:anna\n")
    put("profile", "two", "\1timeout = 30s\n[clerk]\nserver = fund.example:7000\nca = ca.crt\nformat = csv\n"
        "[reader]\nserver = [::1]:1\n")
    sha = "ab" * 32
    body = (f"pledged-backup 1\norigin fund.example\nledger {'00' * 16}\nmade 2026-03-24T10:00:00.000000Z\n"
            f"entries 5\nbatches 2\nhead {sha}\nstate {sha}\nfile {sha} 4096 8192 log/0000000000000001.seg\n")
    put("manifest", "one", body + "end " + sha + "\n")
    for number, words in enumerate(["P000042", "p42", "150'000.00", "1 500,00", "-0.5", "2026-02-29", "CHF",
                                    "2026-03-24T10:00:00.000001Z", "36h", "9223372036854775807", "99999999999w"]):
        put("typed", f"words-{number}", words)


def tlog_seeds():
    root = base64.b64encode(b"r" * 32).decode()
    point = f"fund.example\n7\n{root}\n"
    signature = base64.b64encode(b"\x6d\x3f\x9a\x3c" + b"s" * 64).decode()
    note = f"{point}\n\u2014 fund.example {signature}\n"
    vkey = (ROOT / "tests" / "golden" / "v1-ledger" / "ledger.vkey").read_text().strip()
    hashes_ = "".join(base64.b64encode(bytes([n]) * 32).decode() + "\n" for n in range(3))
    texts = [note, vkey, "PRIVATE+KEY+a+00000000+" + base64.b64encode(b"\1" + b"k" * 32).decode(), point,
             "tile/0/x001/x234/067.p/8", b"\0\3abc\0\0\0\1x",
             f"c2sp.org/tlog-proof@v1\nextra {base64.b64encode(b'entry').decode()}\nindex 2\n{hashes_}\n{note}",
             f"old 3\n{hashes_}\n{note}",
             f"log {vkey}\nwitness w {vkey} https://w.example/\ngroup g 1 w\nquorum g\n",
             struct.pack("<QQ", 2, 7) + b"h" * 96]
    for number, text in enumerate(texts):
        put("tlog", f"{number}", bytes([number]) + (text if isinstance(text, bytes) else text.encode()))
    put("tlog", "tile-entries", b"\x04tile/entries/000")
    put("tlog", "policy-none", f"\x08log {vkey}\nquorum none\n")
    put("verify", "proof", texts[6])


if __name__ == "__main__":
    ledger_seeds()
    entry_seeds()
    network_seeds()
    client_seeds()
    witness_seeds()
    private_seeds()
    camt_seeds()
    certificate_seeds()
    text_seeds()
    tlog_seeds()
