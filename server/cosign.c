/* SPDX-License-Identifier: Apache-2.0
 *
 * cosign: see cosign.h.
 */
#include "server/cosign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/log.h"
#include "server/store/lock.h"

enum {
    PATH_BYTES = 4096,
    NOTE_BYTES = 64 << 10,
    LINE_BYTES = PL_NOTE_NAME_MAX + 160, /* dash, name, 104 characters of base64 */
    WAIT_FIRST_MS = 1000,
    WAIT_MOST_MS = 60000,
};

struct witness {
    struct cosign_witness seen;
    const char *url;          /* NULL: it cannot be asked */
    uint64_t last_size;       /* that it cosigned, as far as we know */
    bool ahead;               /* it said that it cosigned more than was signed here */
    struct signed_tree *asks; /* owns; of the request under way, NULL: none */
    uint64_t asked_old;       /* of that request */
    bool told_size;           /* that request's old size comes from an answer of the witness */
    int64_t wait_ms;          /* after the last failure; 0: none */
    int64_t due_ns;           /* not before */
    char line[LINE_BYTES];    /* its cosignature of the target; "" if there is none */
};

struct cosign {
    struct cosign_options options;
    struct pl_note_key log;
    size_t count;
    struct witness *witness;       /* owns; like in the policy */
    struct signed_tree *newest;    /* owns; signed */
    struct signed_tree *target;    /* owns */
    struct signed_tree *served;    /* owns; cosigned */
    struct signed_tree *meanwhile; /* owns; shown as long as nothing is cosigned */
    size_t served_lines;
    struct signed_tree *unkept; /* owns; cosigned, and not on the disk yet; NULL: none */
    size_t unkept_lines;
    int64_t keep_due_ns; /* of that one */
    bool changed, cannot_keep;
    struct pl_note note; /* of the answer at hand: too large for a stack */
};

/* --- reports --- */

struct cosign_report *cosign_report_ref(struct cosign_report *report)
{
    (void)atomic_fetch_add_explicit(&report->refs, 1, memory_order_relaxed);
    return report;
}

void cosign_report_unref(struct cosign_report *report)
{
    if (report == NULL || atomic_fetch_sub_explicit(&report->refs, 1, memory_order_acq_rel) != 1)
        return;
    signed_tree_unref(report->tree);
    signed_tree_unref(report->meanwhile);
    free(report);
}

struct cosign_report *cosign_news(struct cosign *cosign)
{
    if (!cosign->changed)
        return NULL;
    cosign->changed = false;
    struct cosign_report *report =
        calloc(1, sizeof(*report) + cosign->count * sizeof(report->witness[0]));
    PL_ASSERT(report != NULL);
    atomic_init(&report->refs, 1);
    report->tree = cosign->served == NULL ? NULL : signed_tree_ref(cosign->served);
    report->meanwhile = cosign->meanwhile == NULL ? NULL : signed_tree_ref(cosign->meanwhile);
    report->count = cosign->count;
    for (size_t i = 0; i < cosign->count; i++)
        report->witness[i] = cosign->witness[i].seen;
    return report;
}

bool cosign_rolled_back(const struct cosign *cosign)
{
    for (size_t i = 0; i < cosign->count; i++) {
        if (cosign->witness[i].ahead)
            return true;
    }
    return false;
}

/* --- files --- */

/* Appends the whole file. NOT_FOUND if there is none, TOO_BIG past `most` bytes. */
static struct pl_status read_all(struct io *io, const char *path, size_t most, struct pl_buf *ret)
{
    int fd = -1;
    uint64_t len = 0;
    uint8_t *room = NULL;
    PL_TRY(io->open(io, path, false, false, 0, &fd));
    struct pl_status status = io->size(io, fd, &len);
    if (pl_is_ok(status) && len > most)
        status = pl_fail(TOO_BIG, "the file is too large");
    if (pl_is_ok(status))
        status = pl_buf_reserve(ret, (size_t)len + 1, &room);
    if (pl_is_ok(status) && len > 0)
        status = io->pread(io, fd, room, (size_t)len, 0);
    if (pl_is_ok(status))
        pl_buf_commit(ret, (size_t)len);
    io->close(io, fd);
    return status;
}

