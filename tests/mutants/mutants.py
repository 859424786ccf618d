#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""mutants: bugs put into a copy of the source on purpose, one at a time; each must turn at least
one named test red, or the tests are not worth what they say.

    mutants.py                 all of them; builds each in a scratch copy, which takes long
    mutants.py NAME...         only these
    mutants.py --check         only looks whether every place is still found, exactly once; quick
    mutants.py --compile BUILD only compiles the changed file of each, as BUILD compiles it; under a minute
    mutants.py --list          the table without running anything
    mutants.py --scratch DIR   where the copy goes and stays (default: a temporary directory)
    mutants.py --trust         do not look first whether the tests are green without any bug

A mutant is a piece of a file and what stands there instead; a piece that is not found, or found
twice, is an error: whoever changed that line says what the bug looks like now.
Exit: 0 all were found, 1 one was not, 2 a place was not found, the copy does not build, or a mutant
does not (the others are tried all the same).
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Mutant:
    """tests: names of ctest, in the order in which they are tried until one is red."""

    def __init__(self, name, path, find, put, tests):
        self.name, self.path, self.find, self.put, self.tests = name, path, find, put, tests

    def place(self, root):
        text = (root / self.path).read_text(encoding="utf-8")
        return text, text.count(self.find)


FILE, SCAN, SEGMENT, WRITER = ("server/store/file.c", "server/store/scan.c",
                               "server/store/segment.c", "server/writer.c")
PROMOTE, PLEDGE, NOTARY = ("server/ledger/promote.c", "server/ledger/pledge.c", "server/notary.c")
TLS, CONN, H2, CALL = ("server/net/tls.c", "server/net/conn.c", "server/net/h2.c", "server/net/call.c")
REGISTRAR = "server/registrar.c"
COSIGN, WITNESS = "server/cosign.c", "server/witness.c"
PERIOD, PROPOSAL, STATEMENT = ("server/ledger/period.c", "server/ledger/proposal.c",
                               "server/ledger/statement.c")
SINCE = "server/ledger/since.c"
ZONE, PRIVATE, VERDICTS = "common/zone.c", "common/private.c", "server/net/verdicts.c"
BATCH, DUMP, KEPT = "server/batch.c", "server/dump.c", "server/kept.c"
PERSONS = "server/persons.c"

