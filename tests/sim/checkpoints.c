/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoints: see checkpoints.h.
 */
#include "tests/sim/checkpoints.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/note.h"
#include "common/tlog.h"
#include "pledged/v1/service.pb-c.h"
#include "server/notary.h"
#include "server/store/io.h"
#include "tests/sim/disk.h"
#include "tests/sim/mirror.h"
#include "tests/sim/witnesses.h"

enum {
    HASH = PL_SHA256_BYTES,
    NOTE_MAX = 2048,
    ENTRY_MAX = 1 << 16,
    TREE_EVERY = 8,
    CACHED = 1 << 12,   /* entries */
    PENDING_MAX = 16,   /* claims */
    REQUEST_MAX = 8192, /* bytes */
};

static struct {
    struct model *model;
    char secret[PL_NOTE_KEY_MAX],
        vkey[PL_NOTE_KEY_MAX]; /* of the program; never the run's chance */
    struct pl_note_key key;
    uint64_t size; /* the largest that anybody saw a checkpoint of */
    uint64_t told; /* and since the last start */
    uint64_t seen, proofs;
    struct pl_checkpoint newest; /* that everybody was told */
    /* what left before its entries were known */
    struct pl_checkpoint pending[PENDING_MAX];
    size_t pendings;
    /* notes that are signed: the signature is looked at once */
    struct {
        char bytes[NOTE_MAX];
        size_t len;
    } fine[8];
    unsigned next_fine;
    /* hashes over whole subtrees, like a heap from 1 on; of this run if the number is its own */
    unsigned run, of_run[2 * CACHED];
    uint8_t hash[2 * CACHED][HASH];
} c;

void checkpoints_begin(struct model *model)
{
    struct pl_status status = pl_ok();
    if (c.secret[0] == '\0')
        status = pl_note_keygen("example.org/sim", c.secret, c.vkey);
    if (pl_is_ok(status))
        status = io_write_file(io_system(), CHECKPOINTS_KEY, pl_slice_str(c.secret), 0600);
    if (pl_is_ok(status))
        status = pl_note_key_parse(pl_slice_str(c.vkey), &c.key);
    PL_ASSERT(pl_is_ok(status));
    c.model = model;
    c.size = c.told = c.seen = c.proofs = 0;
    c.newest.size = 0;
    c.pendings = 0;
    c.run++;
}

const char *checkpoints_vkey(void)
{
    return c.vkey;
}

uint64_t checkpoints_seen(void)
{
    return c.seen;
}

/* --- the root, as RFC 6962 defines it, from the entries themselves --- */

static void root_of(uint64_t first, uint64_t count, uint8_t ret[HASH]);

static void make_root(uint64_t first, uint64_t count, uint8_t ret[HASH])
{
    static uint8_t bytes[ENTRY_MAX + 1];
    if (count == 1) {
        const struct model_entry *entry = &c.model->entry[first];
        PL_ASSERT(entry->len <= ENTRY_MAX);
        bytes[0] = 0;
        memcpy(bytes + 1, entry->bytes, entry->len);
        pl_sha256(pl_slice(bytes, entry->len + 1), ret);
        return;
    }
    uint64_t left = 1;
    while (left * 2 < count)
        left *= 2;
    uint8_t node[1 + 2 * HASH] = {1};
    root_of(first, left, node + 1);
    root_of(first + left, count - left, node + 1 + HASH);
    pl_sha256(pl_slice(node, sizeof(node)), ret);
}

/* Entries never change: a whole subtree is added up once a run. */
static void root_of(uint64_t first, uint64_t count, uint8_t ret[HASH])
{
    bool whole = (count & (count - 1)) == 0 && first % count == 0 && first + count <= CACHED;
    uint64_t at = whole ? (CACHED + first) / count : 0;
    if (whole && c.of_run[at] == c.run) {
        memcpy(ret, c.hash[at], HASH);
        return;
    }
    make_root(first, count, ret);
    if (!whole)
        return;
    c.of_run[at] = c.run;
    memcpy(c.hash[at], ret, HASH);
}

void checkpoints_root(uint64_t first, uint64_t count, uint8_t ret[HASH])
{
    root_of(first, count, ret);
}

uint64_t checkpoints_told(void)
{
    return c.told;
}

