/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every answer that C2SP tlog-witness has a status for; what was cosigned is on the disk with
 * the answer and outlives the process; a witness never goes back, and what it cannot keep it does
 * not cosign; two histories of one log leave evidence.
 */
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/witness.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/tlog.h"

#define ORIGIN "example.org/fund"

enum { LEAVES = 300 };

static char dir[64], witness_secret[PL_NOTE_KEY_MAX], witness_vkey[PL_NOTE_KEY_MAX];
static struct pl_note_key log_key, witness_public;
static struct pl_note_signer *log_signer, *other_signer;
static struct pl_clock_fake fake_clock;

/* --- a log: leaf i is (branch, i); branches part at leaf 100 --- */

struct branch {
    int number;
};

static struct pl_merkle_hash leaf_of(int branch, uint64_t index)
{
    struct pl_merkle_hash leaf;
    uint8_t entry[2] = {(uint8_t)(index >= 100 ? branch : 0), (uint8_t)index};
    pl_merkle_leaf(pl_slice(entry, sizeof(entry)), &leaf);
    return leaf;
}

static struct pl_status read_hashes(void *arg, unsigned level, uint64_t first, size_t count,
                                    struct pl_merkle_hash *ret)
{
    const struct branch *branch = arg;
    for (size_t i = 0; i < count; i++) {
        if (level == 0) {
            ret[i] = leaf_of(branch->number, first + i);
            continue;
        }
        struct pl_merkle_hash leaf[256];
        assert_int_equal(level, 1);
        for (uint64_t j = 0; j < 256; j++)
            leaf[j] = leaf_of(branch->number, (first + i) * 256 + j);
        pl_merkle_root_of(leaf, 256, &ret[i]);
    }
    return pl_ok();
}

static void print_checkpoint(const struct pl_note_signer *signer, const char *origin, int number,
                             uint64_t size, struct pl_buf *out)
{
    struct branch branch = {number};
    struct pl_merkle_frontier frontier;
    struct pl_checkpoint checkpoint = {.size = size};
    assert_true(pl_is_ok(pl_merkle_frontier_at(read_hashes, &branch, size, &frontier)));
    pl_merkle_root(&frontier, &checkpoint.root);
    (void)snprintf(checkpoint.origin, sizeof(checkpoint.origin), "%s", origin);
    size_t before = pl_buf_len(out);
    assert_true(pl_is_ok(pl_checkpoint_print(&checkpoint, out)));
    struct pl_buf text;
    pl_buf_init(&text, 4096);
    assert_true(
        pl_is_ok(pl_buf_append(&text, pl_buf_slice(out).data + before, pl_buf_len(out) - before)));
    assert_true(pl_is_ok(pl_buf_append_str(out, "\n")));
    assert_true(pl_is_ok(pl_note_sign(signer, pl_buf_slice(&text), out)));
    pl_buf_fini(&text);
}

/* A request; `twist` breaks the proof. */
struct ask {
    uint64_t old_size, size;
    int branch;
    bool twist;
    const char *origin;                  /* NULL: ours */
    const struct pl_note_signer *signer; /* NULL: the log's */
    const char *append;                  /* after the checkpoint; NULL: nothing */
};

static void print_ask(const struct ask *ask, struct pl_buf *out)
{
    struct branch branch = {ask->branch};
    struct pl_add_checkpoint request = {.old_size = ask->old_size};
    struct pl_buf checkpoint;
    pl_buf_init(&checkpoint, 1 << 16);
    print_checkpoint(ask->signer == NULL ? log_signer : ask->signer,
                     ask->origin == NULL ? ORIGIN : ask->origin, ask->branch, ask->size,
                     &checkpoint);
    if (ask->append != NULL)
        assert_true(pl_is_ok(pl_buf_append_str(&checkpoint, ask->append)));
    if (ask->old_size > 0 && ask->old_size <= ask->size)
        assert_true(pl_is_ok(pl_merkle_prove_consistency(read_hashes, &branch, ask->old_size,
                                                         ask->size, &request.proof)));
    if (ask->twist)
        request.proof.hash[0].bytes[0] ^= 1;
    request.checkpoint = pl_buf_slice(&checkpoint);
    assert_true(pl_is_ok(pl_add_checkpoint_print(&request, out)));
    pl_buf_fini(&checkpoint);
}