MUTANTS = [
    Mutant("skip the sync of a batch", FILE,
           "        must(io->datasync(io, file->fd));\n        memcpy(file->synced",
           "        memcpy(file->synced", ["sim/seeds", "crash/random"]),
    Mutant("leave what a full disk took of a batch", FILE,
           "    (void)io_zero(io, file->fd, file->offset, len).code;\n", "", ["store/test_file"]),
    Mutant("believe that what a full disk took of a batch is gone", FILE,
           "        !segment_is_zero(file->record, len))", "        !segment_is_zero(file->record, 0))",
           ["store/test_file"]),
    Mutant("take back what was unknown", FILE,
           "    if (memcmp(file->synced, file->after.hash, STORE_HASH_BYTES) != 0) {",
           "    if (memcmp(file->synced, file->after.hash, STORE_HASH_BYTES) != 0 || true) {",
           ["store/test_file", "sim/seeds"]),
    Mutant("start without the facts of a start", WRITER,
           "            if (writer->outcome == STORE_NO_SPACE)\n                return",
           "            if (writer->outcome == STORE_TOO_BIG)\n                return", ["server/test_writer"]),
    Mutant("say of what is in the ledger that nothing was recorded", WRITER,
           "        item_say_something(item, seq != 0);", "        item_say_something(item, seq > writer->head.next_seq);",
           ["server/test_writer"]),
    Mutant("skip the directory's sync of a new segment", FILE,
           "    if (!must_at(file, io->sync(io, file->dir_fd), file->segment_name))\n        return false;\n", "", ["sim/seeds", "crash/random"]),
    Mutant("go on after a failed sync", FILE,
           "    if (!pl_is_ok(status))\n        die(status);",
           "    (void)die;\n    (void)status.code;", ["sim/nth", "sim/seeds", "store/test_file"]),
    Mutant("reply before the sync", WRITER,
           "    } else if (!nothing_fills(writer))\n        waiting_push(&writer->filling->waiting, "
           "&command->mail);\n    else if",
           "    } else if (!nothing_fills(writer))\n        answer(command);\n    else if",
           ["server/test_writer", "sim/seeds"]),
    Mutant("show what is not durable", WRITER,
           "    writer->in_flight = group;",
           "    writer->in_flight = group;\n    publish(writer, view_ref(group->view));", ["sim/seeds", "server/test_writer"]),
    Mutant("drop the idempotency check", WRITER,
           "    else if (seq != 0)\n        item_replay(writer, command, item, seq);\n    else if",
           "    else if (seq == UINT64_MAX)\n        item_replay(writer, command, item, seq);\n    else if",
           ["sim/seeds", "server/test_writer"]),
    Mutant("answer another command under the same request id", WRITER,
           "    else if (!pl_slice_eq(pl_slice(entry->command_digest.data, "
           "entry->command_digest.len),\n                          pl_slice(item->digest, "
           "sizeof(item->digest))))",
           "    else if (entry->command_digest.len == 1)", ["server/test_writer"]),
    Mutant("a worker's command goes before those that wait", "server/helm.c",
           "    if (!may_wait(helm, begun_ns) || !writer_at_rest(helm->options.writer)) {",
           "    if (!may_wait(helm, begun_ns)) {", ["server/test_helm"]),
    Mutant("take the helm from somebody", "server/helm.c",
           "    if (!try_take(helm))\n        return false;\n    int64_t begun_ns",
           "    (void)try_take(helm);\n    int64_t begun_ns", ["sim/seeds"]),
    Mutant("do the writer's turn without the helm", "server/helm.c",
           "    take(helm);\n    struct outlook", "    (void)take;\n    struct outlook", ["sim/seeds"]),
    Mutant("leave the helm and tell nobody who waits for it", "server/helm.c",
           "== HELM_AWAITED)\n        ring(helm->free_fd);", "== HELM_AWAITED)\n        (void)ring;",
           ["sim/seeds"]),
    Mutant("forget what a worker's turn left behind", "server/helm.c",
           "    wake_in_time(helm, busy);", "    (void)wake_in_time;", ["server/test_helm", "sim/seeds"]),
    Mutant("reply before the sync at the helm", FILE,
           "        write_record(file);\n    }\n    file->here",
           "        encode(file);\n        must(file->options.io->pwrite(file->options.io, file->fd, file->record,\n"
           "                                      (size_t)file->record_bytes, file->offset));\n"
           "        if (file->rolled)\n            write_record(file);\n    }\n    file->here", ["sim/seeds"]),
    Mutant("let a torn batch hide that the one before it is damaged", "server/store/segment.c",
           "        if (memcmp(bytes, record_trailer, (size_t)len) == 0) {",
           "        if (end == 0 && memcmp(bytes, record_trailer, (size_t)len) == 0) {", ["store/test_scan"]),
    Mutant("acknowledge what no start would find", FILE,
           " || !is_called(file, file->segment_name))\n        file->outcome = STORE_UNKNOWN;",
           ")\n        file->outcome = STORE_UNKNOWN;", ["store/test_file", "e2e/gone"]),
    Mutant("rename somebody else's file", FILE,
           "        (!is_called(file, file->rolled_from) ||\n         !must_at(",
           "        (!must_at(", ["store/test_file"]),
    Mutant("prepare a segment in somebody else's directory", FILE,
           "    if (!is_there(file)) {\n        file->room = pl_fail(UNAVAILABLE, \"find the log's directory\");\n        return;\n    }\n", "",
           ["store/test_file"]),
    Mutant("miss no segment but the newest", FILE,
           "        if (!io->is_at(io, part->fd, path))\n            return false;",
           "        if (!io->is_at(io, part->fd, path))\n            return true;", ["store/test_file", "e2e/gone"]),
    Mutant("take any trouble for a full disk", FILE,
           "    file->room = file->prepared;", "    file->room = pl_fail(NO_SPACE, \"find room\");",
           ["store/test_file", "crash/files"]),
    Mutant("believe a second sync of the hashes", "server/tree.c",
           "        tree->size = 0; /* the next sync would", "        /* the next sync would", ["server/test_tree", "server/test_notary"]),
    Mutant("sign into somebody else's directory", "server/notary.c",
           "        PL_TRY(look_for_data(notary));\n        PL_TRY(io_write_file", "        PL_TRY(io_write_file",
           ["server/test_notary", "e2e/gone"]),
    Mutant("take a directory that is gone for a full disk", FILE,
           "    if (!is_there(file))\n        return STORE_UNKNOWN;\n", "",
           ["store/test_file"]),
    Mutant("show what is held back", WRITER,
           "    if (held_back(writer)) {\n        refuse_whole(", "    if (false) {\n        refuse_whole(",
           ["server/test_writer"]),
    Mutant("tell the first part of what is held back", WRITER,
           "        withhold(writer, command);\n", "        (void)withhold;\n", ["server/test_writer"]),
    Mutant("acknowledge a repeat of what is held back", WRITER,
           "    if (seq >= writer->head.next_seq && writer->gone)", "    if (seq == UINT64_MAX && writer->gone)",
           ["server/test_writer"]),
    Mutant("wait at the end for what is held back", WRITER,
           "    return (writer_at_rest(writer) || (held_back(writer) && none_waits(writer))) &&",
           "    return writer_at_rest(writer) &&", ["server/test_writer", "e2e/gone"]),
    Mutant("let two in where the lock file was removed", "server/store/lock.c",
           "    if (status.sys_errno != EWOULDBLOCK)", "    if (status.sys_errno != 0)",
           ["store/test_lock", "e2e/gone"]),
    Mutant("take away a record that may be in the ledger", REGISTRAR,
           "    if (is_unsure(command)) {", "    if (is_unsure(command) && recorded) {",
           ["server/test_registrar"]),
    Mutant("let something come between the parts of a command", WRITER,
           "    if (in_part(&writer->bulk) && !decide_first(writer, &writer->bulk, now_us))\n        return;\n", "",
           ["server/test_writer"]),
    Mutant("let short commands wait for long ones", WRITER,
           "command_is_long(command) ? &writer->bulk : &writer->queue", "&writer->queue", ["server/test_writer"]),
    Mutant("let in as many batches as come", "server/service.c",
           "service->long_items < LIMIT_LONG_ITEMS && ", "service != NULL && ", ["e2e/concurrency"]),
    Mutant("forget to roll back after a refused batch", WRITER,
           "    PL_TRY(writer->options.rebuild(writer->options.rebuild_arg, &rebuilt));\n"
           "    ledger_free(writer->ledger);\n    writer->ledger = rebuilt;",
           "    (void)rebuilt;", ["server/test_writer", "sim/seeds"]),
    Mutant("record what no replay takes", WRITER,
           "        struct pl_status status = ledger_check(writer->ledger, decision->entry[i]);",
           "        struct pl_status status = pl_ok();", ["server/test_disagreement"]),
    Mutant("go on with half of a decision", WRITER,
           "            writer->spoiled = writer->spoiled || i > 0;", "            writer->spoiled = false;",
           ["server/test_disagreement"]),
    Mutant("go on past what is due", WRITER,
           "        if (own == OWN_WRONG) {", "        if (own == OWN_WRONG && now_us == 0) {",
           ["server/test_disagreement"]),
    Mutant("believe a clock that jumped", WRITER,
           "    bool jumped = drift_us > writer->options.clock_jump_limit_us ||",
           "    bool jumped = drift_us > INT64_MAX - 1 ||", ["server/test_writer"]),
    Mutant("record what cannot be told", WRITER,
           "        item->code = PL_E_TOO_BIG; /* what cannot be told does not happen */\n"
           "        return true;", "        item->code = PL_E_TOO_BIG;", ["sim/nth"]),
    Mutant("drop the capacity check", PLEDGE,
           "    if ((int64_t)state_tier_taken(tier) >= tier->capacity) {\n"
           "        refuse_sold_out(maker, tier, field);",
           "    if ((int64_t)state_tier_taken(tier) > tier->capacity) {\n"
           "        refuse_sold_out(maker, tier, field);", ["ledger/test_pledge", "sim/seeds"]),
    Mutant("expire a microsecond late", PROMOTE,
           "    if (hold_us <= now_us && hold_us <= proposal_us)",
           "    if (hold_us < now_us && hold_us <= proposal_us)", ["ledger/test_promote"]),
    Mutant("expire a second early", PROMOTE,
           "    if (hold_us <= now_us && hold_us <= proposal_us)",
           "    if (hold_us <= now_us + 1000000 && hold_us <= proposal_us)",
           ["ledger/test_promote", "sim/seeds"]),
    Mutant("never expire by itself", WRITER,
           "    expire(writer, now_us);\n    collect(writer);",
           "    (void)expire;\n    collect(writer);", ["server/test_writer", "sim/seeds"]),
    Mutant("trust a torn tail", SCAN,
           "            return options->read_only ? pl_ok() : cut(walk, torn_end, report);",
           "            (void)cut;\n            return pl_ok();", ["store/test_scan", "sim/seeds"]),
    Mutant("take damage for a torn tail", SEGMENT,
           "    if (torn)\n        *ret_found = SEGMENT_TORN;",
           "    *ret_found = SEGMENT_TORN;", ["store/test_segment", "sim/seeds"]),
    Mutant("cut a torn tail from the front", SCAN,
           "    if (end > behind) {", "    if (end == 0) {", ["store/test_scan"]),
    Mutant("go on from what only memory has", SCAN,
           "    if (write_too)\n        PL_TRY(settle(walk));",
           "    (void)settle;", ["store/test_scan", "sim/seeds"]),
    Mutant("accept a batch of another history", SEGMENT,
           "           (store_follows_head(head, batch) && batch->epoch >= head->epoch);",
           "           (batch->number == head->batch + 1 && batch->epoch >= head->epoch);",
           ["store/test_scan", "store/test_segment"]),
    Mutant("do not look at a batch's hash", SEGMENT,
           "    *ret_valid = segment_record_intact(bytes, whole) && (!hashed || store_batch_verify(ret));",
           "    *ret_valid = body_sum != 1 && (!hashed || ret->number != 0);", ["store/test_scan", "sim/seeds"]),
    Mutant("believe a damaged snapshot", "server/store/snapshot.c",
           "        snapshot->sum = pl_xxh3(bytes, snapshot->sum);",
           "        snapshot->sum = pl_get_le64(piece->bytes + len);", ["store/test_snapshot"]),
    Mutant("believe a snapshot of another log", "server/replay.c",
           "        replay->vouched = memcmp(batch->hash, replay->options.vouched_hash, "
           "STORE_HASH_BYTES) == 0;",
           "        replay->vouched = true;", ["server/test_replay", "server/test_recover"]),
    Mutant("sign before persisting", NOTARY,
           "    PL_TRY(remember(notary, pl_buf_slice(&note)));\n    signed_tree_unref(notary->current);",
           "    (void)remember(notary, pl_buf_slice(&note)).code;\n"
           "    signed_tree_unref(notary->current);", ["server/test_notary", "sim/seeds"]),
    Mutant("sign a shorter log", NOTARY,
           "    PL_TRY(check_growth(notary, &next));", "    (void)check_growth;",
           ["server/test_notary", "e2e/proof"]),
    Mutant("let every role do everything", "server/ledger/role.c",
           "    return (roles_for(command, rules) & (1u << role)) != 0;",
           "    return roles_for(command, rules) != 0;", ["ledger/test_role", "e2e/roles"]),
    Mutant("let an end name any tier", "server/ledger/apply.c",
           "    NEED(names_tier(ledger, state_pledge(ledger, fact->pledge), fact->tier),",
           "    NEED(fact->tier != NULL,", ["ledger/test_forged"]),
    Mutant("take a month closed over any money", PERIOD,
           "    return check_waived(ledger, entry, month);", "    (void)check_waived;\n    return pl_ok();",
           ["ledger/test_forged"]),
    Mutant("let a batch end inside of a command", "server/replay.c",
           "        if (load->ends[i] && !ledger_is_whole(replay->ledger)) {",
           "        if (load->ends[i] && replay->replayed == 0) {", ["server/test_replay"]),
    Mutant("read past what only a newer version knows", "common/scan.c",
           "    return !pl_is_ok(status) || all_known(type, bytes)",
           "    return !pl_is_ok(status) || all_known(type, pl_slice(NULL, 0))",
           ["common/test_scan", "server/test_replay"]),
    Mutant("let anything stand between the parts of a command", "server/ledger/apply.c",
           "    NEED(ledger_is_whole(ledger) || entry->fact_case == FACT(COMMAND_CONTINUED),",
           "    NEED(entry->fact_case != FACT(_NOT_SET),", ["ledger/test_maker", "server/test_replay"]),
    Mutant("let old readers at what they do not understand", FILE,
           "    return file->fd >= 0 && reader_for(body_bytes, min_reader) <= file->min_reader &&",
           "    return file->fd >= 0 && reader_for(body_bytes, min_reader) <= SEGMENT_FORMAT &&",
           ["store/test_file", "e2e/import"]),
    # who may come in, and what a peer may cost
    Mutant("let revoked certificates in", TLS,
           "X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);", "0);",
           ["net/test_conn", "hostile/tls"]),
    Mutant("believe for ever in a certificate that was good", VERDICTS,
           "        now_s >= found.until_s)", "        now_s == INT64_MAX)", ["net/test_verdicts"]),
    Mutant("believe whoever comes to the place of another", VERDICTS,
           "        memcmp(found.shown, shown, sizeof(found.shown)) != 0 || now_s < found.from_s ||",
           "        now_s < found.from_s ||",
           ["net/test_verdicts", "hostile/tls"]),
    Mutant("speak TLS 1.2", TLS, "SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION)",
           "SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION)", ["net/test_tls", "hostile/tls"]),
    Mutant("read a name up to its NUL", "server/net/authz.c",
           "    if (len == 0 || memchr(value, '\\0', len) != NULL)", "    if (len == 0)",
           ["net/test_authz", "hostile/tls"]),
    Mutant("keep who was revoked until he leaves", CONN,
           "    if (conn->secure && !tls_verify(conn->transport, conn->home->tls, "
           "&conn->expires_us, &why))",
           "    if (!conn->secure && why != NULL)", ["net/test_conn", "e2e/reload"]),
    Mutant("wait for ever for a handshake", CONN,
           "        if (!passed(conn->since_ns, conn->home->limits.handshake_ms, now))",
           "        if (now != 0)", ["net/test_conn", "hostile/slow"]),
    Mutant("give one certificate all places", CONN,
           "home->limits.person_connections, now_ns(conn));", "0, now_ns(conn));",
           ["net/test_conn", "hostile/slow"]),
    Mutant("forgive every fault of a peer", H2, "    if (++h2->faults > FAULTS_MAX)",
           "    if (++h2->faults == 0)", ["net/test_h2", "hostile/floods"]),
    Mutant("take a message of any length", CALL,
           "        return grpc_read(&call->reader, bytes, call->bytes_max, &call->body);\n    if",
           "        return grpc_read(&call->reader, bytes, SIZE_MAX / 4, &call->body);\n    if",
           ["net/test_call", "net/test_rpc", "hostile/floods"]),
    Mutant("hear signals only after saying ready", "server/daemon.c",
           "    arm_events(daemon); /* whoever is told that we are ready may stop us at once */\n"
           "    return announce(daemon, message);",
           "    PL_TRY(announce(daemon, message));\n    arm_events(daemon);\n    return pl_ok();",
           ["e2e/daemon"]),
    # money, months and the bank
    Mutant("free the money of what ends years later", PERIOD,
           "        return pledge != NULL && pledge->allocated != 0;",
           "        return pledge != NULL && pledge->allocated < 0;",
           ["ledger/test_period", "e2e/money"]),
    Mutant("take who is called otherwise for somebody else", PROPOSAL,
           "        is_its_certificate(maker->ledger, proposal, actor->identity, actor->issuer)) {",
           "        is_its_certificate(maker->ledger, proposal, \"\", actor->issuer)) {",
           ["ledger/test_proposal", "e2e/four_eyes"]),
    Mutant("replay what has not happened", PERIOD,
           "    NEED(!state_rules(ledger, 12) || !period_is_to_come(ledger, entry, since),",
           "    NEED(since >= INT32_MIN,", ["ledger/test_period"]),
    Mutant("call a log fine that is not the one that was signed", KEPT,
           "        if (!pl_merkle_eq(&growing.root[i], &kept->checkpoint[i].root))",
           "        if (false)", ["server/test_kept"]),
    Mutant("let a group read the key that stands in an access list", PRIVATE,
           "    case ACL_GROUP:\n        return (granted & mask) == 0;",
           "    case ACL_GROUP:\n        return true;", ["common/test_private"]),
    Mutant("take the day in Greenwich for the fund's", "server/ledger/maker.c",
           "    if (maker->request != NULL && entry->effective_date[0]",
           "    if (false && maker->request != NULL && entry->effective_date[0]",
           ["ledger/test_period", "e2e/period"]),
    Mutant("use money before it came", SINCE,
           "    no_sooner(ledger, since, from->since, from->seq);",
           "    no_sooner(ledger, since, from->since - 400, from->seq);",
           ["ledger/test_since", "e2e/money"]),
    Mutant("use money for two on one day of the past", SINCE,
           "    if (day > entry->since)\n        entry->since = day;",
           "    if (day < entry->since)\n        entry->since = day;",
           ["ledger/test_since", "e2e/money"]),
    Mutant("date a signature like money", SINCE, "state_rules(ledger, 15))\n            return since;",
           "state_rules(ledger, 99))\n            return since;",
           ["ledger/test_since"]),
    Mutant("replay what is dated before what it rests on", SINCE,
           "    if (!state_rules(ledger, 14))\n        return pl_ok();\n    struct since",
           "    if (true)\n        return pl_ok();\n    struct since",
           ["ledger/test_since"]),
    Mutant("post before what it rests on, in a month that was opened again", SINCE,
           "    if (posted > since->posted) {", "    if (posted > since->posted + 999) {",
           ["ledger/test_since", "e2e/period"]),
    Mutant("book what the bank gave back on a day on which it was used", "server/ledger/charge.c",
           "    if (!state_rules(ledger, 15))\n        return state_bank",
           "    if (true)\n        return state_bank", ["ledger/test_since"]),
    Mutant("close a month by the day in UTC", "server/ledger/state.h",
           "    return state_rules(ledger, 15) ? state_day", "    return state_rules(ledger, 99) ? state_day",
           ["ledger/test_period"]),
    Mutant("replace who paid", STATEMENT, "        has_payer(import, known) || !is_the_only_one(",
           "        (0 && has_payer(import, known)) || !is_the_only_one(",
           ["ledger/test_payer", "e2e/import"]),
    Mutant("name one of two twins", STATEMENT,
           "    return get_u32(&import->alike, row->key[level]) == 1 &&", "    return true ||",
           ["ledger/test_payer", "e2e/import"]),
    Mutant("take words alone for who paid", "server/ledger/learn.c",
           "(uint8_t)(copy->parts & ~of->parts)", "(uint8_t)(of->parts != 0 ? 0 : copy->parts)",
           ["ledger/test_learn", "e2e/import"]),
    Mutant("tell who was erased once more", STATEMENT,
           "                                        row->parts == 0 || is_closed(import, before));",
           "                                        row->parts == 0);", ["ledger/test_learn", "e2e/import"]),
    Mutant("book details that came one by one beside their sum", STATEMENT,
           "    pl_map_put(&import->split, &sum, &import->ordinal);\n    return sum;",
           "    return STATE_NONE;", ["ledger/test_learn", "e2e/import"]),
    Mutant("lose what looks the same when the later statement comes first", STATEMENT,
           "    bool back = state_rules(ledger, 16) &&", "    bool back = state_rules(ledger, 99) &&",
           ["ledger/test_learn"]),
    Mutant("bring back by the details who is erased with the sum", STATEMENT,
           "    bool forget = row->batch != STATE_NONE && state_rules(import->ledger, 16) &&",
           "    bool forget = row->batch != STATE_NONE && state_rules(import->ledger, 99) &&",
           ["ledger/test_learn"]),
    Mutant("take a name from another movement of the bank", "server/ledger/learn.c",
           "            movement_free_place(&ledger->movements, more, copy->key[level]) != 1)",
           "            movement_free_place(&ledger->movements, more, copy->key[level]) == 0)",
           ["ledger/test_learn"]),
    Mutant("replay who paid what is known", "server/ledger/payer.c",
           "    NEED(ledger->movement[of->movement].detail == STATE_NONE,", "    NEED(true,",
           ["ledger/test_payer"]),
    Mutant("see what nobody sees", "common/fold.c",
           "        if (letter >= unseen[i].first && letter <= unseen[i].last)\n            return false;",
           "        if (letter >= unseen[i].first && letter <= unseen[i].last)\n            return true;",
           ["common/test_fold", "ledger/test_twin"]),
    Mutant("take another apostrophe for another name", "common/fold.c",
           "        if (letter >= stand_ins[i].first && letter <= stand_ins[i].last)",
           "        if (letter == stand_ins[i].first)", ["common/test_fold", "ledger/test_twin"]),
    Mutant("refuse again what older daemons kept of a person", "server/judge.c",
           "private_read(LEDGER_RULES_FIRST, request", "private_read(LEDGER_RULES, request",
           ["e2e/idempotency"]),
    Mutant("post into a closed month", PERIOD, "pl_date_month(day) <= ledger->closed_through;",
           "pl_date_month(day) < ledger->closed_through;", ["ledger/test_period", "e2e/period"]),
    Mutant("count each small difference alone", PROPOSAL,
           "!pl_add64(minor, accepted[1], &minor) || over_limit", "over_limit",
           ["ledger/test_proposal", "e2e/four_eyes"]),
    Mutant("approve more than was shown", PROPOSAL,
           "!= LEDGER_ACCEPTED || is_as_shown(proposal, now))", "!= LEDGER_ACCEPTED || now.currency >= 0)", ["ledger/test_proposal", "e2e/four_eyes"]),
    Mutant("let one person change what waits for a signature", PROPOSAL,
           "proposal->state == OPEN && proposal->command == COMMAND(COMMIT)",
           "proposal->state != OPEN && proposal->command == COMMAND(COMMIT)",
           ["ledger/test_proposal", "e2e/four_eyes"]),
    Mutant("undo alone what two have written off", PROPOSAL, "    if (waiver->kind == 0)\n",
           "    if (waiver->kind == 0 && waiver->amount < 0)\n", ["ledger/test_proposal", "e2e/four_eyes"]),
    Mutant("rename who waits for a signature", PROPOSAL,
           "            (uint64_t)ledger->pledge[proposal->pledge].contributor + 1 == contributor)",
           "            (uint64_t)ledger->pledge[proposal->pledge].contributor == contributor)",
           ["ledger/test_proposal", "e2e/four_eyes"]),
    Mutant("carry out what another command decided", PROPOSAL,
           "        NEED(proposal->state == APPROVED && proposal->closed_seq == entry->cause_seq,",
           "        NEED(proposal->state == APPROVED,", ["ledger/test_proposal"]),
    Mutant("let makers approve their own", PROPOSAL, "    if (is_maker(maker, proposal) ||",
           "    if (proposal->seq == 0 &&",
           ["ledger/test_proposal", "e2e/four_eyes"]),
    Mutant("move surplus without a second person", PROPOSAL, "        return CLASS(SURPLUS);",
           "        return CLASS(UNSPECIFIED);", ["ledger/test_proposal"]),
    Mutant("spend money that goes back", "server/ledger/allocation.h",
           "entry->amount - entry->allocated - entry->refunded - entry->explained;",
           "entry->amount - entry->allocated - entry->explained;", ["ledger/test_refund", "e2e/money"]),
    Mutant("count a charge that was given back as a contribution", "server/ledger/tally.c",
           "entry->amount - entry->allocated - entry->explained, allocation_free(entry),",
           "entry->amount - entry->allocated, allocation_free(entry),",
           ["ledger/test_charge", "property/commands"]),
    Mutant("leave a debit explained by a charge that was undone", "server/ledger/charge.c",
           "        row->allocated -= minor;", "        row->allocated -= 0;",
           ["ledger/test_charge", "property/commands"]),
    Mutant("forget the older of two charges", "server/ledger/charge.c",
           "    mark(ledger, index, standing(ledger, index));",
           "    mark(ledger, index, standing(ledger, index) * 0);", ["ledger/test_charge"]),
    Mutant("explain all of a refund by less that came back", "server/ledger/returned.c",
           "    ledger->bank_entry[deed.debit].allocated -= refund->amount - deed.quantity;",
           "    ledger->bank_entry[deed.debit].allocated -= 0;",
           ["ledger/test_returned", "property/commands"]),
    Mutant("close a month over money that left for nothing", PERIOD,
           "        if (allocation_free(entry) == 0 ||",
           "        if (entry->debit || allocation_free(entry) == 0 ||",
           ["ledger/test_period", "e2e/import"]),
    Mutant("say the beginning of a command again where it goes on", "server/ledger/maker.c",
           "        fact->bytes.data = (uint8_t *)(uintptr_t)bytes.data + at;",
           "        fact->bytes.data = (uint8_t *)(uintptr_t)bytes.data + (at - at);",
           ["ledger/test_maker", "e2e/import"]),
    Mutant("take any length for a part of a command", "server/ledger/apply.c",
           "             (left < LEDGER_COMMAND_PART_BYTES ? left : LEDGER_COMMAND_PART_BYTES),",
           "             entry->command_continued->bytes.len + 0 * left,", ["ledger/test_maker"]),
    Mutant("close over free money", "server/ledger/closing.c",
           "    return items->outstanding == 0 && items->unallocated == 0",
           "    return items->outstanding == 0", ["ledger/test_closing"]),
    Mutant("take a promise without a word", "server/ledger/validate.c",
           "           (judge->rules < 4 || has_reason(judge, true)); /* the letter, or where it is */",
           "           judge->rules != 0;", ["ledger/test_validate", "e2e/refusals"]),
    Mutant("let a clerk open what was closed", "server/ledger/deed.c",
           "    if (maker->request->actor.role == PLEDGED__V1__ROLE__ROLE_APPROVER) {",
           "    if (maker->request->actor.role != 0) {", ["ledger/test_closing", "e2e/money"]),
    Mutant("owe a refund of a closed pledge again", "server/ledger/deed.c",
           "    } else if (about != NULL && closing_guards(maker, about, deed->seq, \"reverse.seq\")) {",
           "    } else if (!is_refund(deed) && closing_guards(maker, about, deed->seq, \"reverse.seq\")) {",
           ["ledger/test_closing", "e2e/money"]),
    Mutant("hand over a month that is open", "server/ledger/postings.c",
           "    if (closed && command->to_seq >= closing)", "    if (closed || command->to_seq >= closing)",
           ["ledger/test_postings", "e2e/postings"]),
    Mutant("forget a name's accents after a start", "server/ledger/load.c",
           "        twin_add(ledger, (uint32_t)i);\n", "", ["ledger/test_twin"]),
    Mutant("book a known movement again", STATEMENT,
           "    return get_u32(&import->taken, &known) != import->ordinal &&",
           "    return import->ordinal == 0 &&", ["ledger/test_movement", "e2e/import"]),
    Mutant("take twins for one", STATEMENT,
           "    return get_u32(&import->taken, &known) != import->ordinal &&\n"
           "           same", "    return same", ["ledger/test_movement", "e2e/import"]),
    Mutant("count a sum and its details", "server/ledger/movement.c",
           "    allocation_split(ledger, row->batch);", "    (void)batch;",
           ["ledger/test_movement", "e2e/import"]),
    Mutant("match a peer in a roster that it does not hold", CONN,
           "        authz_identify(peer->roster, certificate, &peer->match);\n",
           "        authz_identify(peer->roster, certificate, &peer->match);\n"
           "        authz_roster_unref(peer->roster);\n        peer->roster = NULL;\n",
           ["sim/seeds"]),
    Mutant("record what was let in by the roster before", WRITER,
           "           now->may_act(now->arg, command);", "           true;", ["server/test_writer"]),
    Mutant("write into the refusal that all commands share", "server/judge.c",
           "    if (why != &ledger_too_large)\n        why->", "    why->", ["e2e/refusals"]),
    Mutant("object to an old command before its answer is looked for", "server/judge.c",
           "    item->objection = wrong;\n    return NULL;\n", "    return wrong;\n",
           ["e2e/idempotency"]),
    Mutant("let a certificate act that was just taken off", "server/net/call.c",
           "    return authz_same(&peer->match, &now);",
           "    return now.person != NULL && now.person->role == peer->match.person->role;",
           ["net/test_conn"]),
    Mutant("let a certificate act that was just revoked", "server/net/call.c",
           "    if (!tls_admits(tls, peer->certificate, peer->chain))\n        return false;\n",
           "    (void)tls;\n", ["net/test_conn", "sim/seeds"]),
    Mutant("let people in by a roster that is not durable", WRITER,
           "    exchange_start(writer, command);\n    command->phase = COMMAND_DECIDED;\n"
           "    park(writer, command);",
           "    exchange_start(writer, command);\n    command->phase = COMMAND_DECIDED;\n"
           "    answer(command);", ["sim/seeds"]),
    Mutant("keep a roster that was not recorded", WRITER,
           "    if (command->kind == COMMAND_ADOPT)\n        exchange_start(writer, command);\n"
           "    if (!partly)", "    if (!partly)", ["sim/seeds"]),
    Mutant("tell what was signed before it is on both disks again", NOTARY,
           "    PL_TRY(remember(notary, pl_slice(last->note, last->len)));",
           "    (void)remember;", ["server/test_notary", "sim/seeds"]),
    Mutant("stream what was packed to who reads JSON", "server/net/answer.c",
           "codec == CODEC_PROTO ? pl_packed(message) : pl_slice(NULL, 0);", "pl_packed(message);",
           ["sim/seeds"]),
    Mutant("show a cosigned checkpoint that is not on the disk", COSIGN,
           "    struct pl_status status = keep(cosign, pl_slice(tree->note, tree->len));",
           "    (void)keep;\n    struct pl_status status = pl_ok();\n    (void)tree;", ["sim/seeds"]),
    Mutant("show a cosigned checkpoint that a start read from memory alone", COSIGN,
           "    PL_TRY(keep(cosign, text));\n", "", ["server/test_cosign", "sim/seeds"]),
    Mutant("put the cosignature of an older checkpoint under the newest", COSIGN,
           "    if (cosign->target->checkpoint.size != tree->checkpoint.size)\n        return;",
           "    if (cosign->target->checkpoint.size < tree->checkpoint.size)\n        return;",
           ["sim/seeds"]),
    Mutant("take a witness's line without looking at its signature", COSIGN,
           "    if (!pl_is_ok(pl_note_verify(&cosign->note, key, 1, &seen)))\n        return false;",
           "    seen = (struct pl_note_seen){.verified = true};\n"
           "    (void)pl_note_verify(&cosign->note, key, 1, &seen).code;", ["sim/seeds"]),
    Mutant("judge a witness by what was signed when it was asked", WITNESS,
           "        take_newest(witness);\n        finish(witness, line, code);",
           "        finish(witness, line, code);", ["sim/seeds"]),
    Mutant("go on signing what a witness has seen more of", WITNESS,
           "    notary_silence(witness->options.notary, silent);", "    (void)notary_silence;",
           ["sim/seeds"]),
    Mutant("never sign again after one size that nobody signed", WITNESS,
           "    notary_silence(witness->options.notary, silent);",
           "    notary_silence(witness->options.notary, true);", ["sim/seeds"]),
    Mutant("ask on from a size that was told and is beyond what was signed", COSIGN,
           "    witness->last_size = witness->seen.size;\n    fail(",
           "    witness->last_size = size;\n    fail(", ["server/test_cosign"]),
    Mutant("show an older cosigned checkpoint again under another policy", COSIGN,
           "    struct pl_status status = io->rename(io, path, old);",
           "    struct pl_status status = pl_ok();", ["server/test_cosign"]),
    Mutant("ask a witness that fails again at once", COSIGN,
           "    witness->due_ns = clock->mono_ns(clock) + witness->wait_ms * 1000000;",
           "    witness->due_ns = clock->mono_ns(clock);", ["sim/seeds"]),
    Mutant("take a log that cannot be read for another one", NOTARY,
           "    PL_TRY(status); /* what cannot be read is no other log */\n", "    (void)status.code;\n",
           ["sim/seeds"]),
    Mutant("take the end of a body for the next request", "server/net/h1.c",
           "    h1->body_left -= len;",
           "    h1->body_left -= h1->body_left > len + 1 && len > 40 ? len + 1 : len;",
           ["sim/seeds", "net/test_h1"]),
    Mutant("give a mirror tiles that are not signed yet", "server/tiles.c",
           "        pl_tile_width(tile.level, tile.index, newest->checkpoint.size) < tile.width) {",
           "        pl_tile_width(tile.level, tile.index, UINT32_MAX) < tile.width) {", ["sim/seeds"]),
    Mutant("leave the last entry out of a tile", "server/tiles.c",
           "first_seq + tile->width - 1, take_entry",
           "first_seq + tile->width - (tile->width > 3 ? 2 : 1), take_entry", ["sim/seeds"]),
    Mutant("hash one half of a tile twice", "server/tree.c",
           "more, at + 2 * i + 1), &row[i]);", "more, at + 2 * i), &row[i]);", ["server/test_tree", "sim/seeds"]),
    Mutant("take each end of a text for the last one", "server/net/grpcweb.c",
           "byte < 3 - text->pads", "byte < (text->pads != 0 ? 1u : 3u)", ["sim/seeds"]),
    Mutant("keep a refusal's details from Connect", "server/net/connect.c",
           "    if (refusal != NULL)\n        PL_TRY(put_detail(refusal, out));",
           "    if (refusal != NULL && refusal->seq == 0)\n        PL_TRY(put_detail(refusal, out));",
           ["sim/seeds"]),
    Mutant("end with answers under way", CONN,
           "    if (conn->state != CONN_OPEN)\n        return;\n    carrier_drain(conn->carrier, \"\");\n"
           "    mark_dirty(conn);", "    conn_end(conn);", ["sim/seeds", "e2e/durability"]),
    Mutant("believe the day that is given to a write-off", "server/ledger/waiver.c",
           "(day < today ? day : today);", "(day > today ? day : today);",
           ["ledger/test_schedule", "e2e/schedule"]),
    Mutant("let money be of a day to come", PERIOD,
           "time_us) + 1 /* where", "time_us) + 400000 /* where",
           ["ledger/test_payment", "e2e/money"]),
    Mutant("go on with the dump of who is no auditor any more", DUMP,
           "    if (!call_outdated(call))\n        return true;\n    dump_free(dump);",
           "    if (!call_outdated(call) || dump != NULL)\n        return true;\n    dump_free(dump);",
           ["server/test_dump", "e2e/reload"]),
    Mutant("go on telling who has another role by now", "server/watch.c",
           "    if (!call_outdated(watcher->call))\n        return true;",
           "    if (watcher->call != NULL || !call_outdated(watcher->call))\n        return true;",
           ["sim/seeds"]),
    Mutant("leave out what came while a watcher was away", "server/watch.c",
           "    if (watcher->next_seq == 0)\n        watcher->next_seq = next;",
           "    if (watcher->next_seq == 0 || watcher->next_seq > 5)\n        watcher->next_seq = next;",
           ["sim/seeds", "e2e/watch"]),
    Mutant("say of a late deadline that nothing happened", CALL,
           "    refusal.reason = call->method != NULL && call->method->no_side_effects",
           "    refusal.reason = call->method != NULL", ["sim/seeds", "net/test_call"]),
    Mutant("leave copies of erased rows in the free space of pages", PERSONS,
           "        PL_TRY(run(persons, \"VACUUM\", \"sweep the file of persons\"));\n", "",
           ["server/test_persons"]),
    Mutant("take what older versions left for swept", PERSONS,
           "    persons->unswept = persons->unswept || version == FORMAT_UNSWEPT;\n", "",
           ["server/test_persons"]),
    Mutant("do not see that a crash left something to sweep", PERSONS,
           "    persons->unswept = mode == PERSONS_WRITE && was_cut_short(path);", "    (void)was_cut_short;", ["server/test_persons"]),
    Mutant("forget at an orderly end that a sweep did not work", PERSONS,
           "    if (persons->unswept && persons->db != NULL) /* the log stays, and the next one sees by it */\n        (void)sqlite3_db_config"
           "(persons->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);\n", "", ["server/test_persons"]),
    Mutant("do not sync what is cut off the log of the file of persons", PERSONS,
           "    code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);", "    code = SQLITE_OK;", ["sim/seeds"]),
    Mutant("decide before a record is on the disk", PERSONS,
           "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL", ["sim/seeds"]),
    Mutant("keep the records of a command that came to nothing", REGISTRAR,
           "    withdraw(registrar, command,\n             recorded);", "    (void)(recorded);", ["sim/seeds"]),
    Mutant("take away a record that was there before", REGISTRAR,
           "if (row->is_new && !(recorded", "if (!(recorded", ["sim/seeds"]),
    Mutant("take away a record that another command brings as well", REGISTRAR,
           "            !leave_to_others(registrar, command, row, true) &&",
           "            (leave_to_others(registrar, command, row, true) | 1) &&",
           ["server/test_registrar", "sim/seeds"]),
    Mutant("keep a record that two commands brought for nothing", REGISTRAR,
           "                other->row[i].is_new = is_new;", "                other->row[i].is_new &= is_new;",
           ["server/test_registrar", "sim/seeds"]),
    Mutant("take away a record that a later command was recorded with", REGISTRAR,
           "        if (all || command->row[i].named)", "        if (all && command->row[i].named)",
           ["server/test_registrar"]),
    Mutant("say that it is erased, and do not erase it", REGISTRAR,
           "            erase_what_it_says(registrar, command);", "            (void)erase_what_it_says;",
           ["sim/seeds", "e2e/contacts"]),
    Mutant("lose a byte that a full socket did not take", "server/net/io.c",
           "    io->stuck_end = len;", "    io->stuck_end = len - (len > 1);", ["sim/seeds"]),
    # days and years, secrets, who was let in before, and what leaves the daemon
    Mutant("let a promise of a day to come hold up its money", SINCE,
           "days->announced.day <= state_day(ledger, entry->time_us))",
           "days->announced.day <= state_day(ledger, entry->time_us) + 4000)", ["ledger/test_since"]),
    Mutant("let the promise of today in the east hold up nothing", SINCE,
           "days->announced.day <= state_day(ledger, entry->time_us))",
           "days->announced.day <= pl_date_of_us(entry->time_us))", ["ledger/test_since"]),
    Mutant("let money that went hold up a raise", SINCE,
           "        if (amount->minor < pledge->amount && amount->minor < days.peak)",
           "        if (amount->minor != pledge->amount)", ["ledger/test_since", "property/commands"]),
    Mutant("let money that went hold up a cut to no less than that", SINCE,
           "        if (amount->minor < pledge->amount && amount->minor < days.peak)",
           "        if (amount->minor < pledge->amount && amount->minor <= days.peak)",
           ["ledger/test_since", "property/commands"]),
    Mutant("cut a promise below what was paid then", SINCE,
           "        if (amount->minor < pledge->amount && amount->minor < days.peak)",
           "        if (amount->minor < pledge->amount && amount->minor < days.peak - 1)",
           ["ledger/test_since", "property/commands"]),
    Mutant("forget what was given up when a cut is dated", SINCE,
           "    days.peak = settled > days.peak ? settled : days.peak;",
           "    settled = ledger->pledge[pledge].allocated;\n"
           "    days.peak = settled > days.peak ? settled : days.peak;",
           ["ledger/test_since"]),
    Mutant("judge what older rules took by the days of today", SINCE,
           "    if (!state_rules(ledger, 16)) {\n        after_last",
           "    if (!state_rules(ledger, 15)) {\n        after_last",
           ["ledger/test_since", "golden/v1-rules15"]),
    Mutant("say nothing of offers that are elsewhere than the fund", "server/daemon.c",
           "    if (!policy_same_zone(offers, view_time_zone(daemon->view)))",
           "    if (!policy_same_zone(offers, offers))", ["e2e/zone"]),
    Mutant("take zones for the same whose summers end on other days", "server/policy.c",
           "same_change(&zone[0].end, &zone[1].end)));",
           "same_change(&zone[0].end, &zone[0].end)));", ["server/test_policy"]),
    Mutant("take the words on an amount in any order", SINCE,
           "        no_sooner(ledger, since, days.terms.day, days.terms.seq);\n        if (amount",
           "        no_sooner(ledger, since, days.owed.day, days.owed.seq);\n        if (amount",
           ["ledger/test_since", "property/commands"]),
    Mutant("let a cut hold up money that came before it", SINCE,
           "    if (minor > ledger->pledge[pledge].amount)\n        put_off",
           "    if (minor != ledger->pledge[pledge].amount)\n        put_off", ["ledger/test_since"]),
    Mutant("forget the promise for a raise to come", SINCE,
           "to_come ? &days.announced : &days.owed, entry);",
           "to_come && minor == 0 ? &days.announced : &days.owed, entry);", ["ledger/test_since"]),
    Mutant("end a promise before the last word on it", SINCE,
           "        if (days.terms.day <= state_day(ledger, entry->time_us))\n            no_sooner",
           "        if (days.terms.day < 0)\n            no_sooner", ["ledger/test_since"]),
    Mutant("write off what was due on a day of UTC", "server/ledger/waiver.c",
           "    return state_rules(ledger, 16) ? state_day(ledger, time_us)",
           "    return state_rules(ledger, 99) ? state_day(ledger, time_us)",
           ["ledger/test_schedule", "e2e/zone"]),
    Mutant("replay a write-off that is dated before it was due", "server/ledger/waiver.c",
           "    int32_t day = state_rules(ledger, 16) ? period_day_of(entry) : today;",
           "    int32_t day = today;", ["ledger/test_schedule"]),
    Mutant("take back a payment before what it paid for", SINCE,
           "        after_allocations(ledger, &ledger->bank_entry[index], NULL, since);\n        return;",
           "        return;", ["ledger/test_since"]),
    Mutant("take back an allocation before its day", SINCE,
           "        no_sooner(ledger, since, ledger->allocation[index].day, target);",
           "        no_sooner(ledger, since, ledger->allocation[index].day - 400, target);", ["ledger/test_since"]),
    Mutant("take back a write-off before its day", SINCE,
           "        no_sooner(ledger, since, ledger->waiver[index].dated, target);",
           "        no_sooner(ledger, since, ledger->waiver[index].dated - 400, target);", ["ledger/test_since"]),
    Mutant("take back a deed before its day", SINCE,
           "        no_sooner(ledger, since, ledger->deed[index].dated, target);",
           "        no_sooner(ledger, since, ledger->deed[index].dated - 400, target);", ["ledger/test_since"]),
    Mutant("allocate beside a payment before it came", SINCE,
           "        if (made->fact_case == FACT(REVERSED) || brings(made, bank_entry))",
           "        if (made->fact_case == FACT(REVERSED) || (count == 0 && brings(made, bank_entry)))", ["ledger/test_since"]),
    Mutant("send money back at the bank before it came", SINCE,
           "    no_sooner(ledger, since, back->value_date, back->seq);\n",
           "", ["ledger/test_since"]),
    Mutant("send back at the bank what had not paid yet", SINCE,
           "    after_money(ledger, from, since);\n    after_allocations(ledger, from, NULL, since);\n}",
           "    after_money(ledger, from, since);\n}", ["ledger/test_since"]),
    Mutant("let the promise hold up a refund", SINCE,
           "        pledge = NULL; /* whose money it is, no more */\n",
           "", ["ledger/test_since"]),
    Mutant("accept a difference before what it is the difference of", SINCE,
           "        if (state_bank_entry(ledger, entry->difference_accepted->bank_entry) != NULL)",
           "        if (pledge == NULL)", ["ledger/test_since"]),
    Mutant("close a pledge before it was paid", SINCE,
           "        if (ledger->allocation[i].reversed_by == 0)\n"
           "            no_sooner(ledger, since, ledger->allocation[i].day,",
           "        if (ledger->allocation[i].reversed_by == 1)\n"
           "            no_sooner(ledger, since, ledger->allocation[i].day,", ["ledger/test_since"]),
    Mutant("close a pledge before it was written off", SINCE,
           "        if (ledger->waiver[i].reversed_by == 0)",
           "        if (ledger->waiver[i].reversed_by == 1)", ["ledger/test_since"]),
    Mutant("pay a refund before its money came", SINCE,
           "    no_sooner(ledger, since, credit->value_date, credit->seq);",
           "    no_sooner(ledger, since, credit->value_date - 400, credit->seq);", ["ledger/test_since"]),
    Mutant("doubt the day that a bank gives a refund", SINCE,
           "            (count == 0 || !brings(before[count - 1], entry->refund_paid->bank_entry)))",
           "            (count == 0 || before[count - 1] != NULL))", ["ledger/test_since"]),
    Mutant("cancel a refund before it was ordered", SINCE,
           "            no_sooner(ledger, &since, refund->dated, refund->seq);",
           "            no_sooner(ledger, &since, refund->dated - 400, refund->seq);", ["ledger/test_since"]),
    Mutant("name the first of the days that are too early", SINCE,
           "        if (!is_early(entry, &since) || since_first(maker->ledger, &since) <= first)",
           "        if (!is_early(entry, &since) || (found != NULL && first != INT32_MIN))", ["ledger/test_since"]),
    Mutant("complain about a day that nobody typed", SINCE,
           "command->command_case == COMMAND(PAY) && maker->command->pay->value_date[0] != '\\0';",
           "command->command_case == COMMAND(PAY);", ["ledger/test_since"]),
    Mutant("pay for it on the day of the typing", SINCE,
           "            (period_day_of(entry) > first && !given && is_beside(maker, entry)))",
           "            (period_day_of(entry) < first && !given && is_beside(maker, entry)))", ["ledger/test_since"]),
    Mutant("date what somebody dated", SINCE,
           "            (period_day_of(entry) > first && !given && is_beside(maker, entry)))",
           "            (period_day_of(entry) + given > first && is_beside(maker, entry)))", ["ledger/test_since"]),
    Mutant("forget the day of a promise", SINCE,
           "    if (made.day != pl_date_of_us(ledger->pledge[pledge].made_us))\n        pl_map_put",
           "    if (made.day > pl_date_of_us(ledger->pledge[pledge].made_us))\n        pl_map_put", ["ledger/test_since"]),
    Mutant("forget on which day more became due", SINCE,
           "    if (day > known->day)\n        known->day = day;",
           "    if (day > known->day && !by_books)\n        known->day = day;", ["ledger/test_since"]),
    Mutant("let what is due earlier move a promise back", SINCE,
           "    if (day > known->day)\n        known->day = day;",
           "    if (day != known->day)\n        known->day = day;", ["ledger/test_since"]),
    Mutant("keep summer a day too long in a month with a fifth week", ZONE,
           "    while (day >= next)\n        day -= 7;\n",
           "    if (day > next)\n        day -= 7;\n", ["common/test_zone"]),
    Mutant("end summer by the clock of winter", ZONE,
           "    int64_t end = moment_of(&zone->end, year, zone->summer_east);",
           "    int64_t end = moment_of(&zone->end, year, zone->east);", ["common/test_zone"]),
    Mutant("have no summer in the south", ZONE,
           " : second >= begin || second < end;",
           " : second >= begin && second < end;", ["common/test_zone"]),
    Mutant("cut days off towards 1970", ZONE,
           "    return a / b - (a % b < 0);",
           "    return a / b;", ["common/test_zone"]),
    Mutant("take a rule that is too long to be kept", ZONE,
           "strlen(rule) < PL_ZONE_BYTES &&",
           "strlen(rule) <= PL_ZONE_BYTES &&", ["common/test_zone"]),
    Mutant("take two letters for a name", ZONE,
           "    return end - begin >= 3 &&",
           "    return end - begin >= (quoted ? 3 : 2) &&", ["common/test_zone"]),
    Mutant("take two letters in brackets for a name", ZONE,
           "    return end - begin >= 3 &&",
           "    return end - begin >= (quoted ? 2 : 3) &&", ["common/test_zone"]),
    Mutant("begin a day at a midnight that is left out", ZONE,
           "            if (near && day_at(zone, moments[i]) >= day)",
           "            if (i == 0 && near && day_at(zone, moments[i]) >= day)", ["common/test_zone"]),
    Mutant("read a time before midnight as one after it", ZONE,
           "sign = **at == '-' ? -1 : 1;",
           "sign = 1;", ["common/test_zone"]),
    Mutant("take the winter of 1970 for each year's first day", ZONE,
           "((int64_t)first + 4) % 7 + 7) % 7",
           "((int64_t)first + 3) % 7 + 7) % 7", ["common/test_zone"]),
    Mutant("ask the year in Greenwich", ZONE,
           "    int year = year_at(zone, second);",
           "    int year = year_at(&(const struct pl_zone){0}, second);", ["common/test_zone"]),
    Mutant("take any summer for one of an hour", ZONE,
           "        ret->summer_east = -west;",
           "        ret->summer_east = ret->east + HOUR_S;", ["common/test_zone"]),
    Mutant("let words stand behind a rule", ZONE,
           "read_change(&at, &ret->end) && *at == '\\0';",
           "read_change(&at, &ret->end);", ["common/test_zone"]),
    Mutant("say the half of a rule that is none", ZONE,
           "        return pl_ok();\n    *ret = (struct pl_zone){.east = 0};\n",
           "        return pl_ok();\n", ["common/test_zone"]),
    Mutant("let a stranger read the key who stands in an access list", PRIVATE,
           "le32toh(entry->e_id) == who || (granted & mask) == 0",
           "le32toh(entry->e_id) != UINT32_MAX || (granted & mask) == who", ["common/test_private"]),
    Mutant("trust no list that names us", PRIVATE,
           "le32toh(entry->e_id) == who || (granted & mask) == 0",
           "who == UINT32_MAX || (granted & mask) == 0", ["common/test_private"]),
    Mutant("believe that a mask takes everything", PRIVATE,
           "            mask = le16toh(list->entries[i].e_perm);",
           "            mask = 0;", ["common/test_private"]),
    Mutant("believe that a mask takes nothing", PRIVATE,
           "            mask = le16toh(list->entries[i].e_perm);",
           "            mask |= le16toh(list->entries[i].e_perm);", ["common/test_private"]),
    Mutant("let everybody read the key", PRIVATE,
           " || (about.st_mode & S_IRWXO) != 0)",
           ")", ["common/test_private"]),
    Mutant("take no list for one that names nobody", PRIVATE,
           "    return bytes > 0 && list_is_private",
           "    return bytes <= 0 || list_is_private", ["common/test_private"]),
    Mutant("look at the first of an access list alone", PRIVATE,
           "        if (!entry_is_private(&list->entries[i], mask, who))\n"
           "            return false;\n"
           "    }\n"
           "    return true;",
           "        if (!entry_is_private(&list->entries[i], mask, who))\n"
           "            return false;\n"
           "        if (i == 1)\n"
           "            break;\n"
           "    }\n"
           "    return true;", ["common/test_private"]),
    Mutant("believe in a certificate before it was judged", VERDICTS,
           " || now_s < found.from_s ||\n        now_s >= found.until_s)",
           " ||\n        now_s >= found.until_s)", ["net/test_verdicts"]),
    Mutant("believe longer than a revocation list lasts", VERDICTS,
           "    made.until_s = made.expires_s < verdicts->until_s ? made.expires_s : verdicts->until_s;",
           "    made.until_s = made.expires_s;", ["net/test_verdicts"]),
    Mutant("believe in a certificate whose authority has expired", VERDICTS,
           "    for (int i = 0; i < sk_X509_num(chain); i++) {\n        int64_t at_s",
           "    for (int i = 0; i < 1 && i < sk_X509_num(chain); i++) {\n        int64_t at_s", ["net/test_verdicts"]),
    Mutant("know a peer by his own certificate alone", VERDICTS,
           "        pl_sha256_parts(parts, (size_t)count, out);",
           "        pl_sha256_parts(parts, 1, out);", ["net/test_verdicts"]),
    Mutant("keep who was refused", VERDICTS,
           "    if (X509_verify_cert(ctx) != 1)\n        return false;\n",
           "    if (X509_verify_cert(ctx) != 1) {\n"
           "        made.until_s = INT64_MAX;\n"
           "        verdicts_keep(verdicts, &made);\n"
           "        return false;\n"
           "    }\n", ["net/test_verdicts"]),
    Mutant("read a verdict while it is written", VERDICTS,
           "    return turn % 2 == 0 && atomic_load_explicit(&place->turn, memory_order_relaxed) == turn;",
           "    return turn % 2 <= 1;", ["net/test_verdicts"]),
    Mutant("leave the error of before", VERDICTS,
           "        X509_STORE_CTX_set_error(ctx, X509_V_OK);\n",
           "        X509_STORE_CTX_set_error(ctx, X509_V_ERR_UNSPECIFIED);\n", ["net/test_verdicts"]),
    Mutant("fill a batch without room for one more command", BATCH,
           "    return pl_buf_len(&batch->body) + LIMIT_COMMAND_ENTRIES_BYTES > LIMIT_BATCH_FILL_BYTES;",
           "    return pl_buf_len(&batch->body) > LIMIT_BATCH_FILL_BYTES;", ["server/test_batch"]),
    Mutant("have no room for what just fits", BATCH,
           "+ more <= most;",
           "+ more < most;", ["server/test_batch"]),
    Mutant("need the reader of the last entry alone", BATCH,
           "    if (min_reader > batch->header.min_reader)\n",
           "    if (min_reader != batch->header.min_reader)\n", ["server/test_batch"]),
    Mutant("find what is behind the last entry", BATCH,
           "seq - batch->header.first_seq >= batch->header.count)",
           "seq - batch->header.first_seq > batch->header.count)", ["server/test_batch"]),
    Mutant("say that a batch is acknowledged by itself", BATCH,
           "    batch->header.acked = head->batch;",
           "    batch->header.acked = head->batch + 1;", ["server/test_batch"]),
    Mutant("begin a batch behind the one before", BATCH,
           "    pl_buf_clear(&batch->body);\n",
           "", ["server/test_batch"]),
    Mutant("begin a batch with the reader of the one before", BATCH,
           "    batch->header = (struct store_batch){.first_seq = first_seq};",
           "    batch->header = (struct store_batch){.first_seq = first_seq, .min_reader = batch->header.min_reader};", ["server/test_batch"]),
    Mutant("forget the batch before", BATCH,
           "    memcpy(batch->header.prev, head->hash, STORE_HASH_BYTES);\n",
           "", ["server/test_batch"]),
    Mutant("put a checkpoint under a dump that ends behind it", DUMP,
           "    if (under < dump->last) {",
           "    if (under > dump->last) {", ["server/test_dump"]),
    Mutant("promise entries that are not there yet", DUMP,
           "    dump->last = to_seq == 0 || to_seq > size ? size : to_seq;",
           "    dump->last = to_seq == 0 ? size : to_seq;", ["server/test_dump"]),
    Mutant("end a dump before what it was asked for", DUMP,
           "    if (to_seq == 0 && covered && dump->from <= under)",
           "    if (covered | (dump->from <= under))", ["server/test_dump"]),
    Mutant("put an older checkpoint under a dump because it is cosigned", DUMP,
           "    if (newest != NULL && served->checkpoint.size == newest->checkpoint.size)",
           "    if (newest != NULL && served != NULL)", ["server/test_dump"]),
    Mutant("keep cosignatures from a dump", DUMP,
           "        newest = served;\n",
           "        newest = served->checkpoint.size == 0 ? served : newest;\n", ["server/test_dump"]),
    Mutant("begin a dump behind the end", DUMP,
           "|| from > view_get_log(view)->size + 1) {",
           "|| from > view_get_log(view)->size + 2) {", ["server/test_dump"]),
    Mutant("refuse a dump of what is new where nothing is", DUMP,
           "|| from > view_get_log(view)->size + 1) {",
           "|| from > view_get_log(view)->size) {", ["server/test_dump"]),
    Mutant("call a dump whole that ended early", DUMP,
           "        if (!pl_is_ok(status)) {\n            pl_log_status(PL_LOG_ERROR, \"dump\"",
           "        if (dump->next == dump->from && !pl_is_ok(status)) {\n"
           "            pl_log_status(PL_LOG_ERROR, \"dump\"", ["server/test_dump"]),
    Mutant("leave out the last of a piece", DUMP,
           "        dump->next += dump->entry_count;",
           "        dump->next += dump->entry_count + (dump->entry_count > 200);", ["server/test_dump"]),
    Mutant("put any number of bytes into a piece", DUMP,
           "|| dump->chunk_used > LIMIT_DUMP_CHUNK_BYTES)",
           "|| dump->chunk_used > 1)", ["server/test_dump"]),
    Mutant("read past what is no commitment", PERSONS,
           "           commitment.len == LEDGER_COMMITMENT_BYTES &&\n           (before",
           "           commitment.len <= LEDGER_COMMITMENT_BYTES &&\n           (before", ["server/test_persons"]),
    Mutant("take a text for a commitment", PERSONS,
           "    return sqlite3_column_type(select, 0) == SQLITE_BLOB &&\n",
           "    return sqlite3_column_type(select, 0) != SQLITE_NULL &&\n", ["server/test_persons"]),
    Mutant("go on where rows are out of order", PERSONS,
           "memcmp(before.data, commitment.data, before.len) < 0);",
           "before.len != 1);", ["server/test_persons"]),
    Mutant("call a log fine that is shorter than what was signed", KEPT,
           "        if (kept->checkpoint[i].size > size)",
           "        if (kept->checkpoint[i].size > size + 1)", ["server/test_kept"]),
    Mutant("take a checkpoint that cannot be read for none", KEPT,
           "return errno == ENOENT ?",
           "return errno != 0 ?", ["server/test_kept"]),
    Mutant("take the checkpoint of another ledger", KEPT,
           " && strcmp(ret->origin, origin) == 0;",
           " && origin != NULL;", ["server/test_kept"]),
    Mutant("look at one of two checkpoints", KEPT,
           "    for (size_t i = 0; i < PL_COUNT(places); i++) {",
           "    for (size_t i = 0; i + 1 < PL_COUNT(places); i++) {", ["server/test_kept"]),
    Mutant("expect something of a tree of nothing", KEPT,
           "    look(&growing);\n    if (most",
           "    if (most", ["server/test_kept"]),
    Mutant("read as far as the last checkpoint says", KEPT,
           "        most = kept->checkpoint[i].size > most ? kept->checkpoint[i].size : most;",
           "        most = kept->checkpoint[i].size;", ["server/test_kept"]),
]
BROKEN = "DOES NOT BUILD"
QUICK = ["skip the sync of a batch", "drop the capacity check", "reply before the sync"]


