/* SPDX-License-Identifier: Apache-2.0
 *
 * witness: see witness.h. A request: form (400), origin (404), signature (403), sizes (400, 409),
 * roots (409), proof (422), disk (500), and only then a cosignature.
 */
#include "client/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/output.h"
#include "client/text.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/tlog.h"

enum { PATH_BYTES = 4096, HEX_BYTES = 2 * PL_SHA256_BYTES + 1 };

/* One log; several keys with the same name are one log. */
struct followed {
    const char *origin; /* name of a key */
    char hex[HEX_BYTES];
    struct pl_checkpoint last; /* size 0: nothing cosigned yet */
    struct pl_buf note;        /* owns; the cosigned checkpoint, empty if there is none */
};

struct witness {
    struct pl_note_signer *signer; /* owns */
    struct pl_note_key log[WITNESS_LOGS_MAX];
    size_t log_count;
    struct followed followed[WITNESS_LOGS_MAX];
    size_t followed_count;
    char dir[PATH_BYTES];
    int dir_fd, lock_fd;
    struct pl_clock *clock;
    struct pl_note note; /* of the request at hand: too large for a stack */
};

/* --- answers --- */

void witness_answer_init(struct witness_answer *answer)
{
    *answer = (struct witness_answer){.status = 500, .type = "text/plain; charset=utf-8"};
    pl_buf_init(&answer->body, WITNESS_ANSWER_MAX);
}

void witness_answer_fini(struct witness_answer *answer)
{
    pl_buf_fini(&answer->body);
}

/* A status with words for people. Without memory there are no words; the status still holds. */
static void refuse(struct witness_answer *answer, unsigned status, const char *said)
{
    answer->status = status;
    answer->said = said;
    pl_buf_clear(&answer->body);
    if (!pl_is_ok(pl_buf_printf(&answer->body, "%s\n", said)))
        pl_buf_clear(&answer->body);
}

static void refuse_size(struct witness_answer *answer, uint64_t size, const char *said)
{
    answer->status = 409;
    answer->type = "text/x.tlog.size";
    answer->said = said;
    pl_buf_clear(&answer->body);
    if (!pl_is_ok(pl_buf_printf(&answer->body, "%" PRIu64 "\n", size)))
        refuse(answer, 500, "out of memory");
}

/* --- the state on the disk --- */

static struct pl_status write_file(struct witness *witness, const char *name, struct pl_slice bytes)
{
    char path[PATH_BYTES];
    int len = snprintf(path, sizeof(path), "%s/%s", witness->dir, name);
    if (len < 0 || (size_t)len >= sizeof(path))
        return pl_fail(IO, N_("the path is too long"));
    PL_TRY(output_file(path, bytes));
    if (fsync(witness->dir_fd) != 0)
        return pl_fail_errno(IO, N_("keep a file of the witness"));
    return pl_ok();
}

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

