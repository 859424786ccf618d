# SPDX-License-Identifier: Apache-2.0
"""peers: what people would use instead, each started on a free port of loopback in a directory of its
own, with TLS by the same certificates, and as durable as pledged is; ended by its own pid."""
import contextlib
import csv
import io
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import uuid

PG = pathlib.Path("/usr/lib/postgresql/15/bin")
PATIENCE_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, log):
    """Until somebody listens; a program that ends before that is an error with its last words."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)
    raise RuntimeError(f"{process.args[0]} does not listen: {log.read_text(errors='replace')[-2000:]}")


def said(words, timeout=600):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Peer:
    """A program that runs in the foreground until it is told to end."""

    def __init__(self, pki, scratch):
        self.pki = pki
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="peer-", dir=scratch))
        self.port = free_port()
        self.log = self.dir / "log"
        self.process = None
        try:
            words = self.prepare()
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log, cwd=self.dir)
            wait_for(self.port, self.process, self.log)
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        shutil.rmtree(self.dir, ignore_errors=True)


class Nghttpd(Peer):
    """The same nghttp2 as ours, one thread: what HTTP/2 over TLS costs at least."""
    title = "nghttpd"

    def prepare(self):
        (self.dir / "answer").write_bytes(b"x" * 100)
        return ["nghttpd", "-n1", "-a", "127.0.0.1", "-d", self.dir, self.port, self.pki.key("server"),
                self.pki.cert("server")]


class Nginx(Peer):
    title = "nginx"
    verify = "off"

    def prepare(self):
        (self.dir / "www").mkdir()
        (self.dir / "www" / "answer").write_bytes(b"x" * 100)
        conf = self.dir / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        conf.write_text(f"""{user} worker_processes 1; daemon off; pid {self.dir}/pid; error_log {self.dir}/error;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; open_file_cache max=10; sendfile on;
  client_body_temp_path {self.dir}/b; proxy_temp_path {self.dir}/p; fastcgi_temp_path {self.dir}/f;
  uwsgi_temp_path {self.dir}/u; scgi_temp_path {self.dir}/s;
  server {{ listen 127.0.0.1:{self.port} ssl http2; root {self.dir}/www;
    ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_certificate {self.pki.cert("server")};
    ssl_certificate_key {self.pki.key("server")}; ssl_client_certificate {self.pki.ca};
    ssl_verify_client {self.verify}; }} }}
""", encoding="utf-8")
        return ["nginx", "-p", self.dir, "-c", conf]


class NginxMutual(Nginx):
    title = "nginx, client certificates"
    verify = "on"


RESERVE_LUA = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then
  local left = redis.call('DECR', KEYS[2])
  if left >= 0 then return left end
  redis.call('INCR', KEYS[2])
  redis.call('SET', KEYS[1], 'none left')
  return -1
end
return redis.call('GET', KEYS[1])
"""
PLEDGE_VALUE = "C000123,or,10000000,CHF,letter of intent,clerk,2026-03-01T12:00:00.000000Z"


class Redis(Peer):
    """One Lua script: the answer is kept under the request id, and one slot is taken if there is one."""
    title = "Redis"
    runs = 0

    def prepare(self):
        conf = self.dir / "redis.conf"
        conf.write_text(f"""port 0
tls-port {self.port}
bind 127.0.0.1
tls-cert-file {self.pki.cert("server")}
tls-key-file {self.pki.key("server")}
tls-ca-cert-file {self.pki.ca}
tls-auth-clients yes
tls-protocols TLSv1.3
dir {self.dir}
appendonly yes
appendfsync always
auto-aof-rewrite-percentage 0
save ""
""", encoding="utf-8")
        return ["redis-server", conf]

    def tls(self):
        return ["--tls", "--cacert", self.pki.ca, "--cert", self.pki.cert("clerk"), "--key",
                self.pki.key("clerk"), "-h", "127.0.0.1", "-p", self.port]

    def cli(self, *words):
        return said(["redis-cli", *self.tls(), *words]).strip()

    def reserve(self, clients, in_flight, requests):
        sha = self.cli("SCRIPT", "LOAD", RESERVE_LUA)
        self.cli("SET", "slots:or", str(10**12))
        # its random numbers begin with the time and the process's number, and may be those of a run before
        self.runs += 1
        out = said(["redis-benchmark", *self.tls(), "-c", clients, "-P", in_flight, "-n", requests, "-r",
                    2**31 - 1, "--csv", "EVALSHA", sha, 2, f"r{self.runs}:__rand_int__", "slots:or", PLEDGE_VALUE])
        row = next(csv.DictReader(io.StringIO(out[out.index('"test"'):])))
        taken = 10**12 - int(self.cli("GET", "slots:or"))
        if requests - taken > 5 + requests // 1000:  # a handful of random ids may come twice
            raise RuntimeError(f"Redis took {taken} slots for {requests} requests")
        return {"rate": float(row["rps"]), "p50_us": float(row["p50_latency_ms"]) * 1e3,
                "p99_us": float(row["p99_latency_ms"]) * 1e3}


SCHEMA = """
create table tier (code text primary key, capacity bigint not null, taken bigint not null)
  with (fillfactor = 10);
create table pledge (request_id uuid primary key, contributor text not null, tier text not null,
  amount bigint not null, currency text not null, reason text not null, person text not null,
  made timestamptz not null default now());
insert into tier values ('or', 1000000000000, 0);
"""
RESERVE_SQL = """\\set who random(1, 1000)
with made as (insert into pledge values (gen_random_uuid(), 'C' || :who, 'or', 10000000, 'CHF',
  'letter of intent', 'clerk') on conflict do nothing returning 1)
update tier set taken = taken + 1 where code = 'or' and taken < capacity and exists (select from made);
"""