/* --- the policy --- */

static struct pl_status parse_policy(const char *path, const char *vkey, struct pl_slice text,
                                     char *message, struct cosign_policy *policy)
{
    char wrong[200] = "";
    char ours[PL_NOTE_KEY_MAX];
    const struct pl_policy *parsed = &policy->policy;
    struct pl_status status = pl_policy_parse(text, &policy->arena, &policy->policy, wrong);
    if (!pl_is_ok(status)) {
        (void)snprintf(message, 400, "%.180s: %.200s", path, wrong);
        return pl_fail(CONFIG, "read a policy");
    }
    if (parsed->witness_count == 0) {
        (void)snprintf(message, 400, "%.300s: there is no witness in it", path);
        return pl_fail(CONFIG, "read a policy");
    }
    for (size_t i = 0; i < parsed->log_count; i++) {
        if (pl_is_ok(pl_note_key_print(&parsed->log[i], ours)) && strcmp(ours, vkey) == 0)
            return pl_ok();
    }
    if (parsed->log_count == 0)
        return pl_ok();
    (void)snprintf(message, 400, "%.200s: its logs are others; the line of this one is: log %.140s",
                   path, vkey);
    return pl_fail(CONFIG, "read a policy");
}

struct pl_status cosign_policy_load(const char *path, const char *vkey, char *message,
                                    struct cosign_policy **ret)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, PL_POLICY_BYTES_MAX + 1);
    struct pl_status status = read_all(io_system(), path, PL_POLICY_BYTES_MAX, &text);
    if (!pl_is_ok(status)) {
        (void)snprintf(message, 400, "%.250s: %s", path,
                       status.sys_errno != 0 ? strerrordesc_np(status.sys_errno) : status.what);
        return pl_fail(CONFIG, "read a policy");
    }
    struct cosign_policy *policy = calloc(1, sizeof(*policy));
    PL_ASSERT(policy != NULL);
    pl_arena_init(&policy->arena, 4 << 20);
    status = parse_policy(path, vkey, pl_buf_slice(&text), message, policy);
    if (pl_is_ok(status))
        *ret = policy;
    else
        cosign_policy_free(policy);
    return status;
}

void cosign_policy_free(struct cosign_policy *policy)
{
    if (policy == NULL)
        return;
    pl_arena_fini(&policy->arena);
    free(policy);
}

/* --- what is published --- */

static bool make_path(const char *data, char ret[PATH_BYTES])
{
    int len = snprintf(ret, PATH_BYTES, "%s/checkpoint.cosigned", data);
    return len > 0 && len < PATH_BYTES;
}

/* The target with the lines that came for it. */
static struct pl_status print_target(const struct cosign *cosign, struct pl_buf *out)
{
    PL_TRY(pl_buf_append(out, cosign->target->note, cosign->target->len));
    for (size_t i = 0; i < cosign->count; i++)
        PL_TRY(pl_buf_append_str(out, cosign->witness[i].line));
    return pl_ok();
}

static struct pl_status keep(struct cosign *cosign, struct pl_slice note)
{
    char path[PATH_BYTES];
    if (!make_path(cosign->options.data, path))
        return pl_fail(INVALID, "a path is too long");
    if (!lock_is_at(cosign->options.lock, cosign->options.data))
        return pl_fail(UNAVAILABLE, "find the data directory: it was moved or removed");
    return io_write_file(cosign->options.io, path, note, 0644);
}

static size_t count_lines(const struct cosign *cosign)
{
    size_t lines = 0;
    for (size_t i = 0; i < cosign->count; i++)
        lines += cosign->witness[i].line[0] != '\0';
    return lines;
}

static bool is_content(const struct cosign *cosign)
{
    struct pl_note_seen seen[PL_POLICY_WITNESSES_MAX] = {{0}};
    for (size_t i = 0; i < cosign->count; i++)
        seen[i].verified = cosign->witness[i].line[0] != '\0';
    return pl_policy_quorum(cosign->options.policy, seen);
}

