/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what is drawn is what the description says, computed here another way; every entry has the
 * chance that it should have.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/sample.h"

enum { MOST = 500 };
static int64_t amount[MOST + 1];

static void draw(struct sample *sample, const char *seed, size_t size, bool monetary, size_t count)
{
    sample_init(sample, seed, size, monetary);
    for (uint64_t seq = 1; seq <= count; seq++)
        sample_count(sample, amount[seq]);
    for (uint64_t seq = 1; seq <= count; seq++)
        sample_offer(sample, seq, amount[seq], pl_slice(&seq, sizeof(seq)));
    sample_finish(sample);
    for (size_t i = 0; i < sample->count; i++) {
        assert_int_equal(sample->item[i].len, sizeof(uint64_t));
        assert_memory_equal(sample->item[i].bytes, &sample->item[i].seq, sizeof(uint64_t));
        assert_true(i == 0 || sample->item[i - 1].seq < sample->item[i].seq);
    }
}

static void rank_of(const char *seed, uint64_t seq, uint8_t out[32])
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%s\n%llu", seed, (unsigned long long)seq);
    pl_sha256(pl_slice(text, (size_t)len), out);
}

static void test_random_draws_the_lowest_ranks(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 25, 499, 500, 1000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sample sample;
        bool drawn[MOST + 1] = {false};
        uint8_t highest[32] = {0}, rank[32];
        draw(&sample, "dice", sizes[i], false, MOST);
        assert_int_equal(sample.count, sizes[i] < MOST ? sizes[i] : MOST);
        for (size_t at = 0; at < sample.count; at++) {
            rank_of("dice", sample.item[at].seq, rank);
            drawn[sample.item[at].seq] = true;
            if (memcmp(rank, highest, 32) > 0)
                memcpy(highest, rank, 32);
        }
        for (uint64_t seq = 1; seq <= MOST; seq++) {
            rank_of("dice", seq, rank);
            if (!drawn[seq])
                assert_true(memcmp(rank, highest, 32) > 0);
        }
        sample_fini(&sample);
    }
}

static void test_seeds_differ(void **state)
{
    (void)state;
    struct sample one, other;
    size_t same = 0;
    draw(&one, "a", 50, false, MOST);
    draw(&other, "b", 50, false, MOST);
    for (size_t i = 0; i < 50; i++) {
        for (size_t j = 0; j < 50; j++)
            same += one.item[i].seq == other.item[j].seq;
    }
    assert_true(same < 25);
    sample_fini(&one);
    sample_fini(&other);
}

/* Unit by unit, as somebody with a calculator would. */
static void test_monetary_draws_every_interval(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 3, 10, 77, 400};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct sample sample;
        uint64_t total = 0, hits[MOST + 1] = {0}, unit = 0, seen = 0;
        for (uint64_t seq = 1; seq <= 60; seq++)
            total += (uint64_t)amount[seq];
        draw(&sample, "dice", sizes[i], true, 60);
        assert_int_equal(sample.interval, total / sizes[i]);
        assert_true(sample.start < sample.interval);
        for (uint64_t seq = 1; seq <= 60; seq++) {
            for (int64_t at = 0; at < amount[seq]; at++, unit++)
                hits[seq] += unit >= sample.start && (unit - sample.start) % sample.interval == 0;
        }
        for (size_t at = 0; at < sample.count; at++) {
            assert_int_equal(sample.item[at].hits, hits[sample.item[at].seq]);
            hits[sample.item[at].seq] = 0;
            seen += sample.item[at].hits;
        }
        for (uint64_t seq = 1; seq <= 60; seq++)
            assert_int_equal(hits[seq], 0);
        assert_true(seen >= sizes[i]);
        sample_fini(&sample);
    }
}

/* One unit an entry: the first drawn unit stands right behind an entry for most seeds. */
static void test_monetary_at_the_edges_of_entries(void **state)
{
    (void)state;
    for (int seed = 0; seed < 40; seed++) {
        struct sample sample;
        char text[16];
        uint64_t drawn = 0;
        (void)snprintf(text, sizeof(text), "%d", seed);
        sample_init(&sample, text, 10, true);
        for (int i = 0; i < 100; i++)
            sample_count(&sample, 1);
        for (uint64_t seq = 1; seq <= 100; seq++)
            sample_offer(&sample, seq, 1, pl_slice(&seq, sizeof(seq)));
        sample_finish(&sample);
        assert_int_equal(sample.interval, 10);
        assert_int_equal(sample.count, 10);
        for (size_t i = 0; i < sample.count; i++) {
            assert_int_equal(sample.item[i].seq, sample.start + 1 + 10 * i);
            drawn += sample.item[i].hits;
        }
        assert_int_equal(drawn, 10);
        sample_fini(&sample);
    }
}

static void test_nothing_to_draw_from(void **state)
{
    (void)state;
    struct sample sample;
    draw(&sample, "dice", 5, false, 0);
    assert_int_equal(sample.count, 0);
    sample_fini(&sample);
    draw(&sample, "dice", 5, true, 0);
    assert_int_equal(sample.count, 0);
    sample_fini(&sample);
}

static void test_large_amounts(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, "x", 2, true);
    for (int i = 0; i < 4; i++)
        sample_count(&sample, INT64_MAX);
    for (uint64_t seq = 1; seq <= 4; seq++)
        sample_offer(&sample, seq, INT64_MAX, pl_slice(&seq, sizeof(seq)));
    sample_finish(&sample);
    assert_int_equal(sample.count, 2);
    assert_int_equal(sample.item[1].seq - sample.item[0].seq, 2);
    sample_fini(&sample);
}

static int set_up(void **state)
{
    (void)state;
    for (int i = 1; i <= MOST; i++)
        amount[i] = i % 7 == 0 ? 0 : (i * 7919) % 997 + (i % 13 == 0 ? 9000 : 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_draws_the_lowest_ranks),
        cmocka_unit_test(test_seeds_differ),
        cmocka_unit_test(test_monetary_draws_every_interval),
        cmocka_unit_test(test_monetary_at_the_edges_of_entries),
        cmocka_unit_test(test_nothing_to_draw_from),
        cmocka_unit_test(test_large_amounts),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