static unsigned answer_to(struct witness *witness, struct ask ask, struct witness_answer *ret)
{
    struct pl_buf request;
    pl_buf_init(&request, 1 << 16);
    print_ask(&ask, &request);
    witness_answer_init(ret);
    witness_add(witness, pl_buf_slice(&request), ret);
    pl_buf_fini(&request);
    return ret->status;
}

/* The status, and for 409 the size that it tells. */
static unsigned status_of(struct witness *witness, struct ask ask, const char *size)
{
    struct witness_answer answer;
    unsigned status = answer_to(witness, ask, &answer);
    if (status == 409)
        assert_string_equal(answer.type, "text/x.tlog.size");
    if (size != NULL)
        assert_true(pl_slice_eq_str(pl_buf_slice(&answer.body), size));
    if (status != 200) /* nothing of a cosignature leaks */
        assert_null(
            memmem(answer.body.data, answer.body.end, "\xE2\x80\x94", strlen("\xE2\x80\x94")));
    witness_answer_fini(&answer);
    return status;
}

static struct pl_status try_open(struct witness **ret)
{
    struct witness_options options = {.secret = witness_secret,
                                      .log = &log_key,
                                      .log_count = 1,
                                      .dir = dir,
                                      .clock = &fake_clock.clock};
    return witness_open(&options, ret);
}

static struct witness *open_witness(void)
{
    struct witness *witness = NULL;
    struct pl_status status = try_open(&witness);
    if (!pl_is_ok(status))
        fail_msg("%s", status.what);
    return witness;
}

static void state_path(const char *suffix, char path[256])
{
    uint8_t hash[PL_SHA256_BYTES];
    char hex[2 * PL_SHA256_BYTES + 1];
    pl_sha256(pl_slice_str(ORIGIN), hash);
    pl_hex(pl_slice(hash, sizeof(hash)), hex);
    (void)snprintf(path, 256, "%s/%s%s", dir, hex, suffix);
}

static size_t read_state(const char *suffix, char *into, size_t size)
{
    char path[256];
    state_path(suffix, path);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    size_t len = fread(into, 1, size - 1, file);
    into[len] = '\0';
    (void)fclose(file);
    return len;
}

/* --- cases --- */

static void cosigns_what_grows(void **state)
{
    (void)state;
    struct witness *witness = open_witness();
    struct witness_answer answer;
    static const uint64_t sizes[] = {1, 2, 7, 8, 100, 255, 256, 257, 300};
    uint64_t old = 0;
    for (size_t i = 0; i < PL_COUNT(sizes); i++) {
        struct ask ask = {.old_size = old, .size = sizes[i]};
        assert_int_equal(answer_to(witness, ask, &answer), 200);
        struct pl_buf checkpoint;
        struct pl_note_seen seen;
        static struct pl_note note;
        pl_buf_init(&checkpoint, 1 << 16);
        print_checkpoint(log_signer, ORIGIN, 0, sizes[i], &checkpoint);
        static struct pl_note whole;
        assert_true(pl_is_ok(pl_note_parse(pl_buf_slice(&checkpoint), &whole)));
        assert_true(pl_is_ok(pl_note_parse_lines(pl_buf_slice(&answer.body), whole.text, &note)));
        assert_int_equal(note.count, 1); /* its own line alone */
        assert_true(pl_is_ok(pl_note_verify(&note, &witness_public, 1, &seen)));
        assert_true(seen.verified);
        assert_int_equal(seen.time_s, 1700000000 + (int64_t)i);
        pl_clock_fake_advance_us(&fake_clock, 1000000);
        pl_buf_fini(&checkpoint);
        witness_answer_fini(&answer);
        old = sizes[i];
    }
    witness_close(witness);
}