static bool is_served(const struct cosign *cosign, size_t lines)
{
    return cosign->served != NULL &&
           cosign->served->checkpoint.size == cosign->target->checkpoint.size &&
           cosign->served_lines >= lines;
}

/* On the disk, then for everybody. Nobody may ever answer again: what cannot be kept now is tried
 * again by itself. */
static void keep_unkept(struct cosign *cosign)
{
    struct pl_clock *clock = cosign->options.clock;
    const struct signed_tree *tree = cosign->unkept;
    if (tree == NULL)
        return;
    struct pl_status status = keep(cosign, pl_slice(tree->note, tree->len));
    if (!pl_is_ok(status)) {
        if (!cosign->cannot_keep)
            pl_log_status(PL_LOG_ERROR, "cosign", "a cosigned checkpoint cannot be kept", status);
        cosign->cannot_keep = true;
        cosign->keep_due_ns = clock->mono_ns(clock) + WAIT_FIRST_MS * 1000000LL;
        return;
    }
    cosign->cannot_keep = false;
    signed_tree_unref(cosign->served);
    cosign->served = cosign->unkept;
    cosign->served_lines = cosign->unkept_lines;
    cosign->unkept = NULL;
    cosign->changed = true;
}

static void offer(struct cosign *cosign, struct signed_tree *tree, size_t lines)
{
    signed_tree_unref(cosign->unkept);
    cosign->unkept = tree;
    cosign->unkept_lines = lines;
    keep_unkept(cosign);
}

static void publish_target(struct cosign *cosign)
{
    size_t lines = count_lines(cosign);
    if (cosign->target == NULL || !is_content(cosign) || is_served(cosign, lines))
        return;
    struct pl_buf note PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&note, NOTE_BYTES);
    struct pl_status status = print_target(cosign, &note);
    if (pl_is_ok(status))
        offer(cosign,
              signed_tree_new(&cosign->target->checkpoint, pl_buf_slice(&note),
                              cosign->target->time_us),
              lines);
    else
        pl_log_status(PL_LOG_ERROR, "cosign", "a cosigned checkpoint is too large", status);
}

/* --- the target --- */

/* It may still cosign the target: it has not yet, and not what came after it either. */
static bool may_cosign(const struct cosign *cosign, const struct witness *witness)
{
    return witness->url != NULL && witness->line[0] == '\0' &&
           witness->last_size <= cosign->target->checkpoint.size;
}

static bool is_due(const struct cosign *cosign, const struct witness *witness)
{
    int64_t now_ns = cosign->options.clock->mono_ns(cosign->options.clock);
    return may_cosign(cosign, witness) && witness->asks == NULL && witness->due_ns <= now_ns;
}

/* Nobody can change anything about the target now. */
static bool is_over(const struct cosign *cosign)
{
    if (cosign->target == NULL || is_content(cosign))
        return true;
    for (size_t i = 0; i < cosign->count; i++) {
        if (cosign->witness[i].asks != NULL || is_due(cosign, &cosign->witness[i]))
            return false;
    }
    return true;
}

/* Not beyond one that is cosigned and only not on the disk yet. */
static void show_meanwhile(struct cosign *cosign)
{
    if (cosign->served != NULL || cosign->unkept != NULL)
        return;
    signed_tree_unref(cosign->meanwhile);
    cosign->meanwhile = signed_tree_ref(cosign->target);
    cosign->changed = true;
}

static void advance(struct cosign *cosign)
{
    if (cosign->newest == NULL || !is_over(cosign) ||
        (cosign->target != NULL &&
         cosign->target->checkpoint.size >= cosign->newest->checkpoint.size))
        return;
    signed_tree_unref(cosign->target);
    cosign->target = signed_tree_ref(cosign->newest);
    for (size_t i = 0; i < cosign->count; i++)
        cosign->witness[i].line[0] = '\0';
    show_meanwhile(cosign);
    publish_target(cosign); /* "quorum none" */
}