def targets_of(test):
    box, _, rest = test.partition("/")
    if box == "sim":
        return ["nth" if rest == "nth" else "sim"]
    if box in ("e2e", "hostile", "linear"):
        return ["pledged", "pledge"]
    if box == "crash":
        return ["pledged", "pledge", "crash_layer"]
    return [f"{box}_{rest}"]


def check(mutants):
    fine = True
    for mutant in mutants:
        count = mutant.place(ROOT)[1]
        if count != 1:
            print(f"{mutant.name}: its place is found {count} times in {mutant.path}:\n{mutant.find}")
            fine = False
    return fine


def stop(words):
    print(words)
    sys.exit(2)


class Compiler:
    """Compiles one changed file by the words of a build, warnings are errors there; keeps nothing.
    The optimiser runs too: some warnings come from it alone."""

    def __init__(self, build):
        where = pathlib.Path(build) / "compile_commands.json"
        if not where.is_file():
            stop(f"{where} is not there: configure first")
        self.call = {}
        for entry in json.loads(where.read_text(encoding="utf-8")):
            self.call.setdefault(entry["file"], entry)

    def words(self, path, shadow):
        """What the build says for `path`, or for the .c of a header, with `shadow` before the rest."""
        source = path if path.endswith(".c") else path[:-1] + "c"
        entry = self.call.get(str(ROOT / source))
        if entry is None:
            stop(f"the build has no {source}")
        words = [word for word in shlex.split(entry["command"]) if word != "-c"]
        if pathlib.Path(words[0]).name == "ccache":
            words = words[1:]
        out = words.index("-o")
        del words[out:out + 2]
        changed = shadow / source
        words[words.index(entry["file"])] = str(changed if changed.is_file() else ROOT / source)
        return [words[0], f"-I{shadow}", *words[1:], "-S", "-o", os.devnull], entry["directory"]

    def complaint(self, mutant, put):
        """None: it compiles with `put` in its place."""
        with tempfile.TemporaryDirectory(prefix="pledged-mutant-") as temporary:
            shadow = pathlib.Path(temporary)
            (shadow / mutant.path).parent.mkdir(parents=True)
            (shadow / mutant.path).write_text(mutant.place(ROOT)[0].replace(mutant.find, put),
                                              encoding="utf-8")
            words, directory = self.words(mutant.path, shadow)
            done = subprocess.run(words, cwd=directory, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", timeout=600)
            return None if done.returncode == 0 else done.stdout[-3000:]


def compile_each(mutants, build):
    compiler = Compiler(build)
    for path in sorted({mutant.path for mutant in mutants}):  # that it can say no, of each file
        mutant = next(mutant for mutant in mutants if mutant.path == path)
        if compiler.complaint(mutant, "\n#error planted\n" + mutant.find) is None:
            stop(f"{path} compiles whatever stands in it")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = list(pool.map(lambda m: compiler.complaint(m, m.put), mutants))
    broken = 0
    for mutant, complaint in zip(mutants, complaints):
        if complaint is not None:
            print(f"{mutant.name}: {mutant.path} does not compile with it:\n{complaint}")
            broken += 1
    print(f"{len(mutants)} mutants, {len(mutants) - broken} compile, {broken} do not")
    return 2 if broken else 0


class Copy:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.build = self.path / "build" / "release"

    def run(self, args, timeout=1800):
        return subprocess.run(args, cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=timeout)

    def make(self):
        names = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
                               check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.path / name)
        ccache = shutil.which("ccache")
        done = self.run(["cmake", "--preset", "release",
                         *([f"-DCMAKE_C_COMPILER_LAUNCHER={ccache}"] if ccache else [])])
        if done.returncode != 0:
            stop(f"the copy is not configured:\n{done.stdout[-3000:]}")

    def compile(self, test):
        return self.run(["cmake", "--build", str(self.build), "--target", *targets_of(test)])

    def passes(self, test):
        done = self.run(["ctest", "--test-dir", str(self.build), "-R", f"^{test}$",
                         "--no-tests=error", "--timeout", "600"])
        if "No tests were found" in done.stdout:
            stop(f"there is no test {test}")
        return done.returncode == 0

    def green(self, tests):
        for test in tests:
            built = self.compile(test)
            if built.returncode != 0:
                stop(f"the copy does not build:\n{built.stdout[-3000:]}")
            if not self.passes(test):
                stop(f"{test} is red without any mutant")

    def try_mutant(self, mutant):
        """The test that found it, BROKEN, or None."""
        text, count = mutant.place(self.path)
        assert count == 1, mutant.name
        where = self.path / mutant.path
        try:
            where.write_text(text.replace(mutant.find, mutant.put), encoding="utf-8")
            for test in mutant.tests:
                built = self.compile(test)
                if built.returncode != 0:
                    print(built.stdout[-3000:])
                    return BROKEN
                if not self.passes(test):
                    return test
            return None
        finally:
            where.write_text(text, encoding="utf-8")
            os.utime(where)