static void every_refusal_has_its_status(void **state)
{
    (void)state;
    struct witness *witness = open_witness();
    /* unknown log; then a known one with a foreign key, and with a signature that is wrong */
    assert_int_equal(
        status_of(witness,
                  (struct ask){.size = 5, .origin = "example.org/other", .signer = other_signer},
                  NULL),
        404);
    assert_int_equal(status_of(witness, (struct ask){.size = 5, .signer = other_signer}, NULL),
                     403);
    char wrong[512];
    (void)snprintf(wrong, sizeof(wrong), "\xE2\x80\x94 " ORIGIN " ");
    uint8_t blob[68] = {(uint8_t)(log_key.id >> 24), (uint8_t)(log_key.id >> 16),
                        (uint8_t)(log_key.id >> 8), (uint8_t)log_key.id};
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t at = strlen(wrong);
    for (size_t i = 0; i < 66; i += 3) {
        uint32_t three = (uint32_t)blob[i] << 16 | (uint32_t)blob[i + 1] << 8 | blob[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            wrong[at++] = alphabet[three >> shift & 63];
    }
    (void)snprintf(wrong + at, sizeof(wrong) - at, "AAA=\n");
    assert_int_equal(status_of(witness, (struct ask){.size = 5, .append = wrong}, NULL), 403);
    /* old size: above the checkpoint, not what was cosigned */
    assert_int_equal(status_of(witness, (struct ask){.old_size = 6, .size = 5}, NULL), 400);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 3, .size = 5}, "0\n"), 409);
    assert_int_equal(status_of(witness, (struct ask){.size = 120}, NULL), 200);
    assert_int_equal(status_of(witness, (struct ask){.size = 130}, "120\n"), 409);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 119, .size = 130}, "120\n"), 409);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 5, .size = 110}, "120\n"), 409);
    /* proof: broken, of another branch */
    assert_int_equal(
        status_of(witness, (struct ask){.old_size = 120, .size = 130, .twist = true}, NULL), 422);
    assert_int_equal(
        status_of(witness, (struct ask){.old_size = 120, .size = 130, .branch = 1}, NULL), 422);
    /* after all of that, the honest next one */
    assert_int_equal(status_of(witness, (struct ask){.old_size = 120, .size = 130}, NULL), 200);
    witness_close(witness);
}

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    struct witness *witness = open_witness();
    static char large[WITNESS_REQUEST_MAX + 2];
    memset(large, 'a', sizeof(large) - 1);
    const char *const bad[] = {"",
                               "old",
                               "old 0",
                               "old 0\n",
                               "old 00\n\n",
                               "old -1\n\n",
                               "old 0\n\n",
                               "old 0\n\nx\n",
                               "old 0\n\n" ORIGIN "\n1\nAAAA\n\n",
                               "old 99999999999999999999\n\n"};
    struct witness_answer answer;
    for (size_t i = 0; i < PL_COUNT(bad); i++) {
        witness_answer_init(&answer);
        witness_add(witness, pl_slice_str(bad[i]), &answer);
        assert_int_equal(answer.status, 400);
        witness_answer_fini(&answer);
    }
    witness_answer_init(&answer);
    witness_add(witness, pl_slice_str(large), &answer);
    assert_int_equal(answer.status, 413);
    witness_answer_fini(&answer);
    /* every request cut short, or with one byte changed, is answered, and never by going on */
    struct pl_buf request;
    pl_buf_init(&request, 1 << 16);
    assert_int_equal(status_of(witness, (struct ask){.size = 100}, NULL), 200);
    print_ask(&(struct ask){.old_size = 100, .size = 257}, &request);
    struct pl_slice whole = pl_buf_slice(&request);
    for (size_t i = 0; i < whole.len; i++) {
        witness_answer_init(&answer);
        witness_add(witness, pl_slice(whole.data, i), &answer);
        assert_true(answer.status >= 400);
        witness_answer_fini(&answer);
        request.data[request.start + i] ^= 4;
        witness_answer_init(&answer);
        witness_add(witness, whole, &answer);
        assert_true(answer.status >= 400);
        witness_answer_fini(&answer);
        request.data[request.start + i] ^= 4;
    }
    pl_buf_fini(&request);
    witness_close(witness);
}

static void the_same_again_is_cosigned_anew(void **state)
{
    (void)state;
    struct witness *witness = open_witness();
    assert_int_equal(status_of(witness, (struct ask){.size = 50}, NULL), 200);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 50, .size = 50}, NULL), 200);
    /* proof lines with nothing to prove are wrong */
    struct pl_buf request;
    struct witness_answer answer;
    pl_buf_init(&request, 1 << 16);
    assert_true(pl_is_ok(
        pl_buf_append_str(&request, "old 50\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n")));
    print_checkpoint(log_signer, ORIGIN, 0, 50, &request);
    witness_answer_init(&answer);
    witness_add(witness, pl_buf_slice(&request), &answer);
    assert_int_equal(answer.status, 422);
    witness_answer_fini(&answer);
    pl_buf_fini(&request);
    witness_close(witness);
}