/* --- one checkpoint --- */

size_t checkpoints_durable_file(const char *path, char *ret, size_t room)
{
    struct io *io = io_system();
    uint64_t len = 0;
    int fd = -1;
    disk_look_at_durable(true);
    struct pl_status status = io->open(io, path, false, false, 0, &fd);
    if (pl_is_ok(status)) {
        status = io->size(io, fd, &len);
        if (pl_is_ok(status) && len < room)
            status = io->pread(io, fd, ret, (size_t)len, 0);
        io->close(io, fd);
    }
    disk_look_at_durable(false);
    return pl_is_ok(status) && len < room ? (size_t)len : 0;
}

/* Only the log's own signature. */
static bool is_signed(struct pl_slice note)
{
    struct pl_checkpoint ignored;
    for (size_t i = 0; i < PL_COUNT(c.fine); i++) {
        if (c.fine[i].len == note.len && memcmp(c.fine[i].bytes, note.data, note.len) == 0)
            return true;
    }
    if (note.len > NOTE_MAX || !pl_is_ok(pl_checkpoint_open(note, &c.key, 1, &ignored, NULL)))
        return false;
    memcpy(c.fine[c.next_fine].bytes, note.data, note.len);
    c.fine[c.next_fine].len = note.len;
    c.next_fine = (c.next_fine + 1) % PL_COUNT(c.fine);
    return true;
}

bool checkpoints_is_signed(struct pl_slice note)
{
    return is_signed(note);
}

/* The size that this file says was signed, as a power loss right now would leave it; 0: none. */
static uint64_t remembered(const char *path)
{
    char note[NOTE_MAX];
    static struct pl_note parsed;
    struct pl_checkpoint checkpoint;
    size_t len = checkpoints_durable_file(path, note, sizeof(note));
    return is_signed(pl_slice(note, len)) &&
                   pl_is_ok(pl_checkpoint_note(pl_slice(note, len), &parsed, &checkpoint))
               ? checkpoint.size
               : 0;
}

static bool is_kept(uint64_t size)
{
    static const char *const places[] = {CHECKPOINTS_KEY ".signed", "/d/checkpoint"};
    for (size_t i = 0; i < PL_COUNT(places); i++) {
        uint64_t kept = remembered(places[i]);
        if (kept < size)
            return model_wrong(c.model,
                               "a checkpoint over %" PRIu64 " entries is out, and %s says %" PRIu64,
                               size, places[i], kept);
    }
    return true;
}

static bool check(const struct pl_checkpoint *told, uint64_t durable)
{
    uint8_t root[HASH];
    if (told->size < c.size)
        return model_wrong(c.model, "a checkpoint over %" PRIu64 " entries after one over %" PRIu64,
                           told->size, c.size);
    c.size = told->size;
    if (durable == 0)
        return true;
    if (told->size > durable)
        return model_wrong(c.model, "%" PRIu64 " entries are signed, durable are %" PRIu64,
                           told->size, durable);
    root_of(0, told->size, root);
    if (memcmp(root, told->root.bytes, HASH) != 0)
        return model_wrong(c.model, "the checkpoint over %" PRIu64 " entries has another root",
                           told->size);
    return is_kept(told->size);
}

bool checkpoints_look(struct notary *notary, uint64_t durable)
{
    struct signed_tree *tree = pl_slot_take(notary_slot(notary, 0));
    if (tree == NULL)
        return true;
    struct pl_checkpoint told = tree->checkpoint;
    c.newest = told;
    bool exact = checkpoints_exact(pl_slice(tree->note, tree->len), told.size, durable, false);
    signed_tree_unref(tree);
    if (!exact)
        return false;
    c.seen++;
    bool first = c.told == 0;
    c.told = told.size;
    return check(&told, durable) && ((!first && c.seen % TREE_EVERY != 0) || durable == 0 ||
                                     mirror_tree(c.model, notary, told.size));
}

bool checkpoints_started(const struct notary *notary, uint64_t size, bool lied)
{
    bool read_only = notary_why_read_only(notary) != NULL;
    c.told = 0;
    c.newest.size = 0;
    if (c.size > size && !read_only)
        return model_wrong(
            c.model, "the log has %" PRIu64 " entries, %" PRIu64 " were signed, and it goes on",
            size, c.size);
    return !read_only || lied || c.size > size ||
           model_wrong(c.model, "it is read-only, and nothing is lost: %s",
                       notary_why_read_only(notary));
}

