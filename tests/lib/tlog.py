# SPDX-License-Identifier: Apache-2.0
"""tlog: a verifier of transparency logs, written from the specifications alone.

RFC 6962 (2.1, 2.1.1, 2.1.2) for the tree, C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-proof
and tlog-cosignature for the texts. It shares no code with the daemon, and takes the long way where
there is one: roots are computed as the RFC's recursion, proofs are checked by recursion too.
"""
import base64
import binascii
import hashlib
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives import serialization

ED25519 = 1
COSIGNATURE = 4


class Wrong(Exception):
    """Something is not what it says it is."""


def need(condition, what):
    if not condition:
        raise Wrong(what)


def strict_base64(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Wrong(f"not base64: {text!r}") from error
    need(base64.b64encode(data).decode() == text, "base64 that is not canonical")
    return data


# --- the tree -------------------------------------------------------------------------------------

def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(entry):
    return sha256(b"\x00" + entry)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def split_point(n):
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root_of(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split_point(len(leaves))
    return node_hash(root_of(leaves[:k]), root_of(leaves[k:]))


def root_from_path(leaf, index, size, path):
    """The root that an audit path leads to; the path's last hash is the one nearest to the root."""
    need(0 <= index < size, "no such leaf")
    if size == 1:
        need(not path, "the path is too long")
        return leaf
    need(path, "the path is too short")
    k = split_point(size)
    if index < k:
        return node_hash(root_from_path(leaf, index, k, path[:-1]), path[-1])
    return node_hash(path[-1], root_from_path(leaf, index - k, size - k, path[:-1]))


def check_inclusion(entry, index, size, path, root):
    need(root_from_path(leaf_hash(entry), index, size, list(path)) == root,
         "the path does not lead to the root")


def _grown(old, size, path, known, old_root):
    """(old root, new root) of a subtree, as the proof has them. `known`: the old tree is a complete
    subtree, whose root the verifier has."""
    if old == size:
        if known:
            need(not path, "the proof is too long")
            return old_root, old_root
        need(len(path) == 1, "the proof has the wrong length")
        return path[0], path[0]
    need(path, "the proof is too short")
    k = split_point(size)
    if old <= k:
        before, after = _grown(old, k, path[:-1], known, old_root)
        return before, node_hash(after, path[-1])
    before, after = _grown(old - k, size - k, path[:-1], False, old_root)
    return node_hash(path[-1], before), node_hash(path[-1], after)


def check_consistency(old, size, old_root, root, path):
    need(old <= size, "the older tree is larger")
    if old == 0:
        need(not path, "nothing proves the empty tree")
        return
    if old == size:
        need(not path and old_root == root, "two trees of one size differ")
        return
    before, after = _grown(old, size, list(path), True, old_root)
    need(before == old_root, "the proof does not lead to the older root")
    need(after == root, "the proof does not lead to the root")


# --- notes and checkpoints ------------------------------------------------------------------------

class Key:
    """A verifier key."""

    def __init__(self, vkey):
        self.name, key_id, blob = vkey.split("+", 2)
        blob = strict_base64(blob)
        self.kind, self.public = blob[0], blob[1:]
        need(len(self.public) == 32 and self.kind in (ED25519, COSIGNATURE), "not a key we know")
        self.id = sha256(self.name.encode() + b"\n" + blob)[:4]
        need(self.id.hex() == key_id, "the key's id does not fit")

    def check(self, text, signature):
        """The time of a cosignature, or None."""
        message, time = text, None
        if self.kind == COSIGNATURE:
            need(len(signature) == 8 + 64, "a cosignature has another length")
            time = struct.unpack(">Q", signature[:8])[0]
            message = b"cosignature/v1\ntime %d\n" % time + text
            signature = signature[8:]
        need(len(signature) == 64, "a signature has another length")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature as error:
            raise Wrong(f"the signature of {self.name} is wrong") from error
        return time


def new_key(name, seed, kind=ED25519):
    """(secret key text, vkey) from 32 bytes."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(
        serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    key_id = sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4].hex()

    def text(half):
        return f"{name}+{key_id}+" + base64.b64encode(bytes([kind]) + half).decode()
    return "PRIVATE+KEY+" + text(seed), text(public)


def open_note(note, keys):
    """(text, {index of a key: time}) of a note that at least one of the keys has signed."""
    note = note.encode() if isinstance(note, str) else note
    need(note.endswith(b"\n"), "a note ends with a newline")
    place = note.rindex(b"\n\n")
    text, seen = note[:place + 1], {}
    for line in note[place + 2:].decode().split("\n")[:-1]:
        need(line.startswith("\u2014 "), "not a signature line")
        name, blob = line[2:].split(" ", 1)
        blob = strict_base64(blob)
        need(len(blob) > 4, "a signature is too short")
        for i, key in enumerate(keys):
            if key.name == name and key.id == blob[:4]:
                seen[i] = key.check(text, blob[4:])
    need(seen, "no key that we know has signed")
    return text, seen


class Checkpoint:
    def __init__(self, note, keys):
        self.note = note if isinstance(note, str) else note.decode()
        text, self.seen = open_note(note, keys)
        lines = text.decode().split("\n")
        need(len(lines) == 4 and lines[3] == "", "a checkpoint has three lines")
        self.origin = lines[0]
        need(lines[1] == str(int(lines[1])), "the size is not a number")
        self.size = int(lines[1])
        self.root = strict_base64(lines[2])
        need(len(self.root) == 32, "the root is not a hash")
        need(any(keys[i].name == self.origin for i in self.seen), "somebody else's signature")


class Proof:
    """A tlog-proof."""

    def __init__(self, text, keys):
        head, checkpoint = text.split("\n\n", 1)
        lines = head.split("\n")
        need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "not a tlog-proof")
        self.extra = None
        if lines[0].startswith("extra "):
            self.extra = strict_base64(lines.pop(0)[6:])
        word, index = lines.pop(0).split(" ")
        need(word == "index" and index == str(int(index)), "no index")
        self.index = int(index)
        self.path = [strict_base64(line) for line in lines]
        self.checkpoint = Checkpoint(checkpoint, keys)

    def check(self, entry):
        check_inclusion(entry, self.index, self.checkpoint.size, self.path, self.checkpoint.root)


# --- tiles ----------------------------------------------------------------------------------------

def tile_path(level, index, width=256):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return f"tile/{level}/" + "/".join(groups) + ("" if width == 256 else f".p/{width}")


def tiles_of(count):
    """(index, width) of the tiles that hold so many hashes."""
    return [(i, min(256, count - 256 * i)) for i in range((count + 255) // 256)]


def bundle(data):
    entries = []
    while data:
        need(len(data) >= 2, "a bundle ends in a length")
        size = struct.unpack(">H", data[:2])[0]
        need(len(data) >= 2 + size, "a bundle ends in an entry")
        entries.append(data[2:2 + size])
        data = data[2 + size:]
    return entries


def read_log(get, size):
    """All entries of a log of this size, every tile of every level checked against them. `get` has
    the bytes of a path."""
    entries = []
    for index, width in tiles_of(size):
        part = bundle(get(tile_path("entries", index, width)))
        need(len(part) == width, "a bundle has another number of entries")
        entries += part
    level, hashes = 0, [leaf_hash(entry) for entry in entries]
    while hashes:
        for index, width in tiles_of(len(hashes)):
            want = b"".join(hashes[256 * index:256 * index + width])
            need(get(tile_path(level, index, width)) == want, f"tile {level}/{index} is another")
        hashes = [root_of(hashes[i:i + 256]) for i in range(0, len(hashes) - 255, 256)]
        level += 1
    return entries