/* NOT_FOUND if there is none. */
static struct pl_status read_file(struct witness *witness, const char *name, struct pl_buf *out)
{
    int fd PL_CLEANUP(close_fd) = openat(witness->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return pl_fail(NOT_FOUND, "read a file of the witness");
    if (fd < 0)
        return pl_fail_errno(IO, N_("read a file of the witness"));
    struct pl_status status = pl_buf_read(out, fd, WITNESS_NOTE_MAX - 1);
    if (status.code == PL_E_IO)
        status.what = N_("read a file of the witness");
    PL_TRY(status);
    return pl_buf_len(out) < WITNESS_NOTE_MAX
               ? pl_ok()
               : pl_fail(CORRUPT, N_("a state file of the witness is damaged"));
}

/* What was cosigned before. It has to carry our own cosignature: anything else is not a memory. */
static struct pl_status recall(struct witness *witness, struct followed *followed)
{
    struct pl_status status = read_file(witness, followed->hex, &followed->note);
    if (status.code == PL_E_NOT_FOUND)
        return pl_ok();
    PL_TRY(status);
    const struct pl_note_key *key = pl_note_signer_key(witness->signer);
    if (!pl_is_ok(
            pl_checkpoint_note(pl_buf_slice(&followed->note), &witness->note, &followed->last)) ||
        !pl_is_ok(pl_note_verify(&witness->note, key, 1, NULL)) ||
        strcmp(followed->last.origin, followed->origin) != 0)
        return pl_fail(CORRUPT, N_("a state file of the witness is damaged, or of another one"));
    return pl_ok();
}

/* --- checks --- */

static struct followed *find_log(struct witness *witness, const char *origin)
{
    for (size_t i = 0; i < witness->followed_count; i++) {
        if (strcmp(witness->followed[i].origin, origin) == 0)
            return &witness->followed[i];
    }
    return NULL;
}

static bool is_log_key(const struct witness *witness, const char *origin, struct pl_slice name,
                       uint32_t id)
{
    for (size_t i = 0; i < witness->log_count; i++) {
        const struct pl_note_key *key = &witness->log[i];
        if (strcmp(key->name, origin) == 0 && pl_slice_eq_str(name, key->name) && key->id == id)
            return true;
    }
    return false;
}

/* The log's own signatures are right, and there is one. */
static bool is_signed(const struct witness *witness, const char *origin)
{
    struct pl_note_seen seen[WITNESS_LOGS_MAX];
    if (!pl_is_ok(pl_note_verify(&witness->note, witness->log, witness->log_count, seen)))
        return false;
    for (size_t i = 0; i < witness->log_count; i++) {
        if (seen[i].verified && strcmp(witness->log[i].name, origin) == 0)
            return true;
    }
    return false;
}

static bool same_root(const struct pl_checkpoint *a, const struct pl_checkpoint *b)
{
    return pl_merkle_eq(&a->root, &b->root);
}

/* The checkpoint with nothing but the signatures of its log: whoever sent it may have added
 * others. */
static struct pl_status print_signed(struct witness *witness, const char *origin,
                                     struct pl_buf *out)
{
    const struct pl_note *note = &witness->note;
    PL_TRY(pl_buf_append(out, note->text.data, note->text.len));
    PL_TRY(pl_buf_append_str(out, "\n"));
    for (size_t i = 0; i < note->count; i++) {
        const struct pl_note_signature *signature = &note->signature[i];
        if (is_log_key(witness, origin, signature->name, signature->id))
            PL_TRY(pl_buf_append(out, signature->line.data, signature->line.len));
    }
    return pl_ok();
}

/* Both histories, one behind the other. The first such pair says it all; it is never replaced. */
static struct pl_status keep_fork(struct witness *witness, const struct followed *followed)
{
    char name[HEX_BYTES + 8];
    struct pl_buf both PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&both, (size_t)3 * WITNESS_NOTE_MAX);
    (void)snprintf(name, sizeof(name), "%s.fork", followed->hex);
    if (faccessat(witness->dir_fd, name, F_OK, 0) == 0)
        return pl_ok();
    struct pl_slice ours = pl_buf_slice(&followed->note);
    PL_TRY(pl_buf_append(&both, ours.data, ours.len));
    PL_TRY(pl_buf_append_str(&both, "\n"));
    PL_TRY(print_signed(witness, followed->origin, &both));
    return write_file(witness, name, pl_buf_slice(&both));
}

static void refuse_fork(struct witness *witness, const struct followed *followed,
                        struct witness_answer *ret)
{
    struct pl_status status = keep_fork(witness, followed);
    ret->fork = true;
    refuse_size(ret, followed->last.size,
                pl_is_ok(status) ? "another root of the same size was cosigned"
                                 : "another root of the same size was cosigned (not kept)");
}

/* --- add-checkpoint --- */

/* From memory into a file, then into the answer. */
static struct pl_status cosign(struct witness *witness, struct followed *followed,
                               const struct pl_checkpoint *next, struct pl_buf *out)
{
    struct pl_buf note;
    pl_buf_init(&note, WITNESS_NOTE_MAX - 1);
    int64_t now_us = witness->clock->wall_us(witness->clock);
    uint64_t now_s = now_us < 0 ? 0 : (uint64_t)now_us / 1000000;
    struct pl_status status = print_signed(witness, followed->origin, &note);
    if (pl_is_ok(status))
        status = pl_note_cosign(witness->signer, now_s, witness->note.text, out);
    if (pl_is_ok(status))
        status = pl_buf_append(&note, pl_buf_slice(out).data, pl_buf_len(out));
    if (pl_is_ok(status))
        status = write_file(witness, followed->hex, pl_buf_slice(&note));
    if (!pl_is_ok(status)) {
        pl_buf_fini(&note);
        return status;
    }
    pl_buf_fini(&followed->note);
    followed->note = note;
    followed->last = *next;
    return pl_ok();
}

/* Everything between a well-formed, signed checkpoint and its cosignature. */
static void extend(struct witness *witness, struct followed *followed,
                   const struct pl_add_checkpoint *request, const struct pl_checkpoint *next,
                   struct witness_answer *ret)
{
    struct pl_checkpoint *last = &followed->last;
    if (request->old_size > next->size) {
        refuse(ret, 400, "the old size is larger than the checkpoint");
        return;
    }
    /* told whatever old size comes with it: both are signed by the log */
    if (next->size == last->size && !same_root(next, last)) {
        refuse_fork(witness, followed, ret);
        return;
    }
    if (request->old_size != last->size) {
        refuse_size(ret, last->size, "another size was cosigned");
        return;
    }
    if (!pl_is_ok(pl_merkle_check_consistency(last->size, next->size, &last->root, &next->root,
                                              &request->proof))) {
        refuse(ret, 422, "the proof does not show that the log only grew");
        return;
    }
    struct pl_status status = cosign(witness, followed, next, &ret->body);
    if (!pl_is_ok(status)) {
        refuse(ret, 500, "the witness cannot keep its state");
        return;
    }
    ret->status = 200;
    ret->said = "cosigned";
}

