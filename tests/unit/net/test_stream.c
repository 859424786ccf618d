/* SPDX-License-Identifier: Apache-2.0
 *
 * stream: every function reaches the carrier with what it was given; a queue keeps its order.
 */
#include <string.h>

#include "server/net/stream.h"
#include "unit.h"

struct carrier {
    struct stream stream; /* first */
    const char *last;
    size_t head_count, tail_count;
    struct stream_chunk *body;
};

static void on_answer(struct stream *stream, const struct stream_field *head, size_t head_count,
                      struct stream_chunk *body, const struct stream_field *tail, size_t tail_count)
{
    struct carrier *carrier = (struct carrier *)stream;
    assert_true(pl_slice_eq_str(head[0].value, "200"));
    assert_true(pl_slice_eq_str(tail[0].name, "grpc-status"));
    carrier->last = "answer";
    carrier->head_count = head_count;
    carrier->tail_count = tail_count;
    carrier->body = body;
}

static void on_begin(struct stream *stream, const struct stream_field *head, size_t head_count)
{
    struct carrier *carrier = (struct carrier *)stream;
    (void)head;
    carrier->last = "begin";
    carrier->head_count = head_count;
}

static void on_push(struct stream *stream, struct stream_chunk *body)
{
    struct carrier *carrier = (struct carrier *)stream;
    carrier->last = "push";
    carrier->body = body;
}

static void on_end(struct stream *stream, const struct stream_field *tail, size_t tail_count)
{
    struct carrier *carrier = (struct carrier *)stream;
    (void)tail;
    carrier->last = "end";
    carrier->tail_count = tail_count;
}

static bool begun(const struct stream *stream)
{
    return strcmp(((const struct carrier *)stream)->last, "begin") == 0;
}

static bool has_room(struct stream *stream)
{
    return ((struct carrier *)stream)->body == NULL;
}

static void on_forget(struct stream *stream)
{
    ((struct carrier *)stream)->last = "forget";
}

static const struct stream_ops ops = {
    .answer = on_answer,
    .begin = on_begin,
    .push = on_push,
    .end = on_end,
    .begun = begun,
    .has_room = has_room,
    .forget = on_forget,
};

static void test_functions_reach_the_carrier(void **state)
{
    struct carrier carrier = {.stream = {&ops}, .last = ""};
    struct stream *stream = &carrier.stream;
    const struct stream_field head = STREAM_FIELD(":status", "200");
    const struct stream_field tail = STREAM_FIELD("grpc-status", "0");
    struct stream_chunk *chunk = stream_chunk_new(3);
    (void)state;
    assert_int_equal(chunk->len, 3);
    assert_int_equal(chunk->sent, 0);
    assert_null(chunk->next);
    stream_answer(stream, &head, 1, chunk, &tail, 1);
    assert_string_equal(carrier.last, "answer");
    assert_int_equal(carrier.head_count + carrier.tail_count, 2);
    assert_ptr_equal(carrier.body, chunk);
    assert_false(stream_has_room(stream));
    assert_false(stream_answer_begun(stream));
    stream_answer_begin(stream, &head, 1);
    assert_true(stream_answer_begun(stream));
    carrier.body = NULL;
    assert_true(stream_has_room(stream));
    stream_answer_push(stream, chunk);
    assert_ptr_equal(carrier.body, chunk);
    stream_answer_end(stream, &tail, 1);
    assert_string_equal(carrier.last, "end");
    stream_forget(stream);
    assert_string_equal(carrier.last, "forget");
    stream_chunk_free(chunk);
}

/* In order, in pieces of any size; and one that was dropped or emptied takes more. */
static void test_a_queue(void **state)
{
    (void)state;
    struct stream_queue queue = {0};
    uint8_t out[8] = "";
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 2; i++) {
            struct stream_chunk *chunk = stream_chunk_new(3);
            memcpy(chunk->data, i == 0 ? "abc" : "def", 3);
            stream_queue_push(&queue, chunk);
        }
        assert_int_equal(stream_queue_take(&queue, out, 2), 2);
        assert_int_equal(stream_queue_take(&queue, out + 2, round == 0 ? 3 : 6),
                         round == 0 ? 3 : 4);
        assert_memory_equal(out, "abcdef", round == 0 ? 5 : 6);
        stream_queue_drop(&queue); /* of the first round, with a rest */
        assert_null(queue.first);
        assert_int_equal(stream_queue_take(&queue, out, sizeof(out)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_queue),
                                       cmocka_unit_test(test_functions_reach_the_carrier)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
