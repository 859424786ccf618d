# SPDX-License-Identifier: Apache-2.0
"""harness: what every end-to-end test needs, and nothing of the product.

A Home is a temporary directory with one daemon in it (`pledged`, the real binary), its PKI, its
configuration and its data; it starts, stops, kills and restarts the daemon, runs the real client
(`pledge`) as a person, and opens gRPC channels as a person. Everything is bounded by a timeout,
every process is ended by its pid, every directory is removed.

Messages are generated from proto/ with protoc when a test starts, so that the tests speak what the
schema says and not what the C code does.
"""
import atexit
import base64
import contextlib
import csv
import datetime
import decimal
import glob
import hashlib
import importlib
import io
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
# wherever a test's programs run
BIN = pathlib.Path(os.environ.get("PLEDGED_BIN_DIR", ROOT / "build" / "release" / "bin")).absolute()
# Sanitizers make everything slower; ctest says by how much.
SCALE = float(os.environ.get("PLEDGED_TEST_SCALE", "1"))
CATALOGUE = ROOT / "deploy" / "catalogue" / "wsis-forum-2026.json"
PKI_SCRIPT = ROOT / "deploy" / "pki.sh"
SERVICE = "pledged.v1.LedgerService"

PERSONS = {
    "public": "public",
    "reader": "reader",
    "clerk": "clerk",
    "clerk2": "clerk",
    "approver": "approver",
    "auditor": "auditor",
    "admin": "admin",
}
SANITIZER_WORDS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                   "WARNING: ThreadSanitizer", "assertion failed",
                   "not one that a replay would take")


def patience(seconds):
    """A timeout in seconds, longer where the build is slow."""
    return seconds * SCALE


def given_time(attempt, enough):
    """attempt(seconds) with more and more of them, until the result is enough: a short deadline may
    pass on a busy machine before anything came of it."""
    for seconds in (1, 4, 16, 64):
        result = attempt(seconds)
        if enough(result):
            break
    return result


if not (BIN / "pledged").exists():
    sys.exit(f"no {BIN / 'pledged'}: build first, and set PLEDGED_BIN_DIR to the build's bin/")


# --- temporary directories -----------------------------------------------------------------------

def _make_scratch():
    path = pathlib.Path(tempfile.mkdtemp(prefix="pledged-test-"))
    owner = os.getpid()

    def remove():
        if os.getpid() == owner:
            shutil.rmtree(path, ignore_errors=True)
    atexit.register(remove)
    return path


SCRATCH = _make_scratch()


# --- messages ------------------------------------------------------------------------------------

_STATUS_PROTO = """
syntax = "proto3";
package pledged_test;
import "google/protobuf/any.proto";
// Same fields as google.rpc.Status, which travels in grpc-status-details-bin.
message RpcStatus {
  int32 code = 1;
  string message = 2;
  repeated google.protobuf.Any details = 3;
}
"""


def _generate():
    out = SCRATCH / "py"
    out.mkdir()
    (out / "rpc_status.proto").write_text(_STATUS_PROTO)
    sources = sorted(str(p) for p in (ROOT / "proto" / "pledged" / "v1").glob("*.proto"))
    include = "/usr/include"
    subprocess.run(["protoc", "-I", str(ROOT / "proto"), "-I", include, f"--python_out={out}",
                    *sources], check=True, timeout=120)
    subprocess.run(["protoc", "-I", str(out), "-I", include, f"--python_out={out}",
                    str(out / "rpc_status.proto")], check=True, timeout=120)
    for package in ("pledged", "pledged/v1"):
        (out / package / "__init__.py").write_text("")
    sys.path.insert(0, str(out))


_generate()
types_pb2 = importlib.import_module("pledged.v1.types_pb2")
catalogue_pb2 = importlib.import_module("pledged.v1.catalogue_pb2")
command_pb2 = importlib.import_module("pledged.v1.command_pb2")
entry_pb2 = importlib.import_module("pledged.v1.entry_pb2")
service_pb2 = importlib.import_module("pledged.v1.service_pb2")
rpc_status_pb2 = importlib.import_module("rpc_status_pb2")


class _Vocabulary:
    """One namespace for all messages and enums of the package: pb.Hold, pb.STAGE_HELD."""

    def __getattr__(self, name):
        for module in (command_pb2, service_pb2, entry_pb2, catalogue_pb2, types_pb2):
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)


pb = _Vocabulary()
METHODS = {m.name: m for m in service_pb2.DESCRIPTOR.services_by_name["LedgerService"].methods}
STREAMING = {"Dump", "Watch"}
LASTING = {"Watch"}  # streams that do not end by themselves


def new_id():
    return uuid.uuid4().bytes


def id_text(request_id):
    return str(uuid.UUID(bytes=bytes(request_id)))


EMPTY_ROOT = hashlib.sha256(b"").digest()  # of a tree without leaves (RFC 6962)


def signed_root(answer):
    """The root in a GetCheckpointResponse: the third line of the note."""
    return base64.b64decode(answer.checkpoint.split("\n")[2])


def money(minor, currency="CHF"):
    return pb.Money(minor=minor, currency=currency)


def document(kind="agreement", text=b"signed"):
    return pb.Document(sha256=hashlib.sha256(text).digest(), bytes=len(text), kind=kind,
                       filed_as="test/" + kind)


def command(request_id=None, **fields):
    """pb.Command with a fresh request id: command(hold=pb.Hold(...), reason="...")."""
    return pb.Command(request_id=new_id() if request_id is None else request_id, **fields)


def shipped_catalogue():
    from google.protobuf import json_format
    return json_format.Parse(CATALOGUE.read_text(encoding="utf-8"), pb.Catalogue())


# --- PKI -----------------------------------------------------------------------------------------

