/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: equal input gives equal bytes, texts break where they should, and a letter that cannot be
 * printed stops the document.
 */
#include <string.h>

#include "client/paper.h"
#include "common/check.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static const struct paper_about about = {
    .title = "T", .author = "A", .date = "2026-03-03", .landscape = false};

static struct paper *begin(void)
{
    struct failure failure = {0};
    struct paper *paper = NULL;
    assert_true(pl_is_ok(paper_new(&about, &failure, &paper)));
    return paper;
}

static struct pl_status draw(const char *text, struct failure *failure, struct pl_buf *out)
{
    struct paper *paper = begin();
    paper_text(paper, 20, 20, PAPER_BOLD, 12, text);
    paper_page(paper);
    paper_frame(paper, 10, 10, 50, 50, 1);
    struct pl_status status = paper_finish(paper, failure, out);
    paper_free(paper);
    return status;
}

static void test_equal_bytes(void **state)
{
    (void)state;
    struct failure failure = {0};
    struct pl_buf one PL_CLEANUP(pl_buf_fini), two PL_CLEANUP(pl_buf_fini),
        other PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&one, 1 << 20);
    pl_buf_init(&two, 1 << 20);
    pl_buf_init(&other, 1 << 20);
    assert_true(pl_is_ok(draw("Gen\u00e8ve \u202f1", &failure, &one)));
    assert_true(pl_is_ok(draw("Gen\u00e8ve \u202f1", &failure, &two)));
    assert_true(pl_is_ok(draw("Gen\u00e8ve 2", &failure, &other)));
    assert_true(pl_slice_eq(pl_buf_slice(&one), pl_buf_slice(&two)));
    assert_false(pl_slice_eq(pl_buf_slice(&one), pl_buf_slice(&other)));
    assert_memory_equal(pl_buf_slice(&one).data, "%PDF-", 5);
}

static void test_letters_that_are_not_there(void **state)
{
    (void)state;
    static const char *const texts[] = {"\u682a", "\U0001F600", "\xff"};
    for (size_t i = 0; i < PL_COUNT(texts); i++) {
        struct failure failure = {0};
        struct pl_buf out PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&out, 1 << 20);
        assert_int_equal(draw(texts[i], &failure, &out).code, PL_E_INVALID);
        assert_int_equal(pl_buf_len(&out), 0);
        assert_non_null(strstr(failure.message, "U+"));
    }
}

/* Lines that a text takes, from how far down the next one begins: 72 points are an inch. */
static int lines_of(struct paper *paper, double width, const char *text)
{
    return (int)(paper_block(paper, 10, 0, width, PAPER_REGULAR, 10, 72, 0, text) / 25.4 + 0.5);
}

static void test_lines(void **state)
{
    (void)state;
    struct paper *paper = begin();
    char text[4000];
    assert_int_equal(lines_of(paper, 50, ""), 0);
    assert_int_equal(lines_of(paper, 50, "one"), 1);
    assert_int_equal(lines_of(paper, 1, "one two  three"), 11);
    assert_true(paper_width(paper, PAPER_BOLD, 10, "wide") >
                paper_width(paper, PAPER_REGULAR, 10, "wide"));
    memset(text, 'm', sizeof(text) - 1); /* one word that never ends */
    text[sizeof(text) - 1] = '\0';
    assert_in_range(lines_of(paper, 100, text), 100, 200);
    double y = paper_block(paper, 10, 20, 100, PAPER_REGULAR, 10, 72, 2, text);
    assert_true(y > 20 + 2 * 25.3 && y < 20 + 2 * 25.5); /* two lines of an inch */
    paper_free(paper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_bytes),
        cmocka_unit_test(test_letters_that_are_not_there),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
