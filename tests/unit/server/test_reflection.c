/* SPDX-License-Identifier: Apache-2.0
 *
 * reflection: questions and answers on one stream, on both paths.
 */
#include <grpc/reflection/v1/reflection.pb-c.h>

#include "../net/fixture.h"
#include "server/reflection.h"

#define ASKS(name_)    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name_
#define ANSWERS(name_) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name_

struct world {
    struct fixture fx;
    struct service service;
    struct client *client;
    struct exchange *stream;
    size_t seen; /* bytes of answers looked at */
    uint8_t asked[512];
};

static const char *const paths[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};

static void open_stream(struct world *w, const char *path)
{
    w->stream = client_send(
        w->client, &(struct request){.path = path, .type = "application/grpc", .keep_open = true});
    w->seen = 0;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct fixture_wish wish = {
        .methods = reflection_methods,
        .method_count = reflection_method_count,
        .user = &w->service,
    };
    w->service.reflection = reflection_new();
    fixture_init_as(&w->fx, &wish);
    w->client = client_new(&w->fx, w->fx.clerk);
    open_stream(w, paths[0]);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    client_free(w->client);
    fixture_fini(&w->fx);
    reflection_free(w->service.reflection);
    free(w);
    return 0;
}

/* One question and its answer; the caller frees it. */
static Grpc__Reflection__V1__ServerReflectionResponse *
ask(struct world *w, const Grpc__Reflection__V1__ServerReflectionRequest *request)
{
    uint8_t message[256];
    struct exchange *e = w->stream;
    assert_true(grpc__reflection__v1__server_reflection_request__get_packed_size(request) <
                sizeof(message));
    size_t len = grpc__reflection__v1__server_reflection_request__pack(request, message);
    client_more(e, w->asked, grpc_frame(w->asked, message, len), false);
    PUMP_UNTIL(&w->fx, w->client, e->closed || body_len(e) >= w->seen + 5);
    assert_false(e->closed);
    const uint8_t *head = pl_buf_slice(&e->body).data + w->seen;
    size_t answer = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    PUMP_UNTIL(&w->fx, w->client, body_len(e) >= w->seen + 5 + answer);
    Grpc__Reflection__V1__ServerReflectionResponse *response =
        grpc__reflection__v1__server_reflection_response__unpack(
            NULL, answer, pl_buf_slice(&e->body).data + w->seen + 5);
    assert_non_null(response);
    w->seen += 5 + answer;
    assert_non_null(response->original_request);
    assert_int_equal(response->original_request->message_request_case,
                     request->message_request_case);
    return response;
}

static Grpc__Reflection__V1__ServerReflectionResponse *ask_text(struct world *w, int what,
                                                                const char *text)
{
    Grpc__Reflection__V1__ServerReflectionRequest request =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    request.host = (char *)(uintptr_t) "somewhere";
    request.message_request_case = what;
    request.list_services = (char *)(uintptr_t)text; /* all of them are one pointer */
    Grpc__Reflection__V1__ServerReflectionResponse *response = ask(w, &request);
    assert_string_equal(response->valid_host, "somewhere");
    assert_string_equal(response->original_request->list_services, text);
    return response;
}

static void drop(Grpc__Reflection__V1__ServerReflectionResponse *response)
{
    grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
}

/* A descriptor begins with its name. */
static bool is_file(ProtobufCBinaryData file, const char *name)
{
    size_t len = strlen(name);
    return file.len > len + 2 && file.data[0] == 0x0a && file.data[1] == len &&
           memcmp(file.data + 2, name, len) == 0;
}

static bool has_file(const Grpc__Reflection__V1__ServerReflectionResponse *r, const char *name)
{
    assert_int_equal(r->message_response_case, ANSWERS(FILE_DESCRIPTOR_RESPONSE));
    for (size_t i = 0; i < r->file_descriptor_response->n_file_descriptor_proto; i++) {
        if (is_file(r->file_descriptor_response->file_descriptor_proto[i], name))
            return true;
    }
    return false;
}

static void assert_error(Grpc__Reflection__V1__ServerReflectionResponse *r, int code)
{
    assert_int_equal(r->message_response_case, ANSWERS(ERROR_RESPONSE));
    assert_int_equal(r->error_response->error_code, code);
    assert_string_not_equal(r->error_response->error_message, "");
    drop(r);
}

static void test_services_are_listed_on_both_paths(void **state)
{
    static const char *const names[] = {"pledged.v1.LedgerService", "grpc.health.v1.Health",
                                        "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection"};
    struct world *w = *state;
    for (size_t i = 0; i < PL_COUNT(paths); i++) {
        open_stream(w, paths[i]);
        for (int twice = 0; twice < 2; twice++) {
            Grpc__Reflection__V1__ServerReflectionResponse *r =
                ask_text(w, ASKS(LIST_SERVICES), "");
            assert_int_equal(r->message_response_case, ANSWERS(LIST_SERVICES_RESPONSE));
            assert_int_equal(r->list_services_response->n_service, PL_COUNT(names));
            for (size_t j = 0; j < PL_COUNT(names); j++) {
                bool found = false;
                for (size_t k = 0; k < PL_COUNT(names); k++)
                    found =
                        found || strcmp(r->list_services_response->service[k]->name, names[j]) == 0;
                assert_true(found);
            }
            drop(r);
        }
        client_more(w->stream, NULL, 0, true);
        PUMP_UNTIL(&w->fx, w->client, w->stream->closed);
        assert_string_equal(field_of(w->stream, "grpc-status"), "0");
    }
}