/* --- what the workers tell --- */

/* The text that is signed, and the one line that signs it. */
static bool is_exact(struct pl_slice note, uint64_t size, bool known, struct pl_slice *ret_rest)
{
    uint8_t root[HASH];
    char begin[200];
    const uint8_t *end = memmem(note.data, note.len, "\n\n", 2);
    const uint8_t *line = end == NULL ? NULL : end + 2;
    const uint8_t *behind =
        line == NULL ? NULL : memchr(line, '\n', (size_t)(note.data + note.len - line));
    if (behind == NULL)
        return false;
    *ret_rest = pl_slice(behind + 1, (size_t)(note.data + note.len - behind) - 1);
    int len = snprintf(begin, sizeof(begin), "%s\n%" PRIu64 "\n", "example.org/sim", size);
    if (known) {
        struct pl_buf text PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&text, sizeof(begin));
        root_of(0, size, root);
        struct pl_status status = pl_base64(&text, pl_slice(root, HASH), true);
        PL_ASSERT(pl_is_ok(status));
        len += snprintf(begin + len, sizeof(begin) - (size_t)len, "%.*s\n\n",
                        (int)pl_buf_len(&text), (const char *)pl_buf_slice(&text).data);
        if (begin + len - 2 != begin + (end - note.data))
            return false;
    }
    return note.len >= (size_t)len && memcmp(note.data, begin, (size_t)len) == 0 &&
           is_signed(pl_slice(note.data, (size_t)(behind + 1 - note.data)));
}

bool checkpoints_exact(struct pl_slice note, uint64_t size, uint64_t durable, bool cosigned)
{
    struct pl_slice rest;
    if (durable != 0 && (size > durable || size > c.model->entries))
        return model_wrong(c.model, "%" PRIu64 " entries are told as signed, durable are %" PRIu64,
                           size, durable);
    if (!is_exact(note, size, durable != 0, &rest))
        return model_wrong(
            c.model,
            "a checkpoint over %" PRIu64 " entries that is not signed, or has another root", size);
    return witnesses_lines(rest, size, cosigned);
}

/* A checkpoint in an answer. */
static bool opens(const char *note, uint64_t size, uint64_t durable, bool cosigned)
{
    return checkpoints_exact(pl_slice_str(note), size, durable, cosigned);
}

bool checkpoints_file(struct pl_slice note, uint64_t least, uint64_t durable)
{
    static struct pl_note parsed;
    struct pl_checkpoint told;
    if (!pl_is_ok(pl_checkpoint_note(note, &parsed, &told)) || told.size < least)
        return model_wrong(c.model, "a checkpoint as a file that is none, or of another size");
    return checkpoints_exact(note, told.size, durable, true);
}

struct hashes {
    uint8_t hash[128][HASH];
    size_t count;
};

static void add_root(struct hashes *hashes, uint64_t first, uint64_t count)
{
    PL_ASSERT(hashes->count < PL_COUNT(hashes->hash));
    root_of(first, count, hashes->hash[hashes->count++]);
}

static uint64_t left_of(uint64_t count)
{
    uint64_t left = 1;
    while (left * 2 < count)
        left *= 2;
    return left;
}

/* PATH(leaf, D[first, first + count]), RFC 6962, 2.1.1. */
static void path_of(uint64_t leaf, uint64_t first, uint64_t count, struct hashes *ret)
{
    if (count == 1)
        return;
    uint64_t left = left_of(count);
    if (leaf < left) {
        path_of(leaf, first, left, ret);
        add_root(ret, first + left, count - left);
    } else {
        path_of(leaf - left, first + left, count - left, ret);
        add_root(ret, first, left);
    }
}

/* SUBPROOF(old, D[first, first + count], whole), RFC 6962, 2.1.2. */
static void subproof_of(uint64_t old, uint64_t first, uint64_t count, bool whole,
                        struct hashes *ret)
{
    if (old == count) {
        if (!whole)
            add_root(ret, first, count);
        return;
    }
    uint64_t left = left_of(count);
    if (old <= left) {
        subproof_of(old, first, left, whole, ret);
        add_root(ret, first + left, count - left);
    } else {
        subproof_of(old - left, first + left, count - left, false, ret);
        add_root(ret, first, left);
    }
}

