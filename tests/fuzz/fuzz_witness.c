/* SPDX-License-Identifier: Apache-2.0
 *
 * witness: what witnesses answer when they are asked for cosignatures, and in which order. What is
 * published has its quorum by a check of its own, is what is on the disk, is never more than was
 * signed and never goes back; nothing of it comes from bytes that no witness signed; a word of a
 * size beyond ours is what stops the signing, nothing else does, and the cosignature of who is said
 * to have said it ends that.
 *
 * Steps of {what, one byte}: sign a larger tree, let time pass, ask and answer with a true
 * cosignature, or answer with a status and the bytes that follow (one byte of length).
 */
#include <inttypes.h>

#include "common/log.h"
#include "fuzz.h"
#include "server/cosign.h"

#define ORIGIN "example.org/fund"

enum { WITNESSES = 3, SIZE_MOST = 200, STEPS_MAX = 200 };

struct run {
    struct cosign *cosign;
    uint64_t size, served; /* newest that was signed; newest that was published */
    bool asked[WITNESSES]; /* an answer is awaited */
    uint64_t asked_size[WITNESSES];
    uint64_t signed_size[WITNESSES]; /* newest that it cosigned in truth */
    bool beyond[WITNESSES]; /* it spoke of more than was signed, and cosigned nothing since */
};

static struct pl_note_key log_key;
static struct pl_note_signer *log_signer, *signer[WITNESSES];
static char log_vkey[PL_NOTE_KEY_MAX];
static struct cosign_policy *policy;
static struct pl_clock_fake fake;

static struct pl_status read_hashes(void *arg, unsigned level, uint64_t first, size_t count,
                                    struct pl_merkle_hash *ret)
{
    (void)arg;
    FUZZ_HOLDS(level == 0); /* logs here have less than 256 entries */
    for (size_t i = 0; i < count; i++) {
        uint8_t entry = (uint8_t)(first + i);
        pl_merkle_leaf(pl_slice(&entry, 1), &ret[i]);
    }
    return pl_ok();
}

/* Keys and policy once: they are chance, and what is checked does not depend on them. */
static void set_up(void)
{
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX], name[32], path[FUZZ_PATH_BYTES];
    char text[2000], message[400];
    size_t len = 0;
    /* what the daemon would say goes to a socket where nobody listens */
    (void)snprintf(path, sizeof(path), "%s/nobody", fuzz_dir());
    pl_log_journal(path);
    pl_log_setup(PL_LOG_ERROR, PL_LOG_JOURNAL);
    PL_ASSERT(pl_is_ok(pl_note_keygen(ORIGIN, secret, log_vkey)));
    PL_ASSERT(pl_is_ok(pl_note_key_parse(pl_slice_str(log_vkey), &log_key)));
    PL_ASSERT(pl_is_ok(pl_note_signer_new(secret, &log_signer)));
    for (int i = 0; i < WITNESSES; i++) {
        (void)snprintf(name, sizeof(name), "w%d.example", i);
        PL_ASSERT(pl_is_ok(pl_note_keygen_kind(PL_NOTE_COSIGNATURE, name, secret, vkey)));
        PL_ASSERT(pl_is_ok(pl_note_signer_new(secret, &signer[i])));
        len += (size_t)snprintf(text + len, sizeof(text) - len, "witness W%d %s https://w%d.x/\n",
                                i, vkey, i);
    }
    len += (size_t)snprintf(text + len, sizeof(text) - len, "group g 2 W0 W1 W2\nquorum g\n");
    fuzz_file("policy", pl_slice(text, len), path);
    PL_ASSERT(pl_is_ok(cosign_policy_load(path, log_vkey, message, &policy)));
}

