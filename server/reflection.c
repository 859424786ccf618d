/* SPDX-License-Identifier: Apache-2.0
 *
 * reflection: see reflection.h. The descriptors are read where they lie, field by field: protobuf-c
 * keeps none of its own, and generated code for descriptor.proto (proto2) would be more than this.
 */
#include "server/reflection.h"

#include <grpc/reflection/v1/reflection.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/scan.h"
#include "pledged/v1/descriptors.inc"

/* Fields of google.protobuf's descriptors. */
enum { SET_FILE = 1 };
enum { FILE_NAME = 1, FILE_PACKAGE = 2, FILE_DEPENDENCY = 3 };
enum { FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };
enum { MESSAGE_FIELD = 2, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4 };
enum { ENUM_VALUE = 2, SERVICE_METHOD = 2 };
enum { ANY_NAME = 1 };

enum { FILES_MAX = 64, REQUEST_BYTES_MAX = 4096 };

struct file {
    struct pl_slice bytes, name, package;
    uint64_t imports; /* itself and, directly or not, what it imports: bits of places */
};
struct reflection {
    struct file file[FILES_MAX];
    size_t count;
};

/* --- reading descriptors --- */

static struct pl_slice text_of(struct pl_slice message, uint32_t field)
{
    size_t cursor = 0;
    struct pl_slice text;
    return pl_wire_next(message, field, &cursor, &text) ? text : pl_slice(NULL, 0);
}

/* Is `symbol` this name, or something inside it? Then *rest is what follows the dot. */
static bool is_name(struct pl_slice symbol, struct pl_slice name, struct pl_slice *rest)
{
    if (symbol.len < name.len || name.len == 0 || memcmp(symbol.data, name.data, name.len) != 0)
        return false;
    *rest = pl_slice(NULL, 0);
    if (symbol.len == name.len)
        return true;
    if (symbol.data[name.len] != '.' || symbol.len == name.len + 1)
        return false;
    *rest = pl_slice(symbol.data + name.len + 1, symbol.len - name.len - 1);
    return true;
}

/* One of the parts has exactly this name. */
static bool has_part(struct pl_slice message, uint32_t field, struct pl_slice symbol)
{
    size_t cursor = 0;
    struct pl_slice part;
    while (pl_wire_next(message, field, &cursor, &part)) {
        if (pl_slice_eq(text_of(part, ANY_NAME), symbol))
            return true;
    }
    return false;
}

/* Values of an enumeration are named beside it, not inside it. */
static bool in_enums(struct pl_slice message, uint32_t field, struct pl_slice symbol)
{
    size_t cursor = 0;
    struct pl_slice one;
    while (pl_wire_next(message, field, &cursor, &one)) {
        if (pl_slice_eq(text_of(one, ANY_NAME), symbol) || has_part(one, ENUM_VALUE, symbol))
            return true;
    }
    return false;
}

/* As deep as our own schemas nest. */
static bool in_messages(struct pl_slice outer, uint32_t field, struct pl_slice symbol)
{
    size_t cursor = 0;
    struct pl_slice one, rest;
    while (pl_wire_next(outer, field, &cursor, &one)) {
        if (!is_name(symbol, text_of(one, ANY_NAME), &rest))
            continue;
        if (rest.len == 0 || has_part(one, MESSAGE_FIELD, rest) ||
            in_enums(one, MESSAGE_ENUM, rest) || in_messages(one, MESSAGE_NESTED, rest))
            return true;
    }
    return false;
}

static bool in_services(struct pl_slice file, struct pl_slice symbol)
{
    size_t cursor = 0;
    struct pl_slice one, rest;
    while (pl_wire_next(file, FILE_SERVICE, &cursor, &one)) {
        if (is_name(symbol, text_of(one, ANY_NAME), &rest) &&
            (rest.len == 0 || has_part(one, SERVICE_METHOD, rest)))
            return true;
    }
    return false;
}

/* --- the index --- */

static const struct file *find_file(const struct reflection *all, struct pl_slice name)
{
    for (size_t i = 0; i < all->count; i++) {
        if (pl_slice_eq(all->file[i].name, name))
            return &all->file[i];
    }
    return NULL;
}