class Postgres:
    """One statement, one commit: the pledge unless its request id is there, and one slot of the tier's
    row if there is one. synchronous_commit and fsync as they come: on."""
    title = "PostgreSQL"

    def __init__(self, pki, scratch):
        del scratch  # another user's process has to get there
        self.pki = pki
        self.user = os.environ.get("PGUSER_OS", "postgres")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="peer-postgres-"))
        self.port = free_port()
        self.started = False
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        shutil.chown(self.dir, self.user)
        for name, source in (("server.crt", self.pki.cert("server")), ("server.key", self.pki.key("server"))):
            shutil.copy(source, self.dir / name)
            shutil.chown(self.dir / name, self.user)
            os.chmod(self.dir / name, 0o600)
        self.data = self.dir / "data"
        self._as_user(PG / "initdb", "-D", self.data, "-A", "trust", "-U", self.user)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses='127.0.0.1'\nport={self.port}\nssl=on\n"
                       f"ssl_cert_file='{self.dir}/server.crt'\nssl_key_file='{self.dir}/server.key'\n"
                       f"unix_socket_directories='{self.dir}'\nssl_min_protocol_version='TLSv1.3'\n"
                       "max_connections=1100\nshared_buffers=512MB\nmax_wal_size=8GB\n")
        self._as_user(PG / "pg_ctl", "-D", self.data, "-w", "-l", self.dir / "log", "start")
        self.started = True
        self.sql(SCHEMA)

    def _as_user(self, *words):
        subprocess.run(["runuser", "-u", self.user, "--", *map(str, words)], check=True,
                       stdout=subprocess.DEVNULL, timeout=600)

    @property
    def where(self):
        return f"host=127.0.0.1 port={self.port} user={self.user} dbname=postgres sslmode=require"

    def sql(self, sql, out=None, stdin=None):
        with open(out or os.devnull, "wb") as file:
            subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", self.where, "-c", sql], check=True,
                           stdout=file, stdin=stdin, timeout=1200)

    def value(self, sql):
        return said(["psql", "-qAt", self.where, "-c", sql]).strip()

    def reserve(self, clients, seconds):
        script, log = self.dir / "reserve.sql", self.dir / "times"
        script.write_text(RESERVE_SQL, encoding="utf-8")
        before = int(self.value("select taken from tier"))
        out = said(["pgbench", "-n", "-M", "prepared", "-c", clients, "-j", min(2, clients), "-T", seconds,
                    "-f", script, "-l", f"--log-prefix={log}", self.where])
        done = int(re.search(r"actually processed: (\d+)", out).group(1))
        taken = int(self.value("select taken from tier")) - before
        if taken != done or int(self.value("select count(*) from pledge")) != taken + before:
            raise RuntimeError(f"PostgreSQL took {taken} slots for {done} transactions")
        times = []
        for file in self.dir.glob("times.*"):
            times += [int(line.split()[2]) for line in file.read_text().splitlines()]
            file.unlink()
        times.sort()
        return {"rate": float(re.search(r"tps = ([\d.]+)", out).group(1)), "p50_us": times[len(times) // 2],
                "p99_us": times[len(times) * 99 // 100]}

    def write_rows(self, count):
        """The file that copy_in reads: the same pledges as pledge-bench makes."""
        self.rows = self.dir / "rows"
        with open(self.rows, "w", encoding="ascii") as file:
            for i in range(count):
                file.write(f"{uuid.UUID(int=i << 64 | i * 0x9e3779b97f4a7c15 % 2**64)}\tC{i % 1000 + 1:06d}\tor\t10000000\t"
                           "CHF\tletter of intent\tclerk\n")

    def copy_in(self, key):
        """Seconds of COPY into a new table; without a key it is built afterwards."""
        self.sql("set client_min_messages = error; drop table if exists bulk")
        self.sql(f"create table bulk (request_id uuid {key}, contributor text not null, tier text not null, "
                 "amount bigint not null, currency text not null, reason text not null, person text not null, "
                 "made timestamptz not null default now())")
        begin = time.monotonic()
        with open(self.rows, "rb") as file:
            self.sql("copy bulk (request_id, contributor, tier, amount, currency, reason, person) from stdin", stdin=file)
        if not key:
            self.sql("alter table bulk add primary key (request_id)")
        return time.monotonic() - begin

    def load_entries(self, entries, message):
        """A row an entry, with the columns that one would ask for and the entry's exact bytes."""
        self.sql("drop table if exists entry; create table entry (seq bigint primary key, time_us bigint, person text, "
                 "request_id bytea, bytes bytea)")
        source = self.dir / "entries"
        with open(source, "w", encoding="ascii") as file:
            for raw in entries:
                e = message.FromString(raw)
                file.write(f"{e.seq}\t{e.time_us}\t{e.actor.person}\t\\\\x{e.request_id.hex()}\t\\\\x{raw.hex()}\n")
        with open(source, "rb") as file:
            self.sql("copy entry from stdin", stdin=file)
        source.unlink()
        self.sql("vacuum analyze entry")

    def copy_out(self, form):
        begin = time.monotonic()
        self.sql(f"copy entry to stdout with (format {form})", out=self.dir / "out")
        return time.monotonic() - begin

    def close(self):
        if self.started:
            self._as_user(PG / "pg_ctl", "-D", self.data, "-m", "immediate", "stop")
            self.started = False
        shutil.rmtree(self.dir, ignore_errors=True)