static bool hear_newest(struct pl_slice message, uint64_t durable)
{
    Pledged__V1__GetCheckpointResponse *told =
        pledged__v1__get_checkpoint_response__unpack(NULL, message.len, message.data);
    bool fine = told != NULL && opens(told->checkpoint, told->size, durable, true);
    pledged__v1__get_checkpoint_response__free_unpacked(told, NULL);
    return fine || c.model->error[0] != '\0' || model_wrong(c.model, "no checkpoint can be read");
}

static bool is_consistent(const Pledged__V1__GetConsistencyProofResponse *told, uint64_t old)
{
    static struct hashes want;
    want.count = 0;
    subproof_of(old, 0, told->size, true, &want);
    bool fine = told->old_size == old && told->n_hash == want.count;
    for (size_t i = 0; i < want.count && fine; i++)
        fine = told->hash[i].len == HASH && memcmp(told->hash[i].data, want.hash[i], HASH) == 0;
    return fine || model_wrong(c.model, "the proof from %" PRIu64 " to %" PRIu64 " is another one",
                               old, told->size);
}

static bool hear_consistency(uint64_t old, struct pl_slice message, uint64_t durable)
{
    Pledged__V1__GetConsistencyProofResponse *told =
        pledged__v1__get_consistency_proof_response__unpack(NULL, message.len, message.data);
    bool fine = told != NULL && opens(told->checkpoint, told->size, durable, false) &&
                (durable == 0 || is_consistent(told, old));
    pledged__v1__get_consistency_proof_response__free_unpacked(told, NULL);
    return fine || c.model->error[0] != '\0' || model_wrong(c.model, "no proof can be read");
}

/* --- what goes to witnesses --- */

uint64_t checkpoints_size(void)
{
    return c.size;
}

uint64_t checkpoints_newest(struct pl_merkle_hash *ret_root)
{
    *ret_root = c.newest.root;
    return c.newest.size;
}

/* What it says was known to nobody yet, and is now. */
static bool look_at_pending(void)
{
    for (size_t i = 0; i < c.pendings;) {
        uint8_t root[HASH];
        const struct pl_checkpoint *claim = &c.pending[i];
        if (claim->size > c.model->entries) {
            i++;
            continue;
        }
        root_of(0, claim->size, root);
        if (memcmp(root, claim->root.bytes, HASH) != 0)
            return model_wrong(c.model,
                               "a witness was asked to cosign another root of %" PRIu64 " entries",
                               claim->size);
        c.pending[i] = c.pending[--c.pendings];
    }
    return true;
}

/* The request for this, byte by byte. */
static bool is_request(struct pl_slice body, uint64_t old, uint64_t size, struct pl_slice note)
{
    static struct hashes proof;
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, REQUEST_MAX);
    proof.count = 0;
    if (old != 0)
        subproof_of(old, 0, size, true, &proof);
    struct pl_status status = pl_buf_printf(&text, "old %" PRIu64 "\n", old);
    for (size_t i = 0; i < proof.count && pl_is_ok(status); i++) {
        status = pl_base64(&text, pl_slice(proof.hash[i], HASH), true);
        if (pl_is_ok(status))
            status = pl_buf_append_str(&text, "\n");
    }
    if (pl_is_ok(status))
        status = pl_buf_append_str(&text, "\n");
    if (pl_is_ok(status))
        status = pl_buf_append(&text, note.data, note.len);
    PL_ASSERT(pl_is_ok(status));
    return pl_slice_eq(body, pl_buf_slice(&text));
}