void cosign_take(struct cosign *cosign, struct signed_tree *tree)
{
    signed_tree_unref(cosign->newest);
    cosign->newest = tree;
    advance(cosign);
}

/* --- asking --- */

static struct pl_status print_ask(struct cosign *cosign, struct witness *witness,
                                  struct pl_buf *body)
{
    const struct signed_tree *target = cosign->target;
    struct pl_add_checkpoint request = {.old_size = witness->last_size,
                                        .checkpoint = pl_slice(target->note, target->len)};
    if (witness->last_size > 0)
        PL_TRY(pl_merkle_prove_consistency(cosign->options.read, cosign->options.read_arg,
                                           witness->last_size, target->checkpoint.size,
                                           &request.proof));
    return pl_add_checkpoint_print(&request, body);
}

static void fail(struct cosign *cosign, struct witness *witness, const char *why)
{
    int64_t wait_ms = witness->wait_ms == 0 ? WAIT_FIRST_MS : witness->wait_ms * 2;
    struct pl_clock *clock = cosign->options.clock;
    witness->told_size = false;
    witness->wait_ms = wait_ms < WAIT_MOST_MS ? wait_ms : WAIT_MOST_MS;
    witness->due_ns = clock->mono_ns(clock) + witness->wait_ms * 1000000;
    if (strcmp(witness->seen.trouble, why) == 0)
        return;
    (void)snprintf(witness->seen.trouble, sizeof(witness->seen.trouble), "%s", why);
    cosign->changed = true;
    pl_log_warning("cosign", "a witness does not cosign", "witness=%s why=%s",
                   PL_QUOTED(witness->seen.name), PL_QUOTED(why));
}

bool cosign_next(struct cosign *cosign, struct cosign_ask *ret)
{
    struct pl_clock *clock = cosign->options.clock;
    if (cosign->keep_due_ns <= clock->mono_ns(clock))
        keep_unkept(cosign);
    advance(cosign);
    for (size_t i = 0; cosign->target != NULL && i < cosign->count; i++) {
        struct witness *witness = &cosign->witness[i];
        if (!is_due(cosign, witness))
            continue;
        *ret = (struct cosign_ask){.witness = i, .url = witness->url};
        pl_buf_init(&ret->body, NOTE_BYTES);
        struct pl_status status = print_ask(cosign, witness, &ret->body);
        if (pl_is_ok(status)) {
            witness->asks = signed_tree_ref(cosign->target);
            witness->asked_old = witness->last_size;
            return true;
        }
        pl_buf_fini(&ret->body);
        pl_log_status(PL_LOG_ERROR, "cosign", "cannot ask a witness", status);
        fail(cosign, witness, "the proof for it cannot be made");
    }
    return false;
}

int64_t cosign_due_ns(const struct cosign *cosign)
{
    int64_t due_ns = cosign->unkept != NULL ? cosign->keep_due_ns : INT64_MAX;
    for (size_t i = 0; cosign->target != NULL && i < cosign->count; i++) {
        const struct witness *witness = &cosign->witness[i];
        if (may_cosign(cosign, witness) && witness->asks == NULL && witness->due_ns < due_ns)
            due_ns = witness->due_ns;
    }
    return due_ns;
}

/* --- answers --- */

static void succeed(struct cosign *cosign, struct witness *witness, const struct signed_tree *tree,
                    uint64_t time_s)
{
    if (witness->ahead)
        pl_log_warning("cosign",
                       "a witness that was said to have cosigned more than this ledger signed "
                       "cosigned what was signed here: the size was wrong, or came from somebody "
                       "else; ask for its address with https",
                       "witness=%s cosigned=%" PRIu64, PL_QUOTED(witness->seen.name),
                       tree->checkpoint.size);
    else if (witness->seen.trouble[0] != '\0')
        pl_log_info("cosign", "a witness cosigns again", "witness=%s",
                    PL_QUOTED(witness->seen.name));
    witness->ahead = false;
    witness->wait_ms = 0;
    witness->due_ns = 0;
    witness->told_size = false;
    witness->last_size = tree->checkpoint.size;
    witness->seen.size = tree->checkpoint.size;
    witness->seen.time_s = time_s;
    witness->seen.trouble[0] = '\0';
    cosign->changed = true;
}