static const struct file *find_symbol(const struct reflection *all, struct pl_slice symbol)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct file *file = &all->file[i];
        struct pl_slice rest;
        if (!is_name(symbol, file->package, &rest) || rest.len == 0)
            continue;
        if (in_messages(file->bytes, FILE_MESSAGE, rest) ||
            in_enums(file->bytes, FILE_ENUM, rest) || in_services(file->bytes, rest))
            return file;
    }
    return NULL;
}

/* A set lists imports before what imports them. */
static uint64_t imports_of(const struct reflection *all, const struct file *file)
{
    uint64_t imports = 1ull << (file - all->file);
    size_t cursor = 0;
    struct pl_slice name;
    while (pl_wire_next(file->bytes, FILE_DEPENDENCY, &cursor, &name)) {
        const struct file *other = find_file(all, name);
        PL_ASSERT(other != NULL && other < file);
        imports |= other->imports;
    }
    return imports;
}

struct reflection *reflection_new(void)
{
    struct reflection *all = calloc(1, sizeof(*all));
    PL_ASSERT(all != NULL);
    const struct pl_slice set = pl_slice(descriptor_set, sizeof(descriptor_set));
    struct pl_slice bytes;
    size_t cursor = 0;
    while (pl_wire_next(set, SET_FILE, &cursor, &bytes)) {
        PL_ASSERT(all->count < FILES_MAX);
        struct file *file = &all->file[all->count++];
        file->bytes = bytes;
        file->name = text_of(bytes, FILE_NAME);
        file->package = text_of(bytes, FILE_PACKAGE);
        file->imports = imports_of(all, file);
    }
    PL_ASSERT(all->count > 0);
    return all;
}

void reflection_free(struct reflection *reflection)
{
    free(reflection);
}

/* --- answers: each fills the response, and is false when the arena's budget is spent --- */

#define ANSWERS_WITH(name_)                                                                        \
    GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name_

static bool put_error(Grpc__Reflection__V1__ServerReflectionResponse *response,
                      struct pl_arena *arena, enum pl_code code, const char *text)
{
    Grpc__Reflection__V1__ErrorResponse *error = pl_arena_alloc(arena, sizeof(*error));
    if (error == NULL)
        return false;
    grpc__reflection__v1__error_response__init(error);
    error->error_code = pl_code_grpc(code);
    error->error_message = (char *)(uintptr_t)text;
    response->message_response_case = ANSWERS_WITH(ERROR_RESPONSE);
    response->error_response = error;
    return true;
}

static bool put_file(Grpc__Reflection__V1__ServerReflectionResponse *response,
                     struct pl_arena *arena, const struct reflection *all, const struct file *file)
{
    if (file == NULL)
        return put_error(response, arena, PL_E_NOT_FOUND, "nothing of this name is served here");
    Grpc__Reflection__V1__FileDescriptorResponse *files = pl_arena_alloc(arena, sizeof(*files));
    ProtobufCBinaryData *list = pl_arena_alloc(arena, all->count * sizeof(*list));
    if (files == NULL || list == NULL)
        return false;
    grpc__reflection__v1__file_descriptor_response__init(files);
    files->file_descriptor_proto = list;
    /* the file itself first: some clients take the first one for the answer */
    for (size_t i = (size_t)(file - all->file) + 1; i-- > 0;) {
        struct pl_slice bytes = all->file[i].bytes;
        if ((file->imports >> i & 1) != 0)
            list[files->n_file_descriptor_proto++] =
                (ProtobufCBinaryData){bytes.len, (uint8_t *)(uintptr_t)bytes.data};
    }
    response->message_response_case = ANSWERS_WITH(FILE_DESCRIPTOR_RESPONSE);
    response->file_descriptor_response = files;
    return true;
}

static bool put_numbers(Grpc__Reflection__V1__ServerReflectionResponse *response,
                        struct pl_arena *arena, const struct reflection *all, const char *type)
{
    if (find_symbol(all, pl_slice_str(type)) == NULL)
        return put_error(response, arena, PL_E_NOT_FOUND, "no such type");
    Grpc__Reflection__V1__ExtensionNumberResponse *none = pl_arena_alloc(arena, sizeof(*none));
    if (none == NULL)
        return false;
    grpc__reflection__v1__extension_number_response__init(none);
    none->base_type_name = (char *)(uintptr_t)type;
    response->message_response_case = ANSWERS_WITH(ALL_EXTENSION_NUMBERS_RESPONSE);
    response->all_extension_numbers_response = none;
    return true;
}