static void a_fork_is_refused_and_kept(void **state)
{
    (void)state;
    char kept[1 << 16], after[1 << 16];
    struct witness *witness = open_witness();
    assert_int_equal(status_of(witness, (struct ask){.size = 120}, NULL), 200);
    struct ask fork = {.old_size = 120, .size = 120, .branch = 1};
    struct witness_answer answer;
    assert_int_equal(answer_to(witness, fork, &answer), 409);
    assert_true(answer.fork);
    assert_true(pl_slice_eq_str(pl_buf_slice(&answer.body), "120\n"));
    witness_answer_fini(&answer);
    /* both are in the file, each signed by the log */
    assert_true(read_state(".fork", kept, sizeof(kept)) > 0);
    char *second = strstr(kept + 1, "\n" ORIGIN "\n");
    assert_non_null(second);
    struct pl_checkpoint a, b;
    assert_true(pl_is_ok(
        pl_checkpoint_open(pl_slice(kept, (size_t)(second - kept)), &log_key, 1, &a, NULL)));
    assert_true(pl_is_ok(pl_checkpoint_open(pl_slice_str(second + 1), &log_key, 1, &b, NULL)));
    assert_int_equal(a.size, b.size);
    assert_false(pl_merkle_eq(&a.root, &b.root));
    /* told even when it comes with another old size; the first pair stays */
    fork.branch = 2;
    fork.old_size = 0;
    assert_int_equal(status_of(witness, fork, "120\n"), 409);
    (void)read_state(".fork", after, sizeof(after));
    assert_string_equal(kept, after);
    /* the first history goes on, the other one never */
    fork = (struct ask){.old_size = 120, .size = 130, .branch = 1};
    assert_int_equal(status_of(witness, fork, NULL), 422);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 120, .size = 130}, NULL), 200);
    witness_close(witness);
}

static void it_outlives_the_process(void **state)
{
    (void)state;
    char text[1 << 16];
    struct witness *witness = open_witness();
    struct witness_answer answer;
    assert_int_equal(answer_to(witness, (struct ask){.size = 120}, &answer), 200);
    /* with the answer, not after it: the file holds the very cosignature */
    assert_true(read_state("", text, sizeof(text)) > 0);
    assert_non_null(
        memmem(text, strlen(text), answer.body.data + answer.body.start, pl_buf_len(&answer.body)));
    witness_answer_fini(&answer);
    /* a second process is kept out */
    struct witness *second = NULL;
    assert_int_equal(try_open(&second).code, PL_E_BUSY);
    witness_close(witness);
    witness = open_witness();
    assert_int_equal(status_of(witness, (struct ask){.size = 110}, "120\n"), 409);
    assert_int_equal(
        status_of(witness, (struct ask){.old_size = 120, .size = 120, .branch = 1}, "120\n"), 409);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 120, .size = 121}, NULL), 200);
    witness_close(witness);
}

static void what_it_cannot_keep_it_does_not_cosign(void **state)
{
    (void)state;
    char path[256];
    struct witness *witness = open_witness();
    assert_int_equal(status_of(witness, (struct ask){.size = 10}, NULL), 200);
    /* a directory stands where the new file has to be written */
    state_path(".part", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 10, .size = 20}, NULL), 500);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 20, .size = 21}, "10\n"), 409);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(status_of(witness, (struct ask){.old_size = 10, .size = 20}, NULL), 200);
    witness_close(witness);
}

static void damaged_state_stops_it(void **state)
{
    (void)state;
    char path[256], text[1 << 16];
    struct witness *witness = open_witness();
    assert_int_equal(status_of(witness, (struct ask){.size = 120}, NULL), 200);
    witness_close(witness);
    size_t len = read_state("", text, sizeof(text));
    size_t body = (size_t)(strstr(text, "\n\n") - text) + 1;
    size_t ours = (size_t)(strstr(text, "\n\xE2\x80\x94 audit.example.org/w1 ") - text);
    state_path("", path);
    for (size_t i = 0; i < len; i += 3) {
        text[i] ^= 1;
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, len, file), len);
        (void)fclose(file);
        text[i] ^= 1;
        struct pl_status status = try_open(&witness);
        if (pl_is_ok(status)) { /* a byte of the log's signature: what we signed still holds */
            assert_true(i > body && i < ours);
            assert_int_equal(status_of(witness, (struct ask){.size = 110}, "120\n"), 409);
            witness_close(witness);
        } else {
            assert_int_equal(status.code, PL_E_CORRUPT);
        }
    }
    FILE *file = fopen(path, "w"); /* empty */
    assert_non_null(file);
    (void)fclose(file);
    assert_int_equal(try_open(&witness).code, PL_E_CORRUPT);
    /* and one that cannot be read */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(try_open(&witness).code, PL_E_IO);
    assert_int_equal(rmdir(path), 0);
}

