# SPDX-License-Identifier: Apache-2.0
"""bench_dump: rows a second of `pledge dump` over mutual TLS, against PostgreSQL's COPY TO of the same
rows over TLS, taken in turns in one run. Not a test: run it by hand, with a release build. Needs
Debian's postgresql-15 and somebody else than root to run it as (PGUSER_OS, default postgres).

    PLEDGED_BIN_DIR=build/release/bin /usr/bin/python3 -B tests/e2e/bench_dump.py [ENTRIES]

A row is (seq, time, person, request id, the entry's exact bytes); both write a file that is not
synced."""
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from bench_verify import fill
from harness import opened, pb

PG = pathlib.Path("/usr/lib/postgresql/15/bin")
ROUNDS = 5


class Postgres:
    def __init__(self, pki):
        self.user = os.environ.get("PGUSER_OS", "postgres")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bench-dump-"))
        shutil.copy(pki.cert("server"), self.dir / "server.crt")
        shutil.copy(pki.key("server"), self.dir / "server.key")
        shutil.chown(self.dir, self.user)
        for name in ("server.crt", "server.key"):
            shutil.chown(self.dir / name, self.user)
            os.chmod(self.dir / name, 0o600)
        self.data = self.dir / "data"
        self.run(PG / "initdb", "-D", self.data, "-A", "trust", "-U", self.user)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"listen_addresses='127.0.0.1'\nport=54329\nssl=on\nssl_cert_file='{self.dir}/server.crt'\n"
                       f"ssl_key_file='{self.dir}/server.key'\nunix_socket_directories='{self.dir}'\n"
                       "ssl_min_protocol_version='TLSv1.3'\n")
        self.run(PG / "pg_ctl", "-D", self.data, "-w", "-l", self.dir / "log", "start")

    def run(self, *words, stdin=None):
        subprocess.run(["runuser", "-u", self.user, "--", *map(str, words)], check=True, stdin=stdin,
                       stdout=subprocess.DEVNULL, timeout=600)

    def psql(self, sql, out=None, stdin=None):
        with open(out or os.devnull, "wb") as file:
            subprocess.run(["psql", "-q", f"host=127.0.0.1 port=54329 user={self.user} dbname=postgres "
                            "sslmode=require", "-c", sql], check=True, stdout=file, stdin=stdin,
                           timeout=600)

    def close(self):
        self.run(PG / "pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.dir, ignore_errors=True)


def load(postgres, entries):
    postgres.psql("create table entry (seq bigint primary key, time_us bigint, person text, "
                  "request_id bytea, bytes bytea)")
    source = postgres.dir / "rows"
    with open(source, "w", encoding="ascii") as file:
        for raw in entries:
            e = pb.Entry.FromString(raw)
            file.write(f"{e.seq}\t{e.time_us}\t{e.actor.person}\t\\\\x{e.request_id.hex()}\t"
                       f"\\\\x{raw.hex()}\n")
    with open(source, "rb") as file:
        postgres.psql("copy entry from stdin", stdin=file)
    postgres.psql("vacuum analyze entry")


def timed(what):
    begin = time.monotonic()
    what()
    return time.monotonic() - begin


def main():
    home = opened()
    postgres = None
    try:
        fill(home, int(sys.argv[1]) if len(sys.argv) > 1 else 300000)
        postgres = Postgres(home.pki)
        entries, _ = home.client("auditor").dump_bytes()
        load(postgres, entries)
        out = home.path / "out"

        def dump():
            ran = home.pledge("auditor", "dump", "-o", out, timeout=600)
            assert ran.code == 0, ran

        def copy(form):
            postgres.psql(f"copy entry to stdout with (format {form})", out=out)
        times = {"pledge dump": [], "COPY TO, text": [], "COPY TO, binary": []}
        for _ in range(ROUNDS):
            times["pledge dump"].append(timed(dump))
            times["COPY TO, text"].append(timed(lambda: copy("text")))
            times["COPY TO, binary"].append(timed(lambda: copy("binary")))
        ours = len(entries) / statistics.median(times["pledge dump"])
        size = sum(map(len, entries)) // len(entries)
        print(f"{len(entries)} entries of {size} bytes on average, median of {ROUNDS}")
        for name, seconds in times.items():
            speed = len(entries) / statistics.median(seconds)
            print(f"{name:16} {speed:12,.0f} rows/s   dump is {ours / speed:.2f} times as fast")
    finally:
        if postgres is not None:
            postgres.close()
        home.close()


if __name__ == "__main__":
    main()