/* Each once: most of the time would go into signatures. */
static struct signed_tree *sign(uint64_t size)
{
    static struct signed_tree *made[SIZE_MOST + 1];
    if (made[size] != NULL)
        return signed_tree_ref(made[size]);
    struct pl_merkle_frontier frontier;
    struct pl_buf note, text;
    struct pl_checkpoint checkpoint = {.size = size, .origin = ORIGIN};
    PL_ASSERT(pl_is_ok(pl_merkle_frontier_at(read_hashes, NULL, size, &frontier)));
    pl_merkle_root(&frontier, &checkpoint.root);
    pl_buf_init(&note, 8192);
    pl_buf_init(&text, 8192);
    PL_ASSERT(pl_is_ok(pl_checkpoint_print(&checkpoint, &text)));
    PL_ASSERT(pl_is_ok(pl_buf_append(&note, pl_buf_slice(&text).data, pl_buf_len(&text))));
    PL_ASSERT(pl_is_ok(pl_buf_append_str(&note, "\n")));
    PL_ASSERT(pl_is_ok(pl_note_sign(log_signer, pl_buf_slice(&text), &note)));
    made[size] = signed_tree_new(&checkpoint, pl_buf_slice(&note), 0);
    pl_buf_fini(&note);
    pl_buf_fini(&text);
    return signed_tree_ref(made[size]);
}

/* --- what must hold after each step --- */

