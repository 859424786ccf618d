#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slots_grpc: how many places of a tier are left, with gRPC for Python (grpcio and protobuf).

    slots_grpc.py [TIER]            prints the number alone ("unlimited" where there is no cap), once
    slots_grpc.py --watch [TIER]    prints "TIME<tab>TIER<tab>NUMBER" now and at every change

TIER is platine if none is named. PLEDGED_SERVER, _CA, _CERT and _KEY say where the daemon is and who
asks: see README.md. The message classes are made by protoc when the program starts, from
PLEDGED_PROTO (../../proto); a program of your own would make them once and keep them.
Exit: 0 done, 64 usage, 65 no such tier, 69 unreachable, 77 not permitted, 1 anything else.
"""
import datetime
import glob
import importlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import grpc

SERVICE = "/pledged.v1.LedgerService/"
CODE = grpc.StatusCode
EXITS = {CODE.INVALID_ARGUMENT: 65, CODE.UNAUTHENTICATED: 77, CODE.PERMISSION_DENIED: 77,
         CODE.UNAVAILABLE: 69, CODE.DEADLINE_EXCEEDED: 69, CODE.RESOURCE_EXHAUSTED: 69}


def messages():
    """The generated module of service.proto."""
    proto = os.environ.get("PLEDGED_PROTO") or str(
        pathlib.Path(__file__).resolve().parents[2] / "proto")
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["protoc", "-I", proto, f"--python_out={out}",
                        *glob.glob(f"{proto}/pledged/v1/*.proto")], check=True)
        sys.path.insert(0, out)
        return importlib.import_module("pledged.v1.service_pb2")


def connect():
    """A channel with the caller's certificate; it reconnects by itself."""
    def read(name):
        return pathlib.Path(os.environ[name]).read_bytes()
    credentials = grpc.ssl_channel_credentials(read("PLEDGED_CA"), read("PLEDGED_KEY"),
                                               read("PLEDGED_CERT"))
    return grpc.secure_channel(os.environ.get("PLEDGED_SERVER", "localhost:7443"), credentials)


def left(tier):
    remaining = tier.remaining
    return "unlimited" if remaining.WhichOneof("value") == "unlimited" else str(remaining.count)


def watch(pb, channel, code):
    """Prints now and at every change; comes back when the stream breaks."""
    stream = channel.unary_stream(SERVICE + "Watch", pb.WatchRequest.SerializeToString,
                                  pb.WatchResponse.FromString)
    last = None
    while True:
        try:
            # the first message has every tier, the others those that changed
            for message in stream(pb.WatchRequest(), wait_for_ready=True):
                for tier in message.tier:
                    if tier.code == code and left(tier) != last:
                        last = left(tier)
                        now = datetime.datetime.now(datetime.timezone.utc)
                        print(f"{now:%Y-%m-%dT%H:%M:%SZ}\t{code}\t{last}", flush=True)
        except grpc.RpcError as error:
            if error.code() in (CODE.UNAUTHENTICATED, CODE.PERMISSION_DENIED):
                raise
            print(f"slots: the stream ended: {error.details()}; asking again", file=sys.stderr)
        time.sleep(2)


def main(arguments):
    watching = arguments[:1] == ["--watch"]
    arguments = arguments[watching:]
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 64
    try:
        channel = connect()
    except (KeyError, OSError) as error:
        print(f"slots: set PLEDGED_CA, PLEDGED_CERT and PLEDGED_KEY to files: {error}",
              file=sys.stderr)
        return 64
    pb = messages()
    get_tier = channel.unary_unary(SERVICE + "GetTier", pb.GetTierRequest.SerializeToString,
                                   pb.GetTierResponse.FromString)
    try:
        tier = get_tier(pb.GetTierRequest(tier=arguments[0] if arguments else "platine"),
                        timeout=20).tier
        if watching:
            watch(pb, channel, tier.code)
        print(left(tier))
    except grpc.RpcError as error:
        print(f"slots: {error.code().name}: {error.details()}", file=sys.stderr)
        return EXITS.get(error.code(), 1)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(0)