/* The line of this witness among those of the note; false if there is none that is right. */
static bool find_line(struct cosign *cosign, size_t index, struct pl_slice *ret_line,
                      uint64_t *ret_time_s)
{
    const struct pl_note_key *key = &cosign->options.policy->witness[index];
    struct pl_note_seen seen;
    if (!pl_is_ok(pl_note_verify(&cosign->note, key, 1, &seen)))
        return false;
    for (size_t i = 0; i < cosign->note.count; i++) {
        const struct pl_note_signature *signature = &cosign->note.signature[i];
        if (signature->id == key->id && pl_slice_eq_str(signature->name, key->name) &&
            signature->line.len < LINE_BYTES) {
            *ret_line = signature->line;
            *ret_time_s = seen.time_s;
            return true;
        }
    }
    return false;
}

static void on_cosigned(struct cosign *cosign, size_t index, const struct signed_tree *tree,
                        struct pl_slice body)
{
    struct witness *witness = &cosign->witness[index];
    struct pl_slice line;
    uint64_t time_s = 0;
    const char *end = strstr(tree->note, "\n\n"); /* ours: no empty line within */
    PL_ASSERT(end != NULL);
    struct pl_slice text = pl_slice(tree->note, (size_t)(end - tree->note) + 1);
    if (!pl_is_ok(pl_note_parse_lines(body, text, &cosign->note)) ||
        !find_line(cosign, index, &line, &time_s)) {
        fail(cosign, witness, "it answered without a cosignature that is right");
        return;
    }
    succeed(cosign, witness, tree, time_s);
    if (cosign->target->checkpoint.size != tree->checkpoint.size)
        return; /* it was too slow for that one */
    memcpy(witness->line, line.data, line.len);
    witness->line[line.len] = '\0';
    publish_target(cosign);
}

/* "20852163\n" */
static bool parse_size(struct pl_slice body, uint64_t *ret)
{
    uint64_t size = 0;
    if (body.len < 2 || body.len > 20 || body.data[body.len - 1] != '\n')
        return false;
    for (size_t i = 0; i + 1 < body.len; i++) {
        if (body.data[i] < '0' || body.data[i] > '9' || (i == 1 && body.data[0] == '0'))
            return false;
        size = size * 10 + (body.data[i] - '0');
    }
    *ret = size;
    return size <= PL_MERKLE_SIZE_MAX;
}

/* A size is nobody's signature: on the way to a witness that is asked by http anybody can write it.
 * So it stops the signing, as a fork cannot be taken back, and is put to the test from the size
 * that its cosignatures prove, until it cosigns what is here: who has more never does. */
static void on_ahead(struct cosign *cosign, struct witness *witness, uint64_t size)
{
    if (!witness->ahead)
        pl_log_error(
            "cosign",
            "a witness cosigned more than this ledger signed: it was rolled back, and signs "
            "nothing unless that witness cosigns what was signed here; restore a newer backup, or, "
            "if the witness is wrong, take it out of the policy",
            "witness=%s cosigned=%" PRIu64 " signed=%" PRIu64, PL_QUOTED(witness->seen.name), size,
            cosign->newest->checkpoint.size);
    witness->ahead = true;
    witness->last_size = witness->seen.size;
    fail(cosign, witness, "it cosigned more than what was signed here");
}

/* It holds a history of ours that is not the one we have. */
static void on_other_history(struct cosign *cosign, struct witness *witness, const char *why)
{
    if (strcmp(witness->seen.trouble, why) != 0)
        pl_log_error("cosign", "a witness knows another history of this ledger",
                     "witness=%s at=%" PRIu64, PL_QUOTED(witness->seen.name), witness->last_size);
    fail(cosign, witness, why);
}