static void monitors_see_the_newest(void **state)
{
    (void)state;
    uint8_t hash[PL_SHA256_BYTES];
    char hex[2 * PL_SHA256_BYTES + 1];
    struct witness_answer answer;
    struct pl_checkpoint checkpoint;
    pl_sha256(pl_slice_str(ORIGIN), hash);
    pl_hex(pl_slice(hash, sizeof(hash)), hex);
    struct witness *witness = open_witness();
    witness_answer_init(&answer);
    witness_show(witness, pl_slice_str(hex), &answer);
    assert_int_equal(answer.status, 404);
    witness_answer_fini(&answer);
    /* lines that somebody added are not passed on */
    struct ask ask = {.size = 77, .append = "\xE2\x80\x94 somebody AAAAAAAA\n"};
    assert_int_equal(status_of(witness, ask, NULL), 200);
    witness_answer_init(&answer);
    witness_show(witness, pl_slice_str(hex), &answer);
    assert_int_equal(answer.status, 200);
    static struct pl_note note;
    assert_true(
        pl_is_ok(pl_checkpoint_open(pl_buf_slice(&answer.body), &log_key, 1, &checkpoint, &note)));
    assert_int_equal(checkpoint.size, 77);
    assert_int_equal(note.count, 2);
    assert_true(pl_is_ok(pl_note_verify(&note, &witness_public, 1, NULL)));
    witness_answer_fini(&answer);
    hex[0] = hex[0] == 'a' ? 'b' : 'a';
    witness_answer_init(&answer);
    witness_show(witness, pl_slice_str(hex), &answer);
    assert_int_equal(answer.status, 404);
    witness_answer_fini(&answer);
    witness_close(witness);
}

static void only_keys_of_their_kind(void **state)
{
    (void)state;
    struct witness *witness = NULL;
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
    assert_true(pl_is_ok(pl_note_keygen("example.org/x", secret, vkey)));
    struct witness_options options = {
        .secret = secret, .log = &log_key, .log_count = 1, .dir = dir, .clock = &fake_clock.clock};
    assert_int_equal(witness_open(&options, &witness).code, PL_E_INVALID);
    options.secret = witness_secret;
    options.log = &witness_public;
    assert_int_equal(witness_open(&options, &witness).code, PL_E_INVALID);
    options.log_count = 0;
    assert_int_equal(witness_open(&options, &witness).code, PL_E_INVALID);
}

/* --- around each case: a new directory --- */

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/witness-XXXXXX");
    pl_clock_fake_init(&fake_clock, 1700000000LL * 1000000);
    return mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    DIR *handle = opendir(dir);
    if (handle == NULL)
        return -1;
    for (const struct dirent *entry = readdir(handle); entry != NULL; entry = readdir(handle))
        (void)unlinkat(dirfd(handle), entry->d_name, 0);
    (void)closedir(handle);
    return rmdir(dir);
}

static int make_keys(void **state)
{
    (void)state;
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
    assert_true(pl_is_ok(pl_note_keygen(ORIGIN, secret, vkey)));
    assert_true(pl_is_ok(pl_note_key_parse(pl_slice_str(vkey), &log_key)));
    assert_true(pl_is_ok(pl_note_signer_new(secret, &log_signer)));
    assert_true(pl_is_ok(pl_note_keygen("example.org/other", secret, vkey)));
    assert_true(pl_is_ok(pl_note_signer_new(secret, &other_signer)));
    assert_true(pl_is_ok(pl_note_keygen_kind(PL_NOTE_COSIGNATURE, "audit.example.org/w1",
                                             witness_secret, witness_vkey)));
    assert_true(pl_is_ok(pl_note_key_parse(pl_slice_str(witness_vkey), &witness_public)));
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    pl_note_signer_free(log_signer);
    pl_note_signer_free(other_signer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cosigns_what_grows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_refusal_has_its_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_malformed_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_again_is_cosigned_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fork_is_refused_and_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_outlives_the_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_it_cannot_keep_it_does_not_cosign, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_state_stops_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(monitors_see_the_newest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_keys_of_their_kind, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
