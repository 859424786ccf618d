/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tiles: every file of the log's tree over a real connection, the bytes and the headers; what
 * lies beyond the newest checkpoint, or is no tile, is not there.
 */
#include "server/tiles.h"
#include "signed_fixture.h"

enum { ENTRIES = 700 };

struct world {
    struct office office;
    struct fixture fx;
    struct client *client;
    struct pl_merkle_hash leaf[ENTRIES];
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct fixture_wish wish = {.methods = proofs_methods,
                                      .method_count = proofs_method_count,
                                      .resources = tiles_resources,
                                      .resource_count = tiles_resource_count};
    office_open(&w->office, ENTRIES, &w->fx, &wish);
    w->client = client_new(&w->fx, w->fx.auditor);
    for (uint64_t seq = 1; seq <= ENTRIES; seq++)
        signed_leaf(seq, &w->leaf[seq - 1]);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    office_close(&w->office, &w->fx, w->client);
    free(w);
    return 0;
}

static struct exchange *get(struct world *w, const char *path)
{
    const struct request r = {.method = "GET", .path = path};
    struct exchange *e = client_send(w->client, &r);
    PUMP_UNTIL(&w->fx, w->client, e->closed || w->client->ended);
    return e;
}

static struct pl_slice tile(struct world *w, const char *path)
{
    struct exchange *e = get(w, path);
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "application/octet-stream");
    assert_non_null(strstr(field_of(e, "cache-control"), "immutable"));
    return pl_buf_slice(&e->body);
}

static void test_hashes(void **state)
{
    struct world *w = *state;
    struct pl_merkle_hash above[2];
    sign_all(&w->office);
    assert_true(pl_slice_eq(tile(w, "/tile/0/000"), pl_slice(w->leaf, 8192)));
    assert_true(pl_slice_eq(tile(w, "/tile/0/001"), pl_slice(w->leaf + 256, 8192)));
    assert_true(pl_slice_eq(tile(w, "/tile/0/002.p/188"), pl_slice(w->leaf + 512, 188 * 32)));
    assert_true(pl_slice_eq(tile(w, "/tile/0/002.p/1"), pl_slice(w->leaf + 512, 32)));
    assert_true(pl_slice_eq(tile(w, "/tile/0/000.p/255"), pl_slice(w->leaf, 255 * 32)));
    pl_merkle_root_of(w->leaf, 256, &above[0]);
    pl_merkle_root_of(w->leaf + 256, 256, &above[1]);
    assert_true(pl_slice_eq(tile(w, "/tile/1/000.p/2"), pl_slice(above, 64)));
    assert_true(pl_slice_eq(tile(w, "/tile/1/000.p/1"), pl_slice(above, 32)));
}

static void assert_bundle(struct world *w, const char *path, uint64_t first, size_t count)
{
    struct pl_slice bundle = tile(w, path), entry;
    size_t cursor = 0;
    bool damaged = false;
    for (uint64_t seq = first; seq < first + count; seq++) {
        uint8_t want[512];
        size_t len = signed_entry(seq, want);
        assert_true(pl_bundle_next(bundle, &cursor, &entry, &damaged));
        assert_true(pl_slice_eq(entry, pl_slice(want, len)));
    }
    assert_false(pl_bundle_next(bundle, &cursor, &entry, &damaged));
    assert_false(damaged);
}

static void test_entries(void **state)
{
    struct world *w = *state;
    sign_all(&w->office);
    assert_bundle(w, "/tile/entries/000", 1, 256);
    assert_bundle(w, "/tile/entries/001", 257, 256);
    assert_bundle(w, "/tile/entries/002.p/188", 513, 188);
    assert_bundle(w, "/tile/entries/002.p/3", 513, 3);
}

static void test_checkpoint(void **state)
{
    struct world *w = *state;
    assert_string_equal(field_of(get(w, "/checkpoint"), ":status"), "404");
    sign_all(&w->office);
    struct exchange *e = get(w, "/checkpoint");
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "text/plain; charset=utf-8");
    struct pl_note_key key = office_key(&w->office);
    struct pl_checkpoint checkpoint;
    struct pl_merkle_hash root;
    assert_true(pl_is_ok(pl_checkpoint_open(pl_buf_slice(&e->body), &key, 1, &checkpoint, NULL)));
    pl_merkle_root_of(w->leaf, ENTRIES, &root);
    assert_int_equal(checkpoint.size, ENTRIES);
    assert_true(pl_merkle_eq(&checkpoint.root, &root));
}

static void test_what_is_not_there(void **state)
{
    static const char *const paths[] = {"/tile/0/002",
                                        "/tile/0/002.p/189",
                                        "/tile/0/003.p/1",
                                        "/tile/1/000",
                                        "/tile/1/000.p/3",
                                        "/tile/2/000.p/1",
                                        "/tile/6/000.p/1",
                                        "/tile/7/000.p/1",
                                        "/tile/63/000.p/1",
                                        "/tile/64/000.p/1",
                                        "/tile/0/000.p/0",
                                        "/tile/0/000.p/256",
                                        "/tile/00/000",
                                        "/tile/0/0",
                                        "/tile/0/x000/000",
                                        "/tile/0/000/",
                                        "/tile/entries/002",
                                        "/tile/entries/003.p/1",
                                        "/tile/data/000",
                                        "/tile/entries/x001/000",
                                        "/tile/0/../0/000",
                                        "/tile/",
                                        "/tile//000",
                                        "/checkpoint/",
                                        "/tile/0/x004/x611/x686/x018/x427/x387/904"};
    struct world *w = *state;
    assert_string_equal(field_of(get(w, "/tile/0/000"), ":status"), "404"); /* before the first */
    sign_all(&w->office);
    for (size_t i = 0; i < PL_COUNT(paths); i++) {
        struct exchange *e = get(w, paths[i]);
        if (strcmp(field_of(e, ":status"), "404") != 0)
            fail_msg("%s: %s", paths[i], field_of(e, ":status"));
    }
}

static void test_who_may(void **state)
{
    struct world *w = *state;
    sign_all(&w->office);
    client_free(w->client);
    w->client = client_new(&w->fx, w->fx.clerk);
    assert_string_equal(field_of(get(w, "/checkpoint"), ":status"), "200");
    assert_string_equal(field_of(get(w, "/tile/0/000"), ":status"), "403");
    assert_string_equal(field_of(get(w, "/tile/entries/000"), ":status"), "403");
    for (size_t i = 0; i < tiles_resource_count; i++)
        assert_int_equal(tiles_resources[i].roles & NET_ROLE(PUBLIC), 0);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_hashes),  CASE(test_entries), CASE(test_checkpoint), CASE(test_what_is_not_there),
        CASE(test_who_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