static void on_conflict(struct cosign *cosign, struct witness *witness,
                        const struct signed_tree *tree, const struct cosign_answer *answer)
{
    uint64_t size = 0;
    bool told = witness->told_size;
    witness->told_size = false;
    if (!answer->is_size || !parse_size(answer->body, &size)) {
        fail(cosign, witness, "it refused (409) without telling its size");
        return;
    }
    if (size > cosign->newest->checkpoint.size) {
        on_ahead(cosign, witness, size);
        return;
    }
    if (size == witness->asked_old && size == tree->checkpoint.size) {
        on_other_history(cosign, witness, "it cosigned another root of the same size");
        return;
    }
    witness->last_size = size;
    if (told || size == witness->asked_old) {
        fail(cosign, witness, "it told a size (409) and did not stand by it");
        return;
    }
    witness->told_size = true; /* asked again at once, or when there is more than it has */
    witness->due_ns = 0;
}

static void on_refusal(struct cosign *cosign, struct witness *witness, long status)
{
    char why[COSIGN_TROUBLE_BYTES];
    switch (status) {
    case 403:
        fail(cosign, witness, "it does not know the key of this ledger (403)");
        return;
    case 404:
        fail(cosign, witness, "it does not follow this ledger, or its address is wrong (404)");
        return;
    case 422:
        on_other_history(cosign, witness, "what it cosigned is no part of this ledger (422)");
        return;
    default:
        (void)snprintf(why, sizeof(why), "it answered with HTTP status %ld", status);
        fail(cosign, witness, why);
    }
}

void cosign_answer(struct cosign *cosign, size_t index, const struct cosign_answer *answer)
{
    PL_ASSERT(index < cosign->count && cosign->witness[index].asks != NULL);
    struct witness *witness = &cosign->witness[index];
    struct signed_tree *tree = witness->asks;
    witness->asks = NULL;
    if (answer->failed != NULL)
        fail(cosign, witness, answer->failed);
    else if (answer->status == 200)
        on_cosigned(cosign, index, tree, answer->body);
    else if (answer->status == 409)
        on_conflict(cosign, witness, tree, answer);
    else
        on_refusal(cosign, witness, answer->status);
    signed_tree_unref(tree);
    advance(cosign);
}

/* --- start, end --- */

static bool out_of_use_path(const char *path, char ret[PATH_BYTES])
{
    int len = snprintf(ret, PATH_BYTES, "%s.old", path);
    return len > 0 && len < PATH_BYTES;
}

/* Larger ones may be shown from now on, without cosignatures. Should the policy be content with
 * this one again one day, it must not come back: what is shown never gets smaller. It stays under
 * another name, for people. */
static struct pl_status put_aside(struct io *io, const char *data, const char *path)
{
    char old[PATH_BYTES];
    if (!out_of_use_path(path, old))
        return pl_fail(INVALID, "a path is too long");
    struct pl_status status = io->rename(io, path, old);
    if (status.code == PL_E_NOT_FOUND)
        return pl_ok();
    PL_TRY(status);
    pl_log_warning("cosign", "what was cosigned before is not shown any more; it is kept",
                   "file=%s", PL_QUOTED(old));
    return io->sync_dir(io, data);
}

struct pl_status cosign_put_aside(struct io *io, const char *data)
{
    char path[PATH_BYTES];
    if (!make_path(data, path))
        return pl_ok(); /* nothing was ever written there */
    return put_aside(io, data, path);
}

/* Is the text that was kept a checkpoint of this log as it is, with what the policy wants? */
static bool fits(struct cosign *cosign, struct pl_slice text, struct pl_checkpoint *ret,
                 struct pl_note_seen seen[PL_POLICY_WITNESSES_MAX])
{
    const struct pl_policy *policy = cosign->options.policy;
    struct pl_merkle_frontier frontier;
    struct pl_merkle_hash root;
    if (!pl_is_ok(pl_checkpoint_open(text, &cosign->log, 1, ret, &cosign->note)))
        return false;
    struct pl_status status =
        pl_note_verify(&cosign->note, policy->witness, policy->witness_count, seen);
    if ((!pl_is_ok(status) && status.code != PL_E_NOT_FOUND) || !pl_policy_quorum(policy, seen))
        return false;
    if (ret->size > cosign->options.size ||
        !pl_is_ok(pl_merkle_frontier_at(cosign->options.read, cosign->options.read_arg, ret->size,
                                        &frontier)))
        return false;
    pl_merkle_root(&frontier, &root);
    return pl_merkle_eq(&root, &ret->root);
}