void witness_add(struct witness *witness, struct pl_slice bytes, struct witness_answer *ret)
{
    struct pl_add_checkpoint request;
    struct pl_checkpoint next;
    if (bytes.len > WITNESS_REQUEST_MAX) {
        refuse(ret, 413, "the request is too large");
        return;
    }
    if (!pl_is_ok(pl_add_checkpoint_parse(bytes, &request)) ||
        !pl_is_ok(pl_checkpoint_note(request.checkpoint, &witness->note, &next))) {
        refuse(ret, 400, "this is not a request to add a checkpoint");
        return;
    }
    struct followed *followed = find_log(witness, next.origin);
    if (followed == NULL) {
        refuse(ret, 404, "this log is not followed here");
        return;
    }
    ret->origin = followed->origin;
    ret->size = next.size;
    if (!is_signed(witness, next.origin)) {
        refuse(ret, 403, "no known key of the log signed this");
        return;
    }
    extend(witness, followed, &request, &next, ret);
}

void witness_show(struct witness *witness, struct pl_slice hex, struct witness_answer *ret)
{
    for (size_t i = 0; i < witness->followed_count; i++) {
        const struct followed *followed = &witness->followed[i];
        struct pl_slice note = pl_buf_slice(&followed->note);
        if (!pl_slice_eq_str(hex, followed->hex) || note.len == 0)
            continue;
        ret->origin = followed->origin;
        ret->size = followed->last.size;
        pl_buf_clear(&ret->body);
        if (!pl_is_ok(pl_buf_append(&ret->body, note.data, note.len)))
            return;
        ret->status = 200;
        ret->said = "shown";
        return;
    }
    refuse(ret, 404, "there is nothing here");
}

/* --- open, close --- */

static struct pl_status follow(struct witness *witness, const char *origin)
{
    uint8_t hash[PL_SHA256_BYTES];
    const struct pl_merkle_frontier nothing = {0};
    if (find_log(witness, origin) != NULL)
        return pl_ok();
    struct followed *followed = &witness->followed[witness->followed_count++];
    followed->origin = origin;
    pl_sha256(pl_slice_str(origin), hash);
    pl_hex(pl_slice(hash, sizeof(hash)), followed->hex);
    pl_merkle_root(&nothing, &followed->last.root);
    pl_buf_init(&followed->note, WITNESS_NOTE_MAX);
    return recall(witness, followed);
}

static struct pl_status take_logs(struct witness *witness, const struct witness_options *options)
{
    if (options->log_count == 0 || options->log_count > WITNESS_LOGS_MAX)
        return pl_fail(INVALID, N_("one log is needed, or up to 32"));
    for (size_t i = 0; i < options->log_count; i++) {
        if (options->log[i].kind != PL_NOTE_ED25519)
            return pl_fail(INVALID, N_("a log's key is not that of a log"));
        witness->log[witness->log_count++] = options->log[i];
    }
    for (size_t i = 0; i < witness->log_count; i++)
        PL_TRY(follow(witness, witness->log[i].name));
    return pl_ok();
}

static struct pl_status open_dir(struct witness *witness, const char *dir)
{
    int len = snprintf(witness->dir, sizeof(witness->dir), "%s", dir);
    if (len < 0 || (size_t)len >= sizeof(witness->dir))
        return pl_fail(IO, N_("the path is too long"));
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return pl_fail_errno(IO, N_("make the directory of the witness"));
    witness->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (witness->dir_fd < 0)
        return pl_fail_errno(IO, N_("open the directory of the witness"));
    witness->lock_fd = openat(witness->dir_fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (witness->lock_fd < 0)
        return pl_fail_errno(IO, N_("open the directory of the witness"));
    return flock(witness->lock_fd, LOCK_EX | LOCK_NB) == 0
               ? pl_ok()
               : pl_fail(BUSY, N_("another witness uses this directory"));
}

static struct pl_status set_up(struct witness *witness, const struct witness_options *options)
{
    if (!pl_is_ok(pl_note_signer_new(options->secret, &witness->signer)) ||
        pl_note_signer_key(witness->signer)->kind != PL_NOTE_COSIGNATURE)
        return pl_fail(INVALID, N_("this is not the secret key of a witness"));
    PL_TRY(open_dir(witness, options->dir));
    return take_logs(witness, options);
}

struct pl_status witness_open(const struct witness_options *options, struct witness **ret)
{
    struct witness *witness = calloc(1, sizeof(*witness));
    PL_ASSERT(witness != NULL);
    witness->dir_fd = witness->lock_fd = -1;
    witness->clock = options->clock;
    struct pl_status status = set_up(witness, options);
    if (pl_is_ok(status))
        *ret = witness;
    else
        witness_close(witness);
    return status;
}

void witness_close(struct witness *witness)
{
    if (witness == NULL)
        return;
    for (size_t i = 0; i < witness->followed_count; i++)
        pl_buf_fini(&witness->followed[i].note);
    pl_note_signer_free(witness->signer);
    close_fd(&witness->lock_fd);
    close_fd(&witness->dir_fd);
    free(witness);
}

const struct pl_note_key *witness_key(const struct witness *witness)
{
    return pl_note_signer_key(witness->signer);
}