static void test_symbols_are_found(void **state)
{
    static const struct {
        const char *symbol, *file;
    } rows[] = {
        {"pledged.v1.LedgerService", "pledged/v1/service.proto"},
        {"pledged.v1.LedgerService.GetTier", "pledged/v1/service.proto"},
        {"pledged.v1.Refusal", "pledged/v1/types.proto"},
        {"pledged.v1.Refusal.field", "pledged/v1/types.proto"},
        {"pledged.v1.Reason", "pledged/v1/types.proto"},
        {"pledged.v1.REASON_BUSY", "pledged/v1/types.proto"},
        {"pledged.v1.Command", "pledged/v1/command.proto"},
        {"grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"},
        {"grpc.health.v1.HealthCheckResponse.SERVING", "grpc/health/v1/health.proto"},
        {"grpc.reflection.v1alpha.ServerReflection", "grpc/reflection/v1alpha/reflection.proto"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        Grpc__Reflection__V1__ServerReflectionResponse *r =
            ask_text(w, ASKS(FILE_CONTAINING_SYMBOL), rows[i].symbol);
        if (r->message_response_case != ANSWERS(FILE_DESCRIPTOR_RESPONSE) ||
            !is_file(r->file_descriptor_response->file_descriptor_proto[0], rows[i].file))
            fail_msg("%s", rows[i].symbol);
        drop(r);
    }
}

static void test_files_come_with_their_imports(void **state)
{
    static const char *const all[] = {"pledged/v1/service.proto", "pledged/v1/types.proto",
                                      "pledged/v1/catalogue.proto", "pledged/v1/command.proto",
                                      "pledged/v1/entry.proto"};
    struct world *w = *state;
    Grpc__Reflection__V1__ServerReflectionResponse *r =
        ask_text(w, ASKS(FILE_BY_FILENAME), "pledged/v1/service.proto");
    for (size_t i = 0; i < PL_COUNT(all); i++)
        assert_true(has_file(r, all[i]));
    assert_int_equal(r->file_descriptor_response->n_file_descriptor_proto, PL_COUNT(all));
    drop(r);
    r = ask_text(w, ASKS(FILE_BY_FILENAME), "pledged/v1/types.proto");
    assert_true(has_file(r, "pledged/v1/types.proto"));
    assert_int_equal(r->file_descriptor_response->n_file_descriptor_proto, 1);
    drop(r);
}

static void test_what_is_not_there_is_told_in_the_stream(void **state)
{
    static const char *const symbols[] = {"",
                                          ".",
                                          "x",
                                          "pledged",
                                          "pledged.v1",
                                          "pledged.v1.",
                                          "pledged.v1.Refusa",
                                          "pledged.v1.Refusall",
                                          "pledged.v1.Refusal.",
                                          "pledged.v1.Refusal.nothing",
                                          "pledged.v1.LedgerService.gettier",
                                          "pledged.v1.LedgerService.GetTier.x",
                                          ".pledged.v1.Refusal",
                                          "pledged.v10.Refusal"};
    static const char *const files[] = {"", "pledged/v1/types", "types.proto",
                                        "google/protobuf/any.proto"};
    struct world *w = *state;
    for (size_t i = 0; i < PL_COUNT(symbols); i++)
        assert_error(ask_text(w, ASKS(FILE_CONTAINING_SYMBOL), symbols[i]), 5);
    for (size_t i = 0; i < PL_COUNT(files); i++)
        assert_error(ask_text(w, ASKS(FILE_BY_FILENAME), files[i]), 5);
    Grpc__Reflection__V1__ServerReflectionRequest request =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    assert_error(ask(w, &request), 3);                                   /* asks for nothing */
    drop(ask_text(w, ASKS(FILE_BY_FILENAME), "pledged/v1/types.proto")); /* it goes on */
}

static void test_there_are_no_extensions(void **state)
{
    struct world *w = *state;
    Grpc__Reflection__V1__ServerReflectionRequest request =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    Grpc__Reflection__V1__ExtensionRequest extension =
        GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    extension.containing_type = (char *)(uintptr_t) "pledged.v1.Refusal";
    extension.extension_number = 99;
    request.message_request_case = ASKS(FILE_CONTAINING_EXTENSION);
    request.file_containing_extension = &extension;
    assert_error(ask(w, &request), 5);
    Grpc__Reflection__V1__ServerReflectionResponse *r =
        ask_text(w, ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE), "pledged.v1.Refusal");
    assert_int_equal(r->message_response_case, ANSWERS(ALL_EXTENSION_NUMBERS_RESPONSE));
    assert_string_equal(r->all_extension_numbers_response->base_type_name, "pledged.v1.Refusal");
    assert_int_equal(r->all_extension_numbers_response->n_extension_number, 0);
    drop(r);
    assert_error(ask_text(w, ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE), "pledged.v1.Nothing"), 5);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_services_are_listed_on_both_paths),
        ROW(test_symbols_are_found),
        ROW(test_files_come_with_their_imports),
        ROW(test_what_is_not_there_is_told_in_the_stream),
        ROW(test_there_are_no_extensions),
    };
    return cmocka_run_group_tests_name("reflection", tests, NULL, NULL);
}