static void look_at_published(struct run *run)
{
    struct cosign_report *report = cosign_news(run->cosign);
    if (report == NULL)
        return;
    FUZZ_HOLDS(report->count == WITNESSES);
    for (size_t i = 0; i < WITNESSES; i++)
        FUZZ_HOLDS(report->witness[i].size <= run->signed_size[i]);
    if (report->tree != NULL) {
        struct pl_checkpoint checkpoint;
        struct pl_slice note = pl_slice(report->tree->note, report->tree->len);
        static struct pl_note opened; /* too large for a stack that is watched */
        struct pl_note_seen seen[PL_POLICY_WITNESSES_MAX] = {{.verified = false}};
        FUZZ_HOLDS(pl_is_ok(pl_checkpoint_open(note, &log_key, 1, &checkpoint, &opened)));
        enum pl_code code =
            pl_note_verify(&opened, policy->policy.witness, policy->policy.witness_count, seen)
                .code;
        FUZZ_HOLDS(code == PL_E_OK || code == PL_E_NOT_FOUND); /* no signature is wrong */
        FUZZ_HOLDS(pl_policy_quorum(&policy->policy, seen));
        FUZZ_HOLDS(checkpoint.size <= run->size && checkpoint.size >= run->served);
        run->served = checkpoint.size;
        char path[FUZZ_PATH_BYTES], kept[16384];
        (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned", fuzz_dir());
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        PL_ASSERT(fd >= 0);
        ssize_t got = read(fd, kept, sizeof(kept));
        (void)close(fd);
        FUZZ_HOLDS(got >= 0 && pl_slice_eq(pl_slice(kept, (size_t)got), note));
    }
    cosign_report_unref(report);
}

static void ask(struct run *run)
{
    struct cosign_ask ask;
    struct pl_add_checkpoint request;
    struct pl_checkpoint checkpoint;
    for (int i = 0; i <= WITNESSES && cosign_next(run->cosign, &ask); i++) {
        FUZZ_HOLDS(ask.witness < WITNESSES && !run->asked[ask.witness]);
        FUZZ_HOLDS(pl_is_ok(pl_add_checkpoint_parse(pl_buf_slice(&ask.body), &request)));
        FUZZ_HOLDS(
            pl_is_ok(pl_checkpoint_open(request.checkpoint, &log_key, 1, &checkpoint, NULL)));
        FUZZ_HOLDS(checkpoint.size <= run->size && request.old_size <= checkpoint.size);
        run->asked[ask.witness] = true;
        run->asked_size[ask.witness] = checkpoint.size;
        pl_buf_fini(&ask.body);
    }
}

/* --- answers --- */

static void cosign_truly(struct run *run, size_t index)
{
    struct pl_buf line;
    struct signed_tree *tree = sign(run->asked_size[index]);
    const char *end = strstr(tree->note, "\n\n");
    PL_ASSERT(end != NULL);
    pl_buf_init(&line, 4096);
    PL_ASSERT(
        pl_is_ok(pl_note_cosign(signer[index], 1700000000 + tree->checkpoint.size,
                                pl_slice(tree->note, (size_t)(end - tree->note) + 1), &line)));
    const struct cosign_answer told = {.status = 200, .body = pl_buf_slice(&line)};
    if (tree->checkpoint.size > run->signed_size[index])
        run->signed_size[index] = tree->checkpoint.size;
    run->beyond[index] = false;
    cosign_answer(run->cosign, index, &told);
    pl_buf_fini(&line);
    signed_tree_unref(tree);
}

/* Slow and obvious: a decimal number without zeros in front, and a newline. What no log can reach
 * is no size. */
static bool speaks_of_more(const struct run *run, struct pl_slice body)
{
    unsigned __int128 size = 0;
    if (body.len < 2 || body.len > 21 || body.data[body.len - 1] != '\n' ||
        (body.data[0] == '0' && body.len > 2))
        return false;
    for (size_t i = 0; i + 1 < body.len; i++) {
        if (body.data[i] < '0' || body.data[i] > '9')
            return false;
        size = size * 10 + (unsigned)(body.data[i] - '0');
    }
    return size > run->size && size <= PL_MERKLE_SIZE_MAX;
}

static void answer(struct run *run, size_t index, unsigned form, struct pl_slice body)
{
    static const long statuses[] = {200, 409, 409, 403, 404, 422, 500, 302};
    struct cosign_answer told = {.status = statuses[form % PL_COUNT(statuses)],
                                 .is_size = form % PL_COUNT(statuses) == 1,
                                 .body = body};
    if (form / PL_COUNT(statuses) % 4 == 3)
        told.failed = "it hung up";
    if (told.failed == NULL && told.is_size && speaks_of_more(run, body))
        run->beyond[index] = true;
    cosign_answer(run->cosign, index, &told);
}

static size_t step(struct run *run, const uint8_t *data, size_t len)
{
    unsigned what = data[0], value = data[1];
    size_t used = 2, index = what / 4 % WITNESSES;
    if (what % 4 == 0) {
        if (run->size + value % 16 + 1 <= SIZE_MOST)
            cosign_take(run->cosign, sign(run->size += value % 16 + 1));
    } else if (what % 4 == 1) {
        pl_clock_fake_advance_us(&fake, (int64_t)value * 500000);
    } else if (run->asked[index]) {
        run->asked[index] = false;
        if (what % 4 == 2) {
            cosign_truly(run, index);
        } else {
            size_t room = len - used, want = room > 0 ? data[used] : 0;
            used += room > 0;
            room = len - used;
            want = want < room ? want : room;
            char *body = fuzz_text(pl_slice(data + used, want));
            answer(run, index, value, pl_slice(body, want));
            free(body);
            used += want;
        }
    }
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct run run = {.size = 0};
    char path[FUZZ_PATH_BYTES];
    if (policy == NULL)
        set_up();
    (void)snprintf(path, sizeof(path), "%s/checkpoint.cosigned", fuzz_dir());
    (void)unlink(path);
    pl_clock_fake_init(&fake, 1700000000LL * 1000000);
    const struct cosign_options options = {.policy = &policy->policy,
                                           .io = io_system(),
                                           .clock = &fake.clock,
                                           .data = fuzz_dir(),
                                           .vkey = log_vkey,
                                           .size = 255,
                                           .read = read_hashes};
    PL_ASSERT(pl_is_ok(cosign_new(&options, &run.cosign)));
    for (size_t at = 0, steps = 0; at + 2 <= len && steps < STEPS_MAX; steps++) {
        at += step(&run, data + at, len - at);
        ask(&run);
        look_at_published(&run);
        FUZZ_HOLDS(cosign_rolled_back(run.cosign) ==
                   (run.beyond[0] || run.beyond[1] || run.beyond[2]));
    }
    cosign_free(run.cosign);
    return 0;
}