static bool put_service(Grpc__Reflection__V1__ListServiceResponse *list, struct pl_arena *arena,
                        const struct file *file, struct pl_slice name)
{
    Grpc__Reflection__V1__ServiceResponse *service = pl_arena_alloc(arena, sizeof(*service));
    if (service == NULL)
        return false;
    grpc__reflection__v1__service_response__init(service);
    service->name =
        pl_arena_printf(arena, "%.*s.%.*s", (int)file->package.len,
                        (const char *)file->package.data, (int)name.len, (const char *)name.data);
    list->service[list->n_service++] = service;
    return service->name != NULL;
}

static bool put_services(Grpc__Reflection__V1__ServerReflectionResponse *response,
                         struct pl_arena *arena, const struct reflection *all)
{
    Grpc__Reflection__V1__ListServiceResponse *list = pl_arena_alloc(arena, sizeof(*list));
    if (list == NULL)
        return false;
    grpc__reflection__v1__list_service_response__init(list);
    list->service = pl_arena_alloc(arena, FILES_MAX * sizeof(*list->service));
    if (list->service == NULL)
        return false;
    for (size_t i = 0; i < all->count; i++) {
        size_t cursor = 0;
        struct pl_slice one;
        while (list->n_service < FILES_MAX &&
               pl_wire_next(all->file[i].bytes, FILE_SERVICE, &cursor, &one)) {
            if (!put_service(list, arena, &all->file[i], text_of(one, ANY_NAME)))
                return false;
        }
    }
    response->message_response_case = ANSWERS_WITH(LIST_SERVICES_RESPONSE);
    response->list_services_response = list;
    return true;
}

#define ASKS_FOR(name_) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name_

static bool put_answer(Grpc__Reflection__V1__ServerReflectionResponse *response,
                       struct pl_arena *arena, const struct reflection *all,
                       const Grpc__Reflection__V1__ServerReflectionRequest *request)
{
    switch ((int)request->message_request_case) {
    case ASKS_FOR(FILE_BY_FILENAME):
        return put_file(response, arena, all,
                        find_file(all, pl_slice_str(request->file_by_filename)));
    case ASKS_FOR(FILE_CONTAINING_SYMBOL):
        return put_file(response, arena, all,
                        find_symbol(all, pl_slice_str(request->file_containing_symbol)));
    case ASKS_FOR(FILE_CONTAINING_EXTENSION):
        return put_error(response, arena, PL_E_NOT_FOUND, "there are no extensions");
    case ASKS_FOR(ALL_EXTENSION_NUMBERS_OF_TYPE):
        return put_numbers(response, arena, all, request->all_extension_numbers_of_type);
    case ASKS_FOR(LIST_SERVICES):
        return put_services(response, arena, all);
    default:
        return put_error(response, arena, PL_E_INVALID, "the request asks for nothing");
    }
}

static bool on_message(struct call *call, void *user)
{
    const struct service *service = user;
    const Grpc__Reflection__V1__ServerReflectionRequest *request = (const void *)call_request(call);
    Grpc__Reflection__V1__ServerReflectionResponse response =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    response.valid_host = request->host;
    response.original_request = (Grpc__Reflection__V1__ServerReflectionRequest *)(uintptr_t)request;
    if (!put_answer(&response, call_arena(call), service->reflection, request)) {
        call_fail(call, PL_E_TOO_BIG, NULL, "the answer is too large");
        return false;
    }
    (void)call_send(call, &response.base);
    return true;
}

/* --- the table --- */

#define EVERYBODY                                                                                  \
    (NET_ROLE(PUBLIC) | NET_ROLE(READER) | NET_ROLE(CLERK) | NET_ROLE(APPROVER) |                  \
     NET_ROLE(AUDITOR) | NET_ROLE(ADMIN))

#define METHOD(version_)                                                                           \
    {                                                                                              \
        .path = "/grpc.reflection." version_ ".ServerReflection/ServerReflectionInfo",             \
        .input = &grpc__reflection__v1__server_reflection_request__descriptor,                     \
        .output = &grpc__reflection__v1__server_reflection_response__descriptor,                   \
        .server_streaming = true, .client_streaming = true, .long_lived = true,                    \
        .roles = EVERYBODY, .request_bytes_max = REQUEST_BYTES_MAX, .on_message = on_message       \
    }

const struct net_method reflection_methods[] = {METHOD("v1"), METHOD("v1alpha")};
const size_t reflection_method_count = PL_COUNT(reflection_methods);
