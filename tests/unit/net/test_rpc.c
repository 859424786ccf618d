/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc: the rows of the wire's table, seen from a client that talks raw HTTP/2.
 */
#include "fixture.h"

static int setup(void **state)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    fixture_init(fx, NULL);
    *state = fx;
    return 0;
}

static int teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

static void test_grpc_unary_is_answered(void **state)
{
    struct fixture *fx = *state;
    struct client *client = client_new(fx, fx->clerk);
    const uint8_t message[] = {0x0a, 0x02, 'i', 'd'}; /* request_id */
    uint8_t body[64];
    struct exchange *e = client_call(
        client, &(struct request){.path = EXECUTE,
                                  .type = "application/grpc",
                                  .body = body,
                                  .body_len = grpc_frame(body, message, sizeof(message))});
    assert_string_equal(field_of(e, ":status"), "200");
    assert_string_equal(field_of(e, "content-type"), "application/grpc");
    assert_string_equal(field_of(e, "grpc-status"), "0");
    assert_false(e->trailers_only);
    assert_int_equal(e->close_code, 0);
    assert_true(body_len(e) > 5);
    Pledged__V1__Receipt *receipt =
        pledged__v1__receipt__unpack(NULL, body_len(e) - 5, pl_buf_slice(&e->body).data + 5);
    assert_non_null(receipt);
    assert_int_equal(receipt->seq, 1);
    assert_int_equal(receipt->request_id.len, 2);
    pledged__v1__receipt__free_unpacked(receipt, NULL);
    assert_string_equal(fx->identity, "uri:pledged:person:anna");
    assert_string_equal(fx->issuer, "CN=Test CA");
    assert_int_equal(fx->request_len, sizeof(message));
    assert_memory_equal(fx->request_bytes, message, sizeof(message));
    client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grpc_unary_is_answered, setup, teardown),
    };
    return cmocka_run_group_tests_name("rpc", tests, NULL, NULL);
}