/* Who was stopped on the way left it in memory only, where this start read it: it is on the disk
 * before anybody sees it. */
static struct pl_status take_up(struct cosign *cosign, struct pl_slice text,
                                const struct pl_checkpoint *checkpoint,
                                const struct pl_note_seen seen[PL_POLICY_WITNESSES_MAX])
{
    PL_TRY(keep(cosign, text));
    cosign->served = signed_tree_new(checkpoint, text, 0);
    for (size_t i = 0; i < cosign->count; i++) {
        struct witness *witness = &cosign->witness[i];
        if (!seen[i].verified)
            continue;
        witness->last_size = witness->seen.size = checkpoint->size;
        witness->seen.time_s = seen[i].time_s;
        cosign->served_lines++;
    }
    return pl_ok();
}

static struct pl_status recall(struct cosign *cosign)
{
    char path[PATH_BYTES];
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    struct pl_checkpoint checkpoint;
    struct pl_note_seen seen[PL_POLICY_WITNESSES_MAX] = {{0}};
    pl_buf_init(&text, NOTE_BYTES + 1);
    if (!make_path(cosign->options.data, path))
        return pl_ok();
    struct pl_status status = read_all(cosign->options.io, path, NOTE_BYTES, &text);
    if (status.code == PL_E_NOT_FOUND)
        return pl_ok();
    if (pl_is_ok(status) && fits(cosign, pl_buf_slice(&text), &checkpoint, seen))
        return take_up(cosign, pl_buf_slice(&text), &checkpoint, seen);
    if (!pl_is_ok(status) && status.code != PL_E_TOO_BIG)
        pl_log_status(PL_LOG_WARNING, "cosign",
                      "what was cosigned before cannot be read; it is gathered anew", status);
    else
        pl_log_warning("cosign", "what was cosigned before does not fit log and policy any more",
                       "file=%s", PL_QUOTED(path));
    return put_aside(cosign->options.io, cosign->options.data, path);
}

static struct pl_status set_up(struct cosign *cosign)
{
    const struct pl_policy *policy = cosign->options.policy;
    PL_TRY(pl_note_key_parse(pl_slice_str(cosign->options.vkey), &cosign->log));
    for (size_t i = 0; i < cosign->count; i++) {
        struct witness *witness = &cosign->witness[i];
        witness->url = policy->witness_url[i];
        witness->seen.name = policy->witness_name[i];
        PL_TRY(pl_note_key_print(&policy->witness[i], witness->seen.vkey));
        if (witness->url == NULL)
            (void)snprintf(witness->seen.trouble, sizeof(witness->seen.trouble),
                           "the policy has no address of it");
    }
    PL_TRY(recall(cosign));
    cosign->changed = true;
    return pl_ok();
}

struct pl_status cosign_new(const struct cosign_options *options, struct cosign **ret)
{
    struct cosign *cosign = calloc(1, sizeof(*cosign));
    PL_ASSERT(cosign != NULL);
    cosign->options = *options;
    cosign->count = options->policy->witness_count;
    cosign->witness = calloc(cosign->count, sizeof(*cosign->witness));
    PL_ASSERT(cosign->witness != NULL || cosign->count == 0);
    struct pl_status status = set_up(cosign);
    if (pl_is_ok(status))
        *ret = cosign;
    else
        cosign_free(cosign);
    return status;
}

void cosign_free(struct cosign *cosign)
{
    if (cosign == NULL)
        return;
    for (size_t i = 0; i < cosign->count; i++)
        signed_tree_unref(cosign->witness[i].asks);
    signed_tree_unref(cosign->newest);
    signed_tree_unref(cosign->target);
    signed_tree_unref(cosign->served);
    signed_tree_unref(cosign->meanwhile);
    signed_tree_unref(cosign->unkept);
    free(cosign->witness);
    free(cosign);
}