bool checkpoints_sent(struct pl_slice body, uint64_t durable)
{
    static struct pl_note parsed;
    struct pl_add_checkpoint ask;
    struct pl_checkpoint told;
    if (!pl_is_ok(pl_add_checkpoint_parse(body, &ask)) ||
        !pl_is_ok(pl_checkpoint_note(ask.checkpoint, &parsed, &told)) || ask.old_size > told.size ||
        !is_signed(ask.checkpoint))
        return model_wrong(c.model, "what a witness is asked is no request");
    c.size = told.size > c.size ? told.size : c.size;
    if (durable == 0)
        return true;
    if (told.size > durable)
        return model_wrong(c.model,
                           "a witness is asked to cosign %" PRIu64 " entries, durable are %" PRIu64,
                           told.size, durable);
    if (told.size > c.model->entries) { /* the process was killed before anybody read them */
        PL_ASSERT(c.pendings < PENDING_MAX);
        c.pending[c.pendings++] = told;
        return is_kept(told.size);
    }
    return is_kept(told.size) && look_at_pending() &&
           ((checkpoints_exact(ask.checkpoint, told.size, durable, false) &&
             is_request(body, ask.old_size, told.size, ask.checkpoint)) ||
            c.model->error[0] != '\0' ||
            model_wrong(c.model,
                        "a witness is asked from %" PRIu64 " to %" PRIu64 " with another proof",
                        ask.old_size, told.size));
}

/* The hashes as the text of a proof has them: base64, a line each, behind the index. */
static bool has_path(const char *proof, const char *end, uint64_t leaf, uint64_t size)
{
    static struct hashes want;
    char line[80];
    want.count = 0;
    path_of(leaf, 0, size, &want);
    int len = snprintf(line, sizeof(line), "\nindex %" PRIu64 "\n", leaf);
    const char *at = memmem(proof, (size_t)(end - proof), line, (size_t)len);
    if (at == NULL)
        return false;
    at += len;
    for (size_t i = 0; i < want.count; i++) {
        struct pl_buf text PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&text, sizeof(line));
        struct pl_status status = pl_base64(&text, pl_slice(want.hash[i], HASH), true);
        PL_ASSERT(pl_is_ok(status));
        size_t width = pl_buf_len(&text);
        if ((size_t)(end - at) < width + 1 || memcmp(at, pl_buf_slice(&text).data, width) != 0 ||
            at[width] != '\n')
            return false;
        at += width + 1;
    }
    return at == end;
}

/* The entry itself is for those alone who may see entries, and for all of them. */
static bool shows(const Pledged__V1__GetInclusionProofResponse *told, uint64_t seq,
                  struct checkpoints_sight sight)
{
    const struct model_entry *entry = &c.model->entry[seq - 1];
    if (told->entry.len == 0)
        return sight.may_be_none;
    return sight.may_be && told->entry.len == entry->len &&
           memcmp(told->entry.data, entry->bytes, entry->len) == 0;
}

static bool is_included(const Pledged__V1__GetInclusionProofResponse *told, uint64_t seq,
                        struct checkpoints_sight sight, uint64_t durable)
{
    const char *end = strstr(told->tlog_proof, "\n\n");
    if (end == NULL || !opens(end + 2, told->size, durable, true))
        return false;
    if (durable == 0)
        return true;
    return seq <= told->size && told->leaf_index == seq - 1 && shows(told, seq, sight) &&
           has_path(told->tlog_proof, end + 1, seq - 1, told->size);
}

static bool hear_inclusion(uint64_t seq, struct checkpoints_sight sight, struct pl_slice message,
                           uint64_t durable)
{
    Pledged__V1__GetInclusionProofResponse *told =
        pledged__v1__get_inclusion_proof_response__unpack(NULL, message.len, message.data);
    bool fine = told != NULL && is_included(told, seq, sight, durable);
    pledged__v1__get_inclusion_proof_response__free_unpacked(told, NULL);
    return fine || c.model->error[0] != '\0' ||
           model_wrong(c.model, "the proof of entry %" PRIu64 " is another one", seq);
}

bool checkpoints_hear(enum checkpoints_question question, uint64_t about,
                      struct checkpoints_sight sight, struct pl_slice message, uint64_t durable)
{
    bool fine = question == CHECKPOINTS_NEWEST      ? hear_newest(message, durable)
                : question == CHECKPOINTS_INCLUSION ? hear_inclusion(about, sight, message, durable)
                                                    : hear_consistency(about, message, durable);
    c.proofs += fine ? 1 : 0;
    return fine;
}

uint64_t checkpoints_proofs(void)
{
    return c.proofs;
}