class Pki:
    """A throw-away authority made by the script that users run."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True)
        self._run("ca")
        self._run("server", "localhost", "127.0.0.1")

    def _run(self, what, *names):
        subprocess.run(["sh", str(PKI_SCRIPT), what, str(self.path), *names], check=True,
                       timeout=patience(60), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def person(self, name):
        if not self.cert(name).exists():
            self._run("person", name)
        return name

    def cert(self, name):
        return self.path / f"{name}.crt"

    def key(self, name):
        return self.path / f"{name}.key"

    @property
    def ca(self):
        return self.path / "ca.crt"

    _shared = {}

    @classmethod
    def shared(cls, which="main"):
        """One authority a test process; `other` is one that the daemon does not trust."""
        if which not in cls._shared:
            cls._shared[which] = cls(SCRATCH / f"pki-{which}")
        return cls._shared[which]


# --- errors --------------------------------------------------------------------------------------

class Refused(Exception):
    """A call that ended with a gRPC status; `refusal` is its detail (or None)."""

    def __init__(self, error):
        self.error = error
        self.code = error.code()
        self.details = error.details()
        self.status = None
        self.refusal = None
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                self.status = rpc_status_pb2.RpcStatus.FromString(value)
        if self.status is not None:
            for any_message in self.status.details:
                if any_message.type_url.endswith("/pledged.v1.Refusal"):
                    self.refusal = pb.Refusal.FromString(any_message.value)
        super().__init__(f"{self.code.name}: {self.details}")

    @property
    def reason(self):
        return None if self.refusal is None else pb.Reason.Name(self.refusal.reason)[7:]

    @property
    def lost_errno(self):
        """gRPC before 1.61 looks at connect's errno after calls of its own (grpc pull request
        35064): a connect that is on its way may then count as failed, with an error that no connect
        of TCP has. Nothing was sent."""
        return self.code == grpc.StatusCode.UNAVAILABLE and \
            "failed to connect to all addresses" in self.details and \
            "No such file or directory" in self.details


# --- a gRPC client -------------------------------------------------------------------------------

class Client:
    """One channel of one person. Methods have the names of the service: client.ListTiers(...)."""

    def __init__(self, port, pki, person, options=()):
        credentials = grpc.ssl_channel_credentials(
            pki.ca.read_bytes(),
            pki.key(person).read_bytes() if person else None,
            pki.cert(person).read_bytes() if person else None)
        self.person = person
        self.channel = grpc.secure_channel(
            f"127.0.0.1:{port}", credentials,
            options=[("grpc.ssl_target_name_override", "localhost"),
                     ("grpc.use_local_subchannel_pool", 1),
                     ("grpc.initial_reconnect_backoff_ms", 100),
                     ("grpc.max_reconnect_backoff_ms", 500),
                     ("grpc.max_receive_message_length", 64 << 20), *options])

    def raw(self, name):
        method = METHODS[name]
        request = getattr(pb, method.input_type.name)
        response = getattr(pb, method.output_type.name)
        kind = self.channel.unary_stream if name in STREAMING else self.channel.unary_unary
        return kind(f"/{SERVICE}/{name}", request_serializer=request.SerializeToString,
                    response_deserializer=response.FromString)

    def call(self, name, request=None, timeout=20, **fields):
        if request is None:
            request = getattr(pb, METHODS[name].input_type.name)(**fields)
        for left in (2, 1, 0):
            try:
                return self.call_once(name, request, timeout)
            except Refused as refused:
                if left == 0 or not refused.lost_errno:
                    raise

    def call_once(self, name, request, timeout):
        try:
            result = self.raw(name)(request, timeout=patience(timeout))
            if name in LASTING:
                first = next(result)
                result.cancel()
                return first
            return list(result) if name in STREAMING else result
        except grpc.RpcError as error:
            raise Refused(error) from None

    def __getattr__(self, name):
        if name not in METHODS:
            raise AttributeError(name)
        return lambda request=None, **fields: self.call(name, request, **fields)

    def execute(self, command_=None, timeout=20, **fields):
        return self.call("Execute", command_ if command_ is not None else command(**fields),
                         timeout=timeout)

    def batch(self, commands, timeout=60):
        return self.call("ExecuteBatch", pb.ExecuteBatchRequest(command=commands),
                         timeout=timeout).result

    def dump_bytes(self, from_seq=0, to_seq=0):
        """Exact entry bytes, checked for gaps and for the trailer that says the dump is whole."""
        entries, trailer = [], None
        for message in self.call("Dump", from_seq=from_seq, to_seq=to_seq, timeout=120):
            assert trailer is None, "a message after the trailer"
            if message.entry:
                want = (from_seq or 1) + len(entries)
                assert message.first_seq == want, (message.first_seq, want)
                entries.extend(message.entry)
            if message.HasField("trailer"):
                trailer = message.trailer
        assert trailer is not None, "dump without trailer"
        assert trailer.to_seq == (from_seq or 1) + len(entries) - 1, trailer
        return entries, trailer

    def dump(self, **fields):
        return [pb.Entry.FromString(raw) for raw in self.dump_bytes(**fields)[0]]

    # the everyday steps of a test
    def contributor(self, name, kind=2, **fields):
        return self.execute(add_contributor=pb.AddContributor(
            name=name, kind=kind, **fields)).outcome.contributor

    def hold(self, tier, contributor, seconds=3600, **fields):
        return self.execute(hold=pb.Hold(tier=tier, contributor=contributor, for_s=seconds),
                            **fields)

    def submit_tier(self, tier, contributor, **fields):
        return self.execute(submit=pb.Submit(contributor=contributor, tier=tier, **fields),
                            reason="letter of intent")

    def submit_free(self, contributor, minor, currency="CHF", **fields):
        return self.execute(submit=pb.Submit(contributor=contributor, free=True,
                                             amount=money(minor, currency), **fields),
                            reason="letter of intent")

    def commit(self, pledge):
        return self.execute(commit=pb.Commit(pledge=pledge), evidence=[document()])

    def pay(self, pledge, minor, currency="CHF", **fields):
        return self.execute(pay=pb.Pay(pledge=pledge, amount=money(minor, currency), **fields))

    def withdraw(self, pledge):
        return self.execute(withdraw=pb.Withdraw(pledge=pledge), reason="changed their mind")

    def remaining(self, tier):
        count = self.GetTier(tier=tier).tier.remaining
        return None if count.WhichOneof("value") == "unlimited" else count.count

    def close(self):
        self.channel.close()


# --- the command line ----------------------------------------------------------------------------

class Ran:
    """What a run of `pledge` or `pledged` left: exit code, stdout, stderr (text)."""

    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def error(self):
        """The one JSON object on stderr that --format json promises for a failure."""
        return json.loads(self.err)

    @property
    def rows(self):
        """Rows of plain output."""
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def csv(self):
        return list(csv.DictReader(io.StringIO(self.out, newline="")))

    def __repr__(self):
        return (f"{' '.join(map(str, self.args))}\nexit {self.code}\n--- stdout\n{self.out}"
                f"--- stderr\n{self.err}")


def run(args, timeout=30, env=None, text=True, stdin=subprocess.DEVNULL, cwd=None):
    process = subprocess.Popen([str(a) for a in args], stdin=stdin, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=env, cwd=cwd)
    try:
        out, err = process.communicate(timeout=patience(timeout))
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"no end within {patience(timeout)} s: {args}\n{out!r}\n{err!r}")
    if text:
        out = out.decode("utf-8")
    return Ran(args, process.returncode, out, err.decode("utf-8", "replace"))


# --- a daemon and all around it ------------------------------------------------------------------

class Home:
    """One daemon with its directory. Settings: sections of the configuration to change or add."""

    counter = 0

    def __init__(self, data=None, persons=None, settings=None):
        Home.counter += 1
        self.path = SCRATCH / f"home-{Home.counter}"
        self.path.mkdir()
        self.data = pathlib.Path(data) if data else self.path / "data"
        self.pki = Pki.shared()
        self.persons = dict(PERSONS if persons is None else persons)
        for person in self.persons:
            self.pki.person(person)
        self.config = self.path / "pledged.conf"
        self.port_file = self.path / "port"
        self.log_file = self.path / "daemon.log"
        self.settings = {
            "daemon": {"data": self.data, "listen": "127.0.0.1:0", "port_file": self.port_file,
                       "workers": 2, "log_level": "info"},
            "tls": {"cert": self.pki.cert("server"), "key": self.pki.key("server"),
                    "ca": self.pki.ca},
            "ledger": {"origin": "test.example/fund"},
            "store": {"segment_bytes": 2 << 20},
            "limits": {},
        }
        for section, keys in (settings or {}).items():
            self.settings.setdefault(section, {}).update(keys)
        for section in ("admin", "public"):  # listeners that are off unless asked for
            if section in self.settings:
                self.settings[section].setdefault("port_file", self.path / f"{section}-port")
        self.write_config()
        self.process = None
        self.port = None
        self.clients = []
        self.proxies = []
        self.expect_dirty_log = False
        self.log_to = None  # a descriptor instead of the file
        self.variables = {}  # of the daemon's environment, besides the clean ones
        # words before the daemon's own: strace or valgrind with their options
        self.wrapper = os.environ.get("PLEDGED_WRAP", "").split()

    # configuration and one-shot commands of the daemon
    def write_config(self):
        lines = []
        for section, keys in self.settings.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {value}" for key, value in keys.items()]
        for person, role in self.persons.items():
            lines += [f"[person {person}]", f"role = {role}",
                      f"identity = uri:pledged:person:{person}"]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def pledged(self, *args, timeout=60, env=None):
        return run([BIN / "pledged", *args, "--config", self.config], timeout=timeout,
                   env=self.environment() if env is None else env)

    def init(self):
        done = self.pledged("init")
        assert done.code == 0, done
        return done

    # life of the daemon
    def spawn(self):
        """Starts the daemon without waiting for it."""
        self.port_file.unlink(missing_ok=True)
        log = open(self.log_file if self.log_to is None else os.dup(self.log_to), "ab")
        with log:
            self.process = subprocess.Popen([*self.wrapper, str(BIN / "pledged"), "--config",
                                             str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment(**self.variables),
                                            cwd=self.path)
        return self.process

    def start(self, timeout=90):
        self.spawn()
        deadline = time.monotonic() + patience(timeout)
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError, ValueError):
                self.port = int(self.port_file.read_text().strip().rsplit(":", 1)[-1])
                if self.port > 0:
                    return self
            if self.process.poll() is not None:
                said = self.log()
                if not (self.keeps_port() and "the port is in use" in said[-500:]):
                    raise AssertionError(f"pledged ended with {self.process.returncode}\n{said}")
                time.sleep(0.1)
                self.spawn()
            time.sleep(0.005)
        raise AssertionError("pledged did not become ready\n" + self.log())

    def keeps_port(self):
        """It had this port before. While nobody listens there the kernel may lend it to a connection of
        another test, and keeps it for a minute after that one's end."""
        return self.settings["daemon"]["listen"] == f"127.0.0.1:{self.port}"

    def wait(self, timeout=30):
        try:
            return self.process.wait(patience(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError("pledged did not end in time\n" + self.log()) from None

    def terminate(self, timeout=30):
        """SIGTERM; the exit code must say that all went well."""
        self.process.send_signal(signal.SIGTERM)
        code = self.wait(timeout)
        self.process = None
        assert code == 0, f"pledged ended with {code} after SIGTERM\n{self.log()}"

    def kill(self):
        """SIGKILL: no destructor, no last words."""
        self.process.kill()
        self.process.wait(patience(30))
        self.process = None

    def restart(self, kill=False):
        self.drop_clients()
        self.kill() if kill else self.terminate()
        return self.start()

    def log(self):
        try:
            text = self.log_file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return "(no log)"
        return "--- daemon log (end)\n" + text[-6000:]

    def drop_clients(self):
        for client in self.clients:
            client.close()
        self.clients.clear()

    def close(self):
        """Ends everything; a dirty end or a sanitizer's word in the log is a failure."""
        self.drop_clients()
        for proxy in self.proxies:
            proxy.close()
        code = 0
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(patience(30))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                code = "SIGKILL after it did not drain"
            self.process = None
        log = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        bad = [line for line in log.splitlines() if any(w in line for w in SANITIZER_WORDS)]
        tail = self.log()
        shutil.rmtree(self.path, ignore_errors=True)
        assert code == 0, f"pledged ended with {code}\n{tail}"
        assert self.expect_dirty_log or not bad, "\n".join(bad) + "\n" + tail

    # who talks to it
    def client(self, person, port=None, pki=None, options=()):
        client = Client(port or self.port, pki or self.pki, person, options)
        self.clients.append(client)
        return client

    def environment(self, **more):
        """A clean environment: nothing of the machine's user can change a test."""
        env = {key: value for key, value in os.environ.items()
               if key in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS",
                          "LD_LIBRARY_PATH", "TEXTDOMAINDIR")}
        if "TEST_CLOCK" in os.environ:  # tests/clock: all of them are at the same moment
            env.update({key: os.environ[key] for key in ("TEST_CLOCK", "LD_PRELOAD")})
        env.update(HOME=str(self.path), XDG_CONFIG_HOME=str(self.path / "config"),
                   XDG_STATE_HOME=str(self.path / "state"), LC_ALL="C.UTF-8", TERM="xterm")
        env.update({key: str(value) for key, value in more.items()})
        return env

    def client_args(self, person, port=None, pki=None, seconds=20):
        """seconds: people wait ten, a busy machine may not do; None: as the client thinks."""
        pki = pki or self.pki
        args = ["--server", f"localhost:{port or self.port}", "--ca", self.pki.ca]
        if person:
            args += ["--cert", pki.cert(person), "--key", pki.key(person)]
        if seconds is not None:
            args += ["--timeout", f"{round(patience(seconds))}s"]
        return args

    def pledge(self, person, *args, format=None, lang=None, env=None, timeout=30, port=None,
               pki=None, request_id=None, text=True, options=()):
        """Runs `pledge` as a person. env: variables to add. request_id: 16 bytes."""
        seconds = None if "--timeout" in [*options, *args] else 20
        words = [BIN / "pledge", *self.client_args(person, port, pki, seconds)]
        if format:
            words += ["--format", format]
        if lang:
            words += ["--lang", lang]
        if request_id is not None:
            words += ["--request-id", id_text(request_id)]
        return run([*words, *options, *args], timeout=timeout,
                   env=self.environment(**(env or {})), text=text)

    def proxy(self, **fields):
        proxy = Proxy(self.port, **fields)
        self.proxies.append(proxy)
        return proxy

    # setting up
    def adopt(self, catalogue=None):
        admin = self.client("admin")
        receipt = admin.execute(adopt_catalogue=pb.AdoptCatalogue(
            catalogue=catalogue if catalogue is not None else shipped_catalogue()))
        return receipt

    def segments(self):
        """Segment files, oldest first."""
        return sorted(pathlib.Path(p) for p in
                      glob.glob(str(self.data / "**" / "*.seg"), recursive=True))


def opened(catalogue=True, **fields):
    """A daemon that runs, with the shipped catalogue adopted."""
    home = Home(**fields)
    try:
        home.init()
        home.start()
        if catalogue:
            home.adopt(catalogue if catalogue is not True else None)
    except BaseException:
        home.expect_dirty_log = True
        with contextlib.suppress(AssertionError):
            home.close()
        raise
    return home


class DaemonTest(unittest.TestCase):
    """One daemon for all tests of a class. Tests use contributors of their own."""

    settings = None
    catalogue = True

    @classmethod
    def setUpClass(cls):
        cls.home = opened(catalogue=cls.catalogue, settings=cls.settings)
        cls.clerk = cls.home.client("clerk")
        cls.auditor = cls.home.client("auditor")
        cls.reader = cls.home.client("reader")
        cls.admin = cls.home.client("admin")

    @classmethod
    def tearDownClass(cls):
        try:
            if cls.home.process is not None and cls.home.process.poll() is None:
                check_ledger(cls.home.client("auditor").dump())
        finally:
            cls.home.close()

    def ok(self, ran):
        self.assertEqual(ran.code, 0, ran)
        return ran

    def pledge(self, person, *args, **fields):
        """A run that must succeed."""
        return self.ok(self.home.pledge(person, *args, **fields))

    def fails(self, code, person, *args, **fields):
        """A run that must fail with this exit code and print nothing on stdout."""
        ran = self.home.pledge(person, *args, **fields)
        self.assertEqual(ran.code, code, ran)
        self.assertEqual(ran.out, "", ran)
        return ran

    def money_of_nobody(self, account, other=None):
        """A statement of this account brings 100 francs and no name; their bank entry. other: what else stands in it."""
        told = self.home.path / "nobody.xml"
        text = (ROOT / "tests" / "camt" / "no-payer.xml").read_text().replace("CH8109000000150001234", account)
        for there, instead in (other or {}).items():
            text = text.replace(there, instead)
        told.write_text(text)

        def entries():
            rows = self.pledge("clerk", "entries", "--unallocated", format="json").json["bank_entries"]
            return {row["bank_entry"] for row in rows}
        before = entries()
        self.pledge("clerk", "import", told)
        (bank,) = entries() - before
        return bank

    @contextlib.contextmanager
    def refused(self, reason, code=None):
        """The block must be refused with this reason; yields a list that receives the Refused."""
        box = []
        try:
            yield box
        except Refused as refused:
            box.append(refused)
            self.assertEqual(refused.reason, reason, refused)
            if code is not None:
                self.assertEqual(refused.code, code, refused)
        else:
            self.fail(f"not refused, {reason} was expected")

    def eventually(self, what, timeout=10, every=0.02):
        deadline = time.monotonic() + patience(timeout)
        while True:
            value = what()
            if value:
                return value
            if time.monotonic() > deadline:
                self.fail("it did not come true in time")
            time.sleep(every)

    _number = 0

    def name(self, stem="Organisation"):
        DaemonTest._number += 1
        return f"{stem} {DaemonTest._number:05d}"


# --- a proxy that loses replies ------------------------------------------------------------------

class Proxy:
    """A TCP relay to the daemon. `cut(n)` is asked before bytes of the daemon go to the client on
    the n-th connection (1, 2, ...): true ends that connection without delivering them."""

    def __init__(self, port, cut=lambda n: False):
        self.target, self.cut = port, cut
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.sockets = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            self.sockets += [client, server]
            number = self.connections
            for source, sink, cut in ((client, server, None), (server, client, self.cut)):
                threading.Thread(target=self._pump, args=(source, sink, cut, number),
                                 daemon=True).start()

    def _pump(self, source, sink, cut, number):
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data or (cut is not None and cut(number)):
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        for end in [self.listener, *self.sockets]:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


# --- the oracle ----------------------------------------------------------------------------------

LIVE = {"HELD", "PLEDGED", "COMMITTED", "CLOSED"}


def exponent(currency):
    """Digits after the point, by ISO 4217."""
    for digits, codes in ((0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
                          (3, "BHD IQD JOD KWD LYD OMR TND"), (4, "CLF UYW")):
        if currency in codes.split():
            return digits
    return 2


def after(month):
    """The next month of "2026-12"."""
    number = int(month[:4]) * 12 + int(month[5:])
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


class Oracle:
    """A slow and obvious replay of a dump: what the rules promise is checked after every entry."""

    def __init__(self):
        self.four_eyes, self.proposals = set(), {}  # seq -> maker, command, who closed it
        self.seq = 0
        self.time_us = 0
        self.capacity = {}      # (catalogue, tier) -> number or None
        self.pledges = {}       # id -> dict
        self.contributors = {}
        self.contacts = {}      # id -> dict
        self.legal_holds = set()
        self.payers, self.commitments = {}, set()  # bank entry -> commitment; all of them
        self.known_payers = set()   # bank entries, also where it is erased
        self.closed_payers, self.learned = set(), {}  # where one is erased; newest copy that said more
        self.exported = ("", 0)  # month and last entry of the newest export
        self.catalogues = {}    # code -> versions, oldest first
        self.fulfilled = {}     # (pledge, benefit) -> [claimed, declined, delivered]
        self.bank = {}          # id -> dict
        self.receipts, self.certificates = [], []
        self.first_of = {}      # request id -> seq of its first entry
        self.last_of_pledge = {}
        self.payment_at = {}    # seq -> bank entry
        self.allocations = {}   # seq -> what it takes from which bank entry for which pledge
        self.reversed = set()
        self.waivers = {}       # seq -> what is not to come of which pledge
        self.refunds = {}       # id -> dict
        self.partial = None     # first entry of a command that goes on behind it, bytes so far
        self.deeds = {}         # seq -> what was said to be done: a refund's id, or of a benefit
        self.statements = {}    # id -> dict
        self.confirmed = set()  # bank entries that a statement knows
        self.catalogue = None
        self.promoted = None
        self.value_day = {}     # of a bank entry
        self.rules = 99         # the oldest that were ever in force
        self.gone = {}          # bank entry -> day on which it was taken back
        self.used = {}          # bank entry -> days and what of its money was used, or free again, on them
        self.owed = {}          # pledge -> days and its amount from then on
        self.settled = {}       # pledge -> days and what was paid or given up, or due again, on them
        self.to_come = set()    # pledges of a day to come: they may be paid before
        self.rates = []         # (currency, day, seq, decimal, source)
        self.closings = []      # months in the order of their closing, reopened ones gone

    def need(self, condition, entry, what):
        assert condition, f"entry {entry.seq} ({entry.WhichOneof('fact')}): {what}\n{entry}"

    def taken(self, key):
        return sum(1 for p in self.pledges.values()
                   if p["key"] == key and p["stage"] in LIVE)

    def apply(self, e):
        fact = e.WhichOneof("fact")
        self.need(fact is not None, e, "no fact")
        self.need(e.seq == self.seq + 1, e, f"seq after {self.seq}")
        self.need(e.time_us > self.time_us, e, "time must strictly increase")
        self.need(e.actor.person != "" and e.actor.role != 0, e, "who")
        own = e.actor.role == pb.ROLE_DAEMON
        self.need(own == (len(e.request_id) == 0), e, "request id, but for the daemon itself")
        if not own:
            self.need(len(e.request_id) == 16, e, "request id has 16 bytes")
            self.need(e.actor.identity != "", e, "identity")
            first = self.first_of.setdefault(bytes(e.request_id), e.seq)
            if first == e.seq and e.command_bytes:
                self.need(self.partial is None, e, "the command before it is not whole")
                self.partial = (e, e.command)
            elif first == e.seq:
                self.command_of(e, e.command)
            else:
                self.need(e.command == b"", e, "a second entry with command bytes: done twice")
                self.need(e.cause_seq == first, e, "cause is the command's first entry")
        self.need(self.partial is None or e.HasField("command_continued")
                  or self.partial[0].seq == e.seq, e, "the rest of a command was to come")
        self.seq, self.time_us = e.seq, e.time_us
        self.need(e.posting_date == self.posting(e), e, f"posted to {self.posting(e)!r}")
        body = getattr(e, fact)
        pledge = getattr(body, "pledge", "")
        if pledge:  # what was refused about a pledge is part of its history as well
            self.need(e.prev_seq == self.last_of_pledge.get(pledge, 0), e,
                      f"prev_seq is {self.last_of_pledge.get(pledge, 0)}")
            self.last_of_pledge[pledge] = e.seq
        if self.promoted is not None:
            self.need(fact == "hold_placed" and pledge == self.promoted, e,
                      "a promotion is followed by its hold")
        self.carry_out(e)
        getattr(self, "on_" + fact, self.nothing)(e, body)
        if self.promoted is not None and fact != "wait_promoted":
            self.promoted = None
        return self

    def nothing(self, e, body):
        pass

    # The books of every day, as somebody sees them who looks back: recorded later, dated earlier.

    def use(self, e, bank, minor):
        """So much of the money is used from this day on (less than 0: free again)."""
        used = self.used.setdefault(bank, [])
        used.append((self.business_day(e), minor))
        came, amount = self.value_day[bank], self.bank[bank]["came"]
        for day in {day for day, _ in used} if self.rules >= 14 else ():
            there = amount if day >= came else 0
            gone = amount if day >= self.gone.get(bank, "9999") else 0
            self.need(gone <= sum(minor for of, minor in used if of <= day) <= there, e,
                      f"more of {bank} used on {day} than had come, or given back: {used}")

    def settle(self, e, pledge, minor):
        """So much less is due of the pledge from this day on (less than 0: more)."""
        settled = self.settled.setdefault(pledge, [])
        settled.append((self.business_day(e), minor))
        self.look_back(e, pledge)

    def owe(self, e, pledge, minor):
        owed = self.owed.setdefault(pledge, [])
        self.need(self.rules < 16 or not owed or owed[-1][0] <= self.business_day(e), e,
                  f"{pledge}: another amount before the last word on it: {owed}")
        owed.append((self.business_day(e), minor))
        if self.business_day(e) > self.day_of(e):
            self.to_come.add(pledge)
        self.look_back(e, pledge)

    def look_back(self, e, pledge):
        owed, settled = self.owed[pledge], self.settled.get(pledge, [])
        if self.rules < 14 or pledge in self.to_come:
            return
        for day in {day for day, _ in owed + settled}:
            promised = [minor for of, minor in owed if of <= day] or [0]
            self.need(0 <= sum(minor for of, minor in settled if of <= day) <= promised[-1], e,
                      f"{pledge}: {settled} paid on {day}, {owed} promised")

    def command_of(self, e, whole):
        self.need(hashlib.sha256(whole).digest() == e.command_digest, e, "digest")
        sent = pb.Command.FromString(whole)
        self.need(sent.request_id == e.request_id, e, "command of another request id")
        self.need(not sent.dry_run, e, "dry run in the ledger")

    def on_command_continued(self, e, body):
        first, so_far = self.partial
        self.need(first.seq == e.cause_seq, e, "the rest of another command")
        so_far += body.bytes
        self.partial = (first, so_far)
        if len(so_far) >= first.command_bytes:
            self.partial = None
            self.command_of(first, so_far)

    @staticmethod
    def day_of(e):
        moment = datetime.datetime.fromtimestamp(e.time_us // 10**6, datetime.timezone.utc)
        return moment.strftime("%Y-%m-%d")

    @classmethod
    def business_day(cls, e):
        day = e.effective_date
        for fact in ("payment_recorded", "refund_paid", "refund_returned", "charge_booked"):  # their day is the bank's
            if e.HasField(fact):
                day = getattr(e, fact).value_date or day
        if e.HasField("bank_entry_recorded"):
            day = e.bank_entry_recorded.movement.value_date or day
        return day or cls.day_of(e)

    def posting(self, e):
        """Where the books post an entry whose business day lies in a closed month."""
        month = self.business_day(e)[:7]
        if not self.closings or month > self.closings[-1]:
            return ""
        return after(self.closings[-1]) + "-01"

    def on_period_closed(self, e, body):
        self.need(not self.closings or body.period == after(self.closings[-1]), e, "out of turn")
        self.closings.append(body.period)
        self.need(body.head_size < e.seq, e, "a ledger of the future")
        for line in body.totals:
            live = [p for p in self.pledges.values() if p["stage"] in ("PLEDGED", "COMMITTED",
                    "CLOSED") and p["currency"] == line.currency]
            self.need((line.pledges, line.pledged_minor) ==
                      (len(live), sum(p["amount"] for p in live)), e, "totals")

    def on_period_reopened(self, e, body):
        self.need(self.closings and self.closings[-1] == body.period, e, "not the last one")
        self.closings.pop()

    @staticmethod
    def exchange(minor, currency, rate, into="CHF", into_rate=1):
        """Minor units of another currency, rounded half to even."""
        with decimal.localcontext() as context:
            context.prec = 90
            amount = decimal.Decimal(minor).scaleb(-exponent(currency)) * rate / into_rate
            return int(amount.scaleb(exponent(into)).quantize(1, decimal.ROUND_HALF_EVEN))

    def valued(self, e, body, minor, currency):
        """In francs by the rate of the day or the last before it, wherever there is one."""
        day = self.business_day(e)
        known = [r for r in self.rates if r[0] == currency and r[1] <= day]
        value = None
        if known:
            _, of, seq, rate, source = max(known, key=lambda r: (r[1], r[2]))
            value = self.exchange(minor, currency, rate)
        if value is None or abs(value) >= 2**63:
            self.need(not body.HasField("valuation"), e, "a value without a rate")
            return
        there = body.valuation
        self.need((there.value.minor, there.value.currency, there.rate_date, there.rate_seq,
                   decimal.Decimal(there.mantissa).scaleb(-there.scale), there.source) ==
                  (value, "CHF", of, seq, rate, source), e, f"a value other than {value}")

    def settled_by(self, e, body, day):
        """By the rates that the entry names, if it names any."""
        used = {"CHF": 1}
        for applied in body.rate:
            rate = applied.rate
            row = (rate.currency, rate.date, applied.rate_seq,
                   decimal.Decimal(rate.mantissa).scaleb(-rate.scale), rate.source)
            self.need(row in self.rates and rate.date <= day, e, "a rate that nobody recorded")
            used[rate.currency] = row[3]
        if body.rate:
            a, b = body.amount, body.settled
            self.need(b.minor == self.exchange(a.minor, a.currency, used[a.currency], b.currency,
                                               used[b.currency]) or
                      a.minor == self.exchange(b.minor, b.currency, used[b.currency], a.currency,
                                               used[a.currency]), e, "another amount by this rate")

    def on_rate_recorded(self, e, body):
        rate = body.rate
        self.need(rate.currency != "CHF" and rate.mantissa > 0 and rate.source, e, "no rate")
        moment = datetime.datetime.fromtimestamp(e.time_us // 10**6, datetime.timezone.utc)
        self.need(rate.date <= max(moment.strftime("%Y-%m-%d"), self.business_day(e)), e,
                  "a rate of the future")
        same = [seq for currency, day, seq, _, _ in self.rates
                if (currency, day) == (rate.currency, rate.date)]
        self.need(body.supersedes == max(same, default=0), e, f"supersedes one of {same}")
        self.rates.append((rate.currency, rate.date, e.seq,
                           decimal.Decimal(rate.mantissa).scaleb(-rate.scale), rate.source))

    def carry_out(self, e):
        """Who approves is not who proposed, and a proposal is carried out by one command."""
        if not e.proposal_seq:
            self.need(e.maker == "", e, "a maker without a proposal")
            return
        proposal = self.proposals.get(e.proposal_seq)
        self.need(proposal is not None, e, "no such proposal")
        self.need(e.maker == proposal["maker"], e, "another maker")
        self.need(e.maker != e.actor.person, e, "maker is checker")
        if e.command:
            self.need(proposal["closed"] is None and e.time_us < proposal["expires"], e,
                      "the proposal is not open")
            proposal["closed"] = e.seq
        self.need(proposal["closed"] == (e.seq if e.command else e.cause_seq), e, "carried out twice")

    def on_policy_adopted(self, e, body):
        self.four_eyes = set(body.four_eyes)
        self.rules = min(self.rules, body.rules)

    def on_proposed(self, e, body):
        self.need(getattr(body, "class") in self.four_eyes, e, "needs no second person")
        self.need(body.expires_us > e.time_us, e, "begins expired")
        self.proposals[e.seq] = dict(maker=e.actor.person, command=bytes(e.command), closed=None,
                                     expires=body.expires_us)

    def on_proposal_rejected(self, e, body):
        self.close_proposal(e, body)

    def on_proposal_expired(self, e, body):
        self.close_proposal(e, body)
        self.need(self.proposals[body.proposal_seq]["expires"] <= e.time_us, e, "not due")

    def close_proposal(self, e, body):
        proposal = self.proposals.get(body.proposal_seq)
        self.need(proposal is not None and proposal["closed"] is None, e, "not open")
        proposal["closed"] = e.seq

    def stage(self, e, pledge, *allowed):
        self.need(pledge in self.pledges, e, "unknown pledge")
        self.need(self.pledges[pledge]["stage"] in allowed, e,
                  f"stage is {self.pledges[pledge]['stage']}")
        return self.pledges[pledge]

    def take(self, e, key):
        self.need(key in self.capacity, e, f"unknown tier {key}")
        room = self.capacity[key]
        self.need(room is None or self.taken(key) <= room, e,
                  f"{self.taken(key)} holders in {key}, capacity {room}")

    def new_pledge(self, e, pledge, contributor, key, stage, **fields):
        self.need(pledge == f"P{len(self.pledges) + 1:06d}", e, "pledge ids ascend")
        self.need(contributor in self.contributors, e, "unknown contributor")
        self.pledges[pledge] = dict(contributor=contributor, key=key, stage=stage, amount=None,
                                    allocated=0, forgiven=0, **fields)

    def on_ledger_created(self, e, body):
        self.need(e.seq == 1, e, "comes first")
        self.need(len(body.ledger_id) == 16, e, "ledger id")

    def on_catalogue_adopted(self, e, body):
        proposed = self.proposals.get(e.proposal_seq, {}).get("command", e.command)
        sent = pb.Command.FromString(proposed).adopt_catalogue.catalogue
        self.need((sent.code, sent.version) == (body.code, body.version), e, "another catalogue")
        for tier in sent.tier:
            limited = tier.capacity.WhichOneof("value") == "count"
            key = (sent.code, tier.code)
            self.capacity[key] = tier.capacity.count if limited else None
            self.need(not limited or self.taken(key) <= tier.capacity.count, e,
                      "capacity below taken")
        self.catalogue = sent
        self.catalogues.setdefault(sent.code, []).append(sent)

    def on_contributor_added(self, e, body):
        self.need(body.contributor == f"C{len(self.contributors) + 1:06d}", e, "ids ascend")
        self.contributors[body.contributor] = body.name

    def on_contributor_amended(self, e, body):
        self.need(body.contributor in self.contributors, e, "unknown")
        self.contributors[body.contributor] = body.name

    def moved(self, e, body, which):
        pledge = self.stage(e, body.pledge, "PLEDGED", "COMMITTED", "CLOSED")
        catalogue = (pledge.get("frozen") if pledge["stage"] != "PLEDGED" else None) or \
            self.catalogues[pledge["key"][0]][-1]
        granted = [g for g in catalogue.grant
                   if (g.tier, g.benefit) == (pledge["key"][1], body.benefit)]
        self.need(len(granted) == 1 and body.quantity > 0, e, "not granted")
        self.need(granted[0].unit == body.unit, e, "another unit")
        row = self.fulfilled.setdefault((body.pledge, body.benefit), [0, 0, 0])
        row[which] += body.quantity
        claimed, declined, delivered = row
        most = granted[0].quantity
        self.need(declined + delivered <= most if which else claimed + declined <= most, e,
                  f"more than granted: {row} of {most}")
        self.deeds[e.seq] = (body.pledge, body.benefit, which, body.quantity)
        return pledge

    def on_benefit_claimed(self, e, body):
        self.moved(e, body, 0)

    def on_benefit_declined(self, e, body):
        self.moved(e, body, 1)

    def on_benefit_delivered(self, e, body):
        early = self.moved(e, body, 2)["stage"] == "PLEDGED"
        self.need(early == body.before_commitment, e, "signed or not")
        sent = pb.Command.FromString(e.command) if e.command else None
        self.need(not early or sent is None or sent.reason != "", e, "early without a reason")

    def on_postings_exported(self, e, body):
        self.need(body.period > self.exported[0] and body.to_seq >= self.exported[1] and
                  body.to_seq < e.seq, e, f"after {self.exported}")
        self.need(self.closings and body.period <= self.closings[-1], e, "of an open month")
        self.exported = (body.period, body.to_seq)

    def on_contact_recorded(self, e, body):
        self.need(body.contributor in self.contributors, e, "unknown contributor")
        self.need(body.contact == f"K{len(self.contacts) + 1:06d}", e, "number of a person")
        self.need(len(body.commitment) == 32 and all(
            c["commitment"] != body.commitment for c in self.contacts.values()), e, "commitment")
        self.contacts[body.contact] = {"contributor": body.contributor, "erased": False,
                                       "commitment": body.commitment}

    def on_subject_erased(self, e, body):
        self.need(body.contributor not in self.legal_holds, e, "erased under a legal hold")
        self.need(0 < len(body.contact) + len(body.bank_entry) == len(body.commitment), e,
                  "erased nobody")
        for bank, commitment in zip(body.bank_entry, body.commitment[len(body.contact):]):
            self.need(commitment in self.payers.get(bank, ()), e, "erased another payer")
            self.payers[bank].remove(commitment)
            self.closed_payers.add(bank)
            self.need(not self.legal_holds & self.paid_for(bank), e, "erased under a legal hold")
        for contact, commitment in zip(body.contact, body.commitment):
            known = self.contacts.get(contact)
            self.need(known is not None and not known["erased"], e, "erased who is not there")
            self.need(known["contributor"] == body.contributor and
                      known["commitment"] == commitment, e, "erased somebody else")
            known["erased"] = True

    def paid_for(self, bank):
        """The organisations that the money of a bank entry is for, or was paid back to."""
        there = self.bank[bank]
        pledges = {there["pledge"]} | {a["pledge"] for seq, a in self.allocations.items()
                                       if a["bank"] == bank and seq not in self.reversed}
        if there.get("debit"):
            pledges = {r["pledge"] for r in self.refunds.values() if r["debit"] == bank}
        return {self.pledges[p]["contributor"] for p in pledges if p}

    def has_payer(self, e, body):
        if body.movement.detail_commitment:
            self.paid_by(e, body.bank_entry, body.movement.detail_commitment)

    def paid_by(self, e, bank, commitment):
        self.need(len(commitment) == 32 and commitment not in self.commitments, e,
                  "commitment of who paid")
        self.commitments.add(commitment)
        self.payers.setdefault(bank, []).append(commitment)
        self.known_payers.add(bank)

    def on_payer_learned(self, e, body):
        """By a later statement, of what came in without; once, and not what was erased."""
        self.need(body.bank_entry in self.confirmed, e, "no statement has it")
        self.need(body.bank_entry not in self.known_payers, e, "who paid was known")
        self.need(body.statement in self.statements, e, "of no statement")
        self.paid_by(e, body.bank_entry, body.detail_commitment)

    def on_movement_learned(self, e, body):
        """By a later statement: of what is there, in the order in which it was told, never of whom
        somebody erased. A sum that gives way to it is money that nobody has used."""
        self.need(body.bank_entry in self.confirmed, e, "no statement has it")
        self.need(body.statement in self.statements, e, "of no statement")
        if not body.part:
            self.need(self.learned.get(body.bank_entry, 0) == body.before_seq, e, "out of its order")
            self.learned[body.bank_entry] = e.seq
        if body.movement.detail_commitment:
            self.need(body.bank_entry not in self.closed_payers, e, "who paid was erased")
            self.paid_by(e, body.bank_entry, body.movement.detail_commitment)
        if body.batch:
            batch = self.bank[body.batch]
            self.need(batch["allocated"] == batch["refunded"] == 0, e, "details of what is allocated as a whole")
            self.need(not body.part and body.batch != body.bank_entry, e, "details of itself")
            batch["amount"] = 0

    def on_legal_hold_set(self, e, body):
        self.need((body.contributor in self.legal_holds) != body.on, e, "a hold that is no news")
        (self.legal_holds.add if body.on else self.legal_holds.discard)(body.contributor)

    def on_hold_placed(self, e, body):
        key = (body.catalogue, body.tier)
        if body.pledge in self.pledges:
            self.need(self.promoted == body.pledge, e, "an old pledge, but no promotion")
            self.pledges[body.pledge]["stage"] = "HELD"
        else:
            self.new_pledge(e, body.pledge, body.contributor, key, "HELD")
        self.pledges[body.pledge]["expires"] = body.expires_us
        self.take(e, key)

    def on_hold_extended(self, e, body):
        pledge = self.stage(e, body.pledge, "HELD")
        self.need(e.time_us < pledge["expires"], e, "extended after its end")
        self.need(body.expires_us > pledge["expires"], e, "a hold is made shorter")
        pledge["expires"] = body.expires_us

    def on_hold_expired(self, e, body):
        pledge = self.stage(e, body.pledge, "HELD")
        self.need(e.time_us >= pledge["expires"], e, "expired too early")
        pledge["stage"] = "EXPIRED"

    def on_wait_added(self, e, body):
        key = (body.catalogue, body.tier)
        self.need(not any(p["contributor"] == body.contributor and p["stage"] in LIVE and p["key"]
                          and p["key"][0] == body.catalogue for p in self.pledges.values()), e,
                  "who has a slot waits for ever")
        self.new_pledge(e, body.pledge, body.contributor, key, "WAITING", since=e.seq)

    def on_wait_promoted(self, e, body):
        pledge = self.stage(e, body.pledge, "WAITING")
        # one live slot a contributor: who has one meanwhile is passed over
        has_slot = {p["contributor"] for p in self.pledges.values()
                    if p["stage"] in LIVE and p["key"] and p["key"][0] == pledge["key"][0]}
        ahead = [i for i, p in self.pledges.items() if p["stage"] == "WAITING"
                 and p["key"] == pledge["key"] and p["since"] < pledge["since"]
                 and p["contributor"] not in has_slot]
        self.need(not ahead, e, f"{ahead} waited longer")
        self.promoted = body.pledge

    def on_pledge_made(self, e, body):
        key = (body.catalogue, body.tier) if body.tier else None
        if body.from_hold:
            pledge = self.stage(e, body.pledge, "HELD")
            self.need(pledge["key"] == key, e, "another tier than the hold's")
            self.need(e.time_us < pledge["expires"], e, "submitted after the hold's end")
            pledge["stage"] = "PLEDGED"
        else:
            self.new_pledge(e, body.pledge, body.contributor, key, "PLEDGED")
        self.pledges[body.pledge].update(amount=body.amount.minor, currency=body.amount.currency)
        self.need(body.amount.minor > 0, e, "amount")
        self.owe(e, body.pledge, body.amount.minor)
        self.valued(e, body, body.amount.minor, body.amount.currency)
        if key:
            self.take(e, key)

    def on_commitment_signed(self, e, body):
        pledge = self.stage(e, body.pledge, "PLEDGED")
        pledge["stage"] = "COMMITTED"
        if pledge["key"] and pledge["key"][1]:
            pledge["frozen"] = self.catalogues[pledge["key"][0]][-1]
        self.need(len(body.agreement_sha256) == 32, e, "agreement")

    def on_commitment_amended(self, e, body):
        pledge = self.stage(e, body.pledge, "COMMITTED")
        self.need(body.previous.minor == pledge["amount"], e, "previous amount")
        self.need(body.amount.minor >= pledge["allocated"] + pledge["forgiven"], e,
                  "below allocated")
        pledge["amount"] = body.amount.minor
        self.owe(e, body.pledge, body.amount.minor)
        self.follow(pledge)

    def on_schedule_set(self, e, body):
        pledge = self.stage(e, body.pledge, "PLEDGED", "COMMITTED")
        parts = [[p.due, p.amount.minor] for p in body.instalment]
        self.need(parts and sum(minor for _, minor in parts) == pledge["amount"], e, "the parts add up")
        self.need(all(minor > 0 for _, minor in parts), e, "a part of nothing")
        self.need(all(a < b for (a, _), (b, _) in zip(parts, parts[1:])), e, "days ascend")
        pledge["schedule"] = parts

    @staticmethod
    def follow(pledge):
        """The schedule of an amended promise: the last part takes the difference."""
        parts = pledge.get("schedule")
        if not parts:
            return
        while sum(minor for _, minor in parts[:-1]) >= pledge["amount"]:
            parts.pop()
        parts[-1][1] = pledge["amount"] - sum(minor for _, minor in parts[:-1])

    def on_tier_changed(self, e, body):
        pledge = self.stage(e, body.pledge, "HELD", "PLEDGED", "COMMITTED")
        self.need(pledge["key"][1] == body.from_tier, e, "from another tier")
        pledge["key"] = (body.catalogue, body.to_tier)
        if pledge["stage"] == "COMMITTED":
            pledge["frozen"] = self.catalogues[body.catalogue][-1]
        if body.HasField("amount"):
            pledge["amount"] = body.amount.minor
            self.owe(e, body.pledge, body.amount.minor)
            self.follow(pledge)
        self.take(e, pledge["key"])

    def on_withdrawn(self, e, body):
        pledge = self.stage(e, body.pledge, "HELD", "WAITING", "PLEDGED")
        pledge["stage"] = "WITHDRAWN"
        self.deallocate(e, body.pledge)

    def deallocate(self, e, name):
        """What was allocated to a pledge that ends is free money again."""
        for seq, there in self.allocations.items():
            if there["pledge"] == name and seq not in self.reversed:
                self.undo(e, seq)

    def undo(self, e, seq):
        there = self.allocations[seq]
        assert self.pledges[there["pledge"]]["stage"] != "CLOSED", "a closed pledge loses money"
        self.reversed.add(seq)
        self.bank[there["bank"]]["allocated"] -= there["minor"]
        self.pledges[there["pledge"]]["allocated"] -= there["settled"]
        self.use(e, there["bank"], -there["minor"])
        self.settle(e, there["pledge"], -there["settled"])

    def on_cancelled(self, e, body):
        pledge = self.stage(e, body.pledge, "COMMITTED")
        pledge["stage"] = "CANCELLED"
        self.need(body.deallocated.minor == pledge["allocated"], e, "all allocations come free")
        self.deallocate(e, body.pledge)

    def on_payment_recorded(self, e, body):
        self.need(body.pledge in self.pledges, e, "unknown pledge")
        self.valued(e, body, body.amount.minor, body.amount.currency)
        self.need(body.bank_entry == f"B{len(self.bank) + 1:06d}", e, "bank entry ids ascend")
        self.bank[body.bank_entry] = dict(pledge=body.pledge, amount=body.amount.minor,
                                          currency=body.amount.currency, allocated=0,
                                          refunded=0, came=body.amount.minor)
        self.payment_at[e.seq] = body.bank_entry
        self.value_day[body.bank_entry] = self.business_day(e)

    def on_allocated(self, e, body):
        settled = body.settled if body.HasField("settled") else body.amount
        bank, pledge = self.bank[body.bank_entry], self.pledges[body.pledge]
        self.need(pledge["stage"] in ("PLEDGED", "COMMITTED"), e, "the pledge takes no money")
        bank["allocated"] += body.amount.minor
        pledge["allocated"] += settled.minor
        self.need(not bank.get("debit"), e, "money that left pays for a pledge")
        self.need(self.left_of(bank) >= 0, e,
                  "more allocated than came in")
        self.need(pledge["allocated"] + pledge["forgiven"] <= pledge["amount"], e,
                  "more allocated than promised")
        self.need(body.amount.currency == bank["currency"], e, "currency of the bank entry")
        self.need(settled.currency == pledge["currency"], e, "currency of the pledge")
        self.settled_by(e, body, self.value_day[body.bank_entry])
        self.use(e, body.bank_entry, body.amount.minor)
        self.settle(e, body.pledge, settled.minor)
        self.allocations[e.seq] = dict(bank=body.bank_entry, pledge=body.pledge,
                                       minor=body.amount.minor, settled=settled.minor)

    def on_reversed(self, e, body):
        target = body.target_seq
        self.need(target in self.payment_at or target in self.allocations or
                  target in self.waivers or target in self.deeds, e, "target cannot be reversed")
        self.need(target not in self.reversed, e, "reversed twice")
        if target in self.deeds:
            self.reversed.add(target)
            self.undo_deed(e, body, self.deeds[target])
            return
        if target in self.waivers:
            there = self.waivers[target]
            self.need(there["pledge"] == body.pledge, e, "pledge")
            self.need(self.pledges[body.pledge]["stage"] != "CLOSED", e, "closed because of it")
            self.reversed.add(target)
            self.pledges[there["pledge"]]["forgiven"] -= there["minor"]
            self.settle(e, there["pledge"], -there["minor"])
            return
        bank = self.bank[body.bank_entry]
        if target in self.allocations:
            there = self.allocations[target]
            self.need((there["bank"], there["pledge"]) == (body.bank_entry, body.pledge), e, "names")
            self.need(body.deallocated.minor == there["minor"], e, "deallocated")
            self.undo(e, target)
            return
        live = {seq: a for seq, a in self.allocations.items()
                if a["bank"] == body.bank_entry and seq not in self.reversed}
        self.need(all(a["pledge"] == body.pledge for a in live.values()), e,
                  "it still pays for others")
        self.need(body.deallocated.minor == sum(a["minor"] for a in live.values()), e,
                  "deallocated")
        for seq in live:
            self.undo(e, seq)
        self.need(body.bank_entry not in self.confirmed, e, "the bank says that it is there")
        self.reversed.add(target)
        self.need(bank["allocated"] == 0, e, "money gone, but still allocated")
        self.need(bank["refunded"] == 0, e, "money gone, and paid back as well")
        self.gone[body.bank_entry] = self.business_day(e)
        self.use(e, body.bank_entry, bank["amount"])
        bank["amount"] = 0

    def undo_deed(self, e, body, deed):
        if deed[0] == "closing":
            self.need(body.pledge == deed[1] and not body.HasField("amount"), e, "another pledge")
            self.need(self.pledges[body.pledge]["stage"] == "CLOSED", e, "it is not closed")
            self.pledges[body.pledge]["stage"] = "COMMITTED"
            return
        if len(deed) == 4:
            pledge, benefit, which, quantity = deed
            self.need((body.pledge, body.benefit, body.quantity, body.refund) ==
                      (pledge, benefit, quantity, ""), e, "another benefit")
            self.fulfilled[pledge, benefit][which] -= quantity
            return
        if len(deed) == 2:  # a charge: the debit waits again
            self.need((body.bank_entry, body.amount.minor, body.refund) == (*deed, ""), e,
                      "another charge")
            bank = self.bank[deed[0]]
            bank["allocated" if bank.get("debit") else "explained"] -= deed[1]
            return
        if len(deed) == 5:
            self.undo_return(e, body, *deed)
            return
        refund = self.refunds[body.refund]
        self.need(deed == (body.refund,) and refund["state"] == "PAID", e, "not paid")
        self.need((body.bank_entry, body.amount.minor, body.benefit) ==
                  (refund["debit"], refund["minor"], ""), e, "names")
        self.need(refund["pledge"] in ("", body.pledge), e, "another pledge")
        debit = self.bank[refund["debit"]]
        debit["allocated"] -= refund["minor"]
        if refund["debit"] not in self.confirmed:  # only a person has seen it
            debit["amount"] = 0
        refund.update(state="ORDERED", debit=None)

    def document(self, e, body, letter, issued):
        self.need(body.number == f"{letter}{len(issued) + 1:06d}", e, "numbers without gaps")
        self.need(len(body.document_sha256) == 32, e, "hash of the document")
        pledge = self.pledges[body.pledge]
        self.need(pledge["contributor"] == body.contributor, e, "somebody else's document")
        self.need(body.amount.currency == pledge["currency"], e, "currency of the pledge")
        issued.append(body.number)
        return pledge

    def on_receipt_issued(self, e, body):
        self.document(e, body, "Q", self.receipts)
        total = 0
        for seq in body.allocation_seq:
            there = self.allocations[seq]
            self.need(there["pledge"] == body.pledge, e, "money of another pledge")
            self.need(seq not in self.reversed, e, "money that was taken back")
            self.need("receipt" not in there, e, "receipted twice")
            there["receipt"] = body.number
            total += there["settled"]
        self.need(body.allocation_seq and total == body.amount.minor, e, "amount of the receipt")

    def on_certificate_issued(self, e, body):
        pledge = self.document(e, body, "Z", self.certificates)
        self.need(pledge["stage"] in ("COMMITTED", "CLOSED"), e, "not signed")
        self.need(body.amount.minor == pledge["amount"], e, "amount of the commitment")
        self.need(body.tier == (pledge["key"][1] if pledge["key"] else ""), e, "tier")
    def on_statement_imported(self, e, body):
        self.need(body.statement == f"S{len(self.statements) + 1:06d}", e, "statement ids ascend")
        key = (body.account, body.id, body.sequence, body.created[:4], body.kind)
        self.need(key not in [s["key"] for s in self.statements.values()], e, "came in twice")
        self.statements[body.statement] = dict(key=key, currency=body.currency)
        if self.first_of.get(bytes(e.request_id)) == e.seq and not e.command_bytes:
            for sent in pb.Command.FromString(e.command).import_statement.statement:
                if sent.kind == pb.STATEMENT_KIND_STATEMENT:
                    moved = sum(m.minor for m in sent.movement) + sent.remainder.minor
                    self.need(sent.opening_minor + moved == sent.closing_minor, e, "unbalanced")

    def on_bank_entry_recorded(self, e, body):
        self.need(body.bank_entry == f"B{len(self.bank) + 1:06d}", e, "bank entry ids ascend")
        self.need(body.statement in self.statements, e, "of no statement")
        self.need(self.statements[body.statement]["currency"] == body.currency, e, "currency")
        self.need(body.movement.minor != 0, e, "amount")
        self.valued(e, body, body.movement.minor, body.currency)
        self.value_day[body.bank_entry] = self.business_day(e)
        if body.batch:
            batch = self.bank[body.batch]
            self.need(batch["allocated"] == batch["refunded"] == 0, e, "details of what is allocated as a whole")
            batch["amount"] = 0
        # what left the account is no money of the fund's: it may only pay refunds
        self.bank[body.bank_entry] = dict(pledge="", amount=abs(body.movement.minor),
                                          currency=body.currency, allocated=0, refunded=0,
                                          debit=body.movement.minor < 0,
                                          came=max(body.movement.minor, 0))
        self.confirmed.add(body.bank_entry)
        self.has_payer(e, body)

    def on_statement_repeated(self, e, body):
        self.need(body.statement in self.statements, e, "of no statement")

    def on_payment_confirmed(self, e, body):
        self.need(body.bank_entry not in self.confirmed, e, "confirmed twice")
        bank = self.bank[body.bank_entry]
        refund = next((r for r in self.refunds.values() if r["debit"] == body.bank_entry), None)
        self.need((refund is not None) == bool(bank.get("debit")) == (body.refund != ""), e,
                  "a refund is confirmed by a debit")
        if refund is not None:
            self.need(self.refunds[body.refund] is refund, e, "another refund")
        minor = -bank["amount"] if refund is not None else bank["amount"]
        self.need(body.movement.minor == minor, e, "another amount")
        meant = (refund or bank)["pledge"]  # money that was nobody's when its refund was ordered
        self.need(meant == body.pledge or (refund is not None and meant == ""), e, "another pledge")
        self.confirmed.add(body.bank_entry)
        self.has_payer(e, body)

    def on_bank_reversal(self, e, body):
        bank = self.bank[body.original]
        for seq, there in self.allocations.items():
            if there["bank"] == body.original and seq not in self.reversed:
                self.undo(e, seq)
        self.need(bank["allocated"] == 0 and bank["amount"] == body.amount.minor, e, "amount")
        self.need(bank["refunded"] == 0, e, "taken back, and paid back as well")
        self.gone[body.original] = self.business_day(e)
        self.use(e, body.original, bank["amount"])
        bank["amount"] = 0

    def on_charge_booked(self, e, body):
        bank = self.bank[body.bank_entry]
        self.need(body.bank_entry in self.confirmed, e, "not of the bank")
        self.need(body.amount.currency == bank["currency"], e, "currency")
        self.need(0 < body.amount.minor == self.left_of(bank), e, "what is left")
        self.need(body.given_back == (not bank.get("debit")), e, "the other direction")
        if bank.get("debit"):
            bank["allocated"] += body.amount.minor
        else:
            self.need(bank["allocated"] == bank["refunded"] == 0, e, "a charge that pays for pledges")
            bank["explained"] = bank.get("explained", 0) + body.amount.minor
        self.deeds[e.seq] = (body.bank_entry, body.amount.minor)

    def forgive(self, e, body):
        pledge = self.pledges[body.pledge]
        pledge["forgiven"] += body.amount.minor
        self.need(body.amount.currency == pledge["currency"], e, "currency of the pledge")
        self.need(body.amount.minor > 0, e, "amount")
        self.need(pledge["allocated"] + pledge["forgiven"] <= pledge["amount"], e,
                  "less is to come than nothing")
        self.waivers[e.seq] = dict(pledge=body.pledge, minor=body.amount.minor)
        self.settle(e, body.pledge, body.amount.minor)

    def on_written_off(self, e, body):
        self.stage(e, body.pledge, "COMMITTED")
        self.forgive(e, body)

    def on_difference_accepted(self, e, body):
        self.stage(e, body.pledge, "PLEDGED", "COMMITTED")
        self.need(any(a["bank"] == body.bank_entry and a["pledge"] == body.pledge
                      and seq not in self.reversed for seq, a in self.allocations.items()), e,
                  "a difference of money that does not pay for it")
        self.forgive(e, body)

    def on_pledge_closed(self, e, body):
        pledge = self.stage(e, body.pledge, "COMMITTED")
        self.need(pledge["allocated"] + pledge["forgiven"] == pledge["amount"], e, "not paid")
        self.need(not any(r["pledge"] == body.pledge and r["state"] == "ORDERED"
                          for r in self.refunds.values()), e, "a refund is open")
        sent = pb.Command.FromString(self.proposals[e.proposal_seq]["command"] if e.proposal_seq
                                     else e.command)
        for grant in (pledge.get("frozen").grant if pledge.get("frozen") else []):
            done = self.fulfilled.get((body.pledge, grant.benefit), [0, 0, 0])
            self.need(grant.tier != pledge["key"][1] or sent.close.waive_benefits or
                      grant.quantity <= done[1] + done[2], e, f"{grant.benefit} is owed")
        pledge["stage"] = "CLOSED"
        self.deeds[e.seq] = ("closing", body.pledge)

    def on_refund_ordered(self, e, body):
        bank = self.bank[body.bank_entry]
        self.need(body.refund == f"R{len(self.refunds) + 1:06d}", e, "refund ids ascend")
        bank["refunded"] += body.amount.minor
        self.need(body.amount.minor > 0 and body.amount.currency == bank["currency"], e, "amount")
        self.need(self.left_of(bank) >= 0, e, "more than is free")
        self.use(e, body.bank_entry, body.amount.minor)
        self.refunds[body.refund] = dict(bank=body.bank_entry, pledge=body.pledge,
                                         minor=body.amount.minor, state="ORDERED", debit=None)

    def open_refund(self, e, body, state):
        there = self.refunds[body.refund]
        self.need(there["state"] == "ORDERED", e, f"refund is {there['state']}")
        self.need(there["minor"] == body.amount.minor, e, "another amount")
        there["state"] = state
        return there

    def on_refund_paid(self, e, body):
        there = self.open_refund(e, body, "PAID")
        if body.bank_entry not in self.bank:
            self.need(body.bank_entry == f"B{len(self.bank) + 1:06d}", e, "bank entry ids ascend")
            self.bank[body.bank_entry] = dict(
                pledge="", amount=body.amount.minor, allocated=0, refunded=0, debit=True,
                currency=self.bank[there["bank"]]["currency"])
        there["debit"] = body.bank_entry
        self.deeds[e.seq] = (body.refund,)
        debit = self.bank[body.bank_entry]
        debit["allocated"] += body.amount.minor
        self.need(debit.get("debit") and debit["allocated"] <= debit["amount"], e,
                  "paid by money that did not leave")

    @staticmethod
    def left_of(bank):
        return bank["amount"] - bank["allocated"] - bank["refunded"] - bank.get("explained", 0)

    def on_refund_returned(self, e, body):
        """The refund waits again; the credit is explained, and the debit but for what is missing."""
        there, credit = self.refunds[body.refund], self.bank[body.bank_entry]
        self.need(there["state"] == "PAID" and there["debit"] == body.original, e, "not paid by it")
        self.need(body.original in self.confirmed and body.bank_entry in self.confirmed, e,
                  "not seen by the bank")
        paid = max(seq for seq, deed in self.deeds.items() if deed == (body.refund,))
        closings = [seq for seq, deed in self.deeds.items() if seq not in self.reversed
                    and deed == ("closing", body.pledge)]
        self.need(not closings or closings[0] < paid, e, "closed because it was paid")
        self.need(not credit.get("debit") and credit["currency"] == body.arrived.currency, e, "credit")
        self.need(there["minor"] == body.amount.minor and
                  0 < body.arrived.minor == min(self.left_of(credit), there["minor"]), e, "amounts")
        credit["explained"] = credit.get("explained", 0) + body.arrived.minor
        self.bank[body.original]["allocated"] -= body.amount.minor - body.arrived.minor
        there.update(state="ORDERED", debit=None)
        self.reversed.add(paid)
        self.deeds[e.seq] = (body.refund, body.bank_entry, body.original, body.arrived.minor, paid)

    def undo_return(self, e, body, refund, credit, debit, arrived, paid):
        there = self.refunds[refund]
        self.need((body.refund, body.bank_entry, body.amount.minor) == (refund, credit, arrived), e,
                  "names")
        self.need(there["state"] == "ORDERED", e, "something followed")
        self.bank[credit]["explained"] -= arrived
        self.bank[debit]["allocated"] += there["minor"] - arrived
        self.need(self.bank[debit]["allocated"] <= self.bank[debit]["amount"], e, "more than left")
        self.reversed.discard(paid)
        there.update(state="PAID", debit=debit)

    def on_refund_cancelled(self, e, body):
        there = self.open_refund(e, body, "CANCELLED")
        self.bank[there["bank"]]["refunded"] -= there["minor"]
        self.use(e, there["bank"], -there["minor"])

    def on_command_refused(self, e, body):
        self.need(body.reason != 0, e, "reason")
        self.need(body.deciding_seq < e.seq, e, "decided by a later entry")


def check_ledger(entries):
    """Replays a whole dump; raises AssertionError at the first entry that breaks a rule."""
    oracle = Oracle()
    for entry in entries:
        oracle.apply(entry)
    return oracle


# --- load ----------------------------------------------------------------------------------------

class Load:
    """Threads that send commands with known request ids until told to stop. What was sent and what
    was acknowledged is written down before and after each call."""

    TIERS = ["diamant", "platine", "platine", "or", "argent", "innovation"]

    def __init__(self, home, threads=4, seed=1, person="clerk"):
        self.home = home
        self.stop = threading.Event()
        self.sent = {}      # request id -> command
        self.acked = {}     # request id -> receipt or Refused, as first answered
        self.unknown = set()
        self.lock = threading.Lock()
        self.random = random.Random(seed)
        self.failures = []
        self.threads = [threading.Thread(target=self._run, daemon=True,
                                         args=(n, random.Random(seed * 1000 + n), person))
                        for n in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def join(self, timeout=30):
        self.stop.set()
        for thread in self.threads:
            thread.join(patience(timeout))
            assert not thread.is_alive(), "a load thread hangs"
        assert not self.failures, self.failures[0]

    def acked_count(self):
        with self.lock:
            return len(self.acked)

    def reach(self, count, timeout=60):
        """Waits until so many commands were acknowledged: a time alone says little on a busy machine."""
        deadline = time.monotonic() + patience(timeout)
        while self.acked_count() < count and not self.failures:
            assert time.monotonic() < deadline, f"{self.acked_count()} commands in {timeout} s"
            time.sleep(0.01)
        return self

    def send(self, client, cmd):
        """Receipt, Refused, or None when the outcome is unknown."""
        key = bytes(cmd.request_id)
        with self.lock:
            self.sent[key] = cmd
        try:
            result = client.execute(cmd, timeout=20)
        except Refused as refused:
            # A verdict carries the entry that records it; all else is a broken connection, a
            # drain, or a busy server.
            if refused.refusal is None or refused.refusal.seq == 0:
                with self.lock:
                    self.unknown.add(key)
                return None
            result = refused
        with self.lock:
            self.acked[key] = result
        return result

    def _run(self, number, rnd, person):
        client = Client(self.home.port, self.home.pki, person)
        try:
            self._script(client, number, rnd)
        except Exception as error:  # told to the main thread
            self.failures.append(error)
        finally:
            client.close()

    def _script(self, client, number, rnd):
        turn = 0
        while not self.stop.is_set():
            turn += 1
            added = self.send(client, command(add_contributor=pb.AddContributor(
                name=f"Load {rnd.getrandbits(64):x}", kind=rnd.randint(1, 5))))
            if not isinstance(added, pb.Receipt):
                if added is None:
                    time.sleep(0.02)
                continue
            contributor = added.outcome.contributor
            tier = rnd.choice(self.TIERS)
            if rnd.random() < 0.5:
                step = command(hold=pb.Hold(tier=tier, contributor=contributor,
                                            for_s=rnd.choice([1, 2, 600])))
            else:
                step = command(submit=pb.Submit(contributor=contributor, tier=tier),
                               reason="load")
            made = self.send(client, step)
            if not isinstance(made, pb.Receipt):
                continue
            pledge = made.outcome.pledge
            for step in self._rest(pledge, step, rnd):
                if self.stop.is_set() or self.send(client, step) is None:
                    break

    @staticmethod
    def _rest(pledge, first, rnd):
        if first.WhichOneof("command") == "hold":
            if rnd.random() < 0.6:
                yield command(withdraw=pb.Withdraw(pledge=pledge), reason="load")
            return
        yield command(pay=pb.Pay(pledge=pledge, amount=money(rnd.randint(1, 20_000_000))))
        if rnd.random() < 0.7:
            yield command(withdraw=pb.Withdraw(pledge=pledge), reason="load")
        else:
            yield command(commit=pb.Commit(pledge=pledge), evidence=[document()])
            yield command(cancel=pb.Cancel(pledge=pledge, money_plan=pb.MONEY_PLAN_REFUND),
                          evidence=[document("letter")])


def same_outcome(test, replay, original):
    """A replay is the original answer, but for the word that says so."""
    if isinstance(original, Refused):
        test.assertIsInstance(replay, Refused)
        test.assertTrue(replay.refusal.replay)
        ours, theirs = pb.Refusal(), pb.Refusal()
        ours.CopyFrom(original.refusal)
        theirs.CopyFrom(replay.refusal)
        ours.replay = theirs.replay = True
        test.assertEqual(theirs, ours)
        test.assertEqual(replay.code, original.code)
        return
    test.assertEqual(replay.kind, pb.RECEIPT_KIND_REPLAY)
    test.assertEqual((replay.request_id, replay.seq, replay.time_us, replay.outcome),
                     (original.request_id, original.seq, original.time_us, original.outcome))


def attempt(client, cmd):
    """A Receipt or a Refused, never an exception of the product."""
    try:
        return client.execute(cmd)
    except Refused as refused:
        return refused