def main():
    parser = argparse.ArgumentParser(description="bugs on purpose; see the head of this file")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--compile", metavar="BUILD")
    parser.add_argument("--quick", action="store_true", help="three of them, for every run")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--scratch")
    parser.add_argument("--trust", action="store_true", help="the tests are known to be green")
    options = parser.parse_args()
    wanted = QUICK if options.quick else options.names
    mutants = [m for m in MUTANTS if not wanted or m.name in wanted]
    if wanted and len(mutants) != len(wanted):
        stop(f"no such mutant among {wanted}")
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:50} {mutant.path:26} {', '.join(mutant.tests)}")
        return 0
    if not check(mutants):
        return 2
    if options.check:
        print(f"{len(mutants)} mutants, every place found")
        return 0
    if options.compile:
        return compile_each(mutants, options.compile)
    with tempfile.TemporaryDirectory(prefix="pledged-mutants-") as temporary:
        copy = Copy(options.scratch or temporary)
        copy.path.mkdir(parents=True, exist_ok=True)
        copy.make()
        if not options.quick and not options.trust:  # else another run shows that they are green
            copy.green(dict.fromkeys(test for mutant in mutants
                                     for test in mutant.tests[:1]))
        survived = broken = 0
        print(f"{'bug':50} {'found by':22} {'s':>4}")
        for mutant in mutants:
            begin = time.monotonic()
            found = copy.try_mutant(mutant)
            survived += found is None
            broken += found is BROKEN
            print(f"{mutant.name:50} {found or 'NOBODY':22} {time.monotonic() - begin:4.0f}",
                  flush=True)
        print(f"{len(mutants)} mutants, {len(mutants) - survived - broken} found, {survived} not, "
              f"{broken} do not build")
        return 2 if broken else 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
