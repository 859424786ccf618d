/* SPDX-License-Identifier: Apache-2.0
 *
 * work: commands are packed once, each contributor's in its buffer; a request is a copy with the
 * request id, which protobuf puts first, written over.
 */
#include "tests/bench/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/rng.h"
#include "common/scan.h"
#include "pledged/v1/service.pb-c.h"

enum {
    PREFIX_BYTES = 5, /* of a gRPC message */
    ID_AT = 2,        /* after tag and length of field 1 */
    ID_BYTES = 16,
    COMMAND_BYTES_MAX = 1 << 10,
    RESULT_FIELD_RECEIPT = 1,
};

const char *outcome_name(enum outcome outcome)
{
    static const char *const names[OUTCOME_COUNT] = {"ok",
                                                     "CANCELLED",
                                                     "UNKNOWN",
                                                     "INVALID_ARGUMENT",
                                                     "DEADLINE_EXCEEDED",
                                                     "NOT_FOUND",
                                                     "ALREADY_EXISTS",
                                                     "PERMISSION_DENIED",
                                                     "RESOURCE_EXHAUSTED",
                                                     "FAILED_PRECONDITION",
                                                     "ABORTED",
                                                     "OUT_OF_RANGE",
                                                     "UNIMPLEMENTED",
                                                     "INTERNAL",
                                                     "UNAVAILABLE",
                                                     "DATA_LOSS",
                                                     "UNAUTHENTICATED",
                                                     "wrong",
                                                     "lost",
                                                     "connect",
                                                     "late"};
    return names[outcome];
}

const char *work_path(const struct bench_options *options)
{
    switch (options->kind) {
    case BENCH_TIER:
        return "/pledged.v1.LedgerService/GetTier";
    case BENCH_SUBMIT:
        return "/pledged.v1.LedgerService/Execute";
    case BENCH_BATCH:
        return "/pledged.v1.LedgerService/ExecuteBatch";
    case BENCH_GET:
        return options->path;
    case BENCH_IDLE:
    case BENCH_DISK:
        return "";
    }
    PL_UNREACHABLE();
}

static struct pl_status pack_submit(const struct bench_options *options, unsigned number,
                                    struct pl_buf *ret)
{
    char contributor[16];
    (void)snprintf(contributor, sizeof(contributor), "C%06u", number);
    uint8_t id[ID_BYTES] = {0};
    union {
        const char *constant;
        char *text;
    } tier = {options->tier}, reason = {"letter of intent"};
    Pledged__V1__Submit submit = PLEDGED__V1__SUBMIT__INIT;
    submit.contributor = contributor;
    submit.offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
    submit.tier = tier.text;
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    command.request_id = (ProtobufCBinaryData){sizeof(id), id};
    command.reason = reason.text;
    command.command_case = PLEDGED__V1__COMMAND__COMMAND_SUBMIT;
    command.submit = &submit;
    pl_buf_init(ret, COMMAND_BYTES_MAX);
    uint8_t *room = NULL;
    size_t len = pledged__v1__command__get_packed_size(&command);
    PL_TRY(pl_buf_reserve(ret, len, &room));
    PL_ASSERT(pledged__v1__command__pack(&command, room) == len && room[1] == ID_BYTES);
    pl_buf_commit(ret, len);
    return pl_ok();
}

struct pl_status work_init(struct work *work, const struct bench_options *options)
{
    *work = (struct work){.options = options};
    pl_rng_bytes(&work->seed, sizeof(work->seed));
    work->submit = calloc(options->contributors, sizeof(*work->submit));
    if (work->submit == NULL)
        return pl_fail(TOO_BIG, "preparing requests");
    for (unsigned i = 0; i < options->contributors; i++)
        PL_TRY(pack_submit(options, i + 1, &work->submit[i]));
    return pl_ok();
}

void work_fini(struct work *work)
{
    for (unsigned i = 0; work->submit != NULL && i < work->options->contributors; i++)
        pl_buf_fini(&work->submit[i]);
    free(work->submit);
}

/* One to one, so that no id comes twice in a run (splitmix64). */
static uint64_t scatter(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void id_of(const struct work *work, uint64_t number, uint8_t ret[ID_BYTES])
{
    pl_put_le64(ret, work->seed);
    pl_put_le64(ret + 8, scatter(number));
}

static void put_prefix(uint8_t prefix[PREFIX_BYTES], size_t len)
{
    prefix[0] = 0;
    for (int i = 0; i < 4; i++)
        prefix[1 + i] = (uint8_t)(len >> (8 * (3 - i)));
}

static struct pl_status fill_submit(struct work *work, struct call *call)
{
    struct pl_slice command = pl_buf_slice(&work->submit[work->made % work->options->contributors]);
    uint8_t prefix[PREFIX_BYTES];
    put_prefix(prefix, command.len);
    PL_TRY(pl_buf_append(&call->request, prefix, sizeof(prefix)));
    PL_TRY(pl_buf_append(&call->request, command.data, command.len));
    id_of(work, work->made++, call->request_id);
    memcpy(call->request.data + call->request.start + PREFIX_BYTES + ID_AT, call->request_id,
           ID_BYTES);
    return pl_ok();
}

/* `repeated Command command = 1`, one after the other. */
static struct pl_status fill_batch(struct work *work, struct call *call)
{
    uint8_t prefix[PREFIX_BYTES] = {0};
    PL_TRY(pl_buf_append(&call->request, prefix, sizeof(prefix)));
    unsigned count = work->options->batch;
    call->number = work->made;
    for (unsigned i = 0; i < count; i++) {
        struct pl_slice command =
            pl_buf_slice(&work->submit[work->made % work->options->contributors]);
        PL_ASSERT(command.len < 128); /* one byte says its length */
        uint8_t head[ID_AT + ID_AT + ID_BYTES] = {0x0a, (uint8_t)command.len, 0x0a, ID_BYTES};
        id_of(work, work->made++, head + ID_AT + ID_AT);
        PL_TRY(pl_buf_append(&call->request, head, sizeof(head)));
        PL_TRY(pl_buf_append(&call->request, command.data + ID_AT + ID_BYTES,
                             command.len - ID_AT - ID_BYTES));
    }
    put_prefix(call->request.data + call->request.start, pl_buf_len(&call->request) - PREFIX_BYTES);
    return pl_ok();
}

static struct pl_status fill_tier(const struct work *work, struct call *call)
{
    size_t len = strlen(work->options->tier);
    PL_ASSERT(len < 100);
    uint8_t head[PREFIX_BYTES + 2];
    put_prefix(head, len + 2);
    head[PREFIX_BYTES] = 0x0a;
    head[PREFIX_BYTES + 1] = (uint8_t)len;
    PL_TRY(pl_buf_append(&call->request, head, sizeof(head)));
    return pl_buf_append(&call->request, work->options->tier, len);
}

struct pl_status work_fill(struct work *work, struct call *call)
{
    pl_buf_clear(&call->request);
    switch (work->options->kind) {
    case BENCH_TIER:
        return fill_tier(work, call);
    case BENCH_SUBMIT:
        return fill_submit(work, call);
    case BENCH_BATCH:
        return fill_batch(work, call);
    case BENCH_GET:
    case BENCH_IDLE:
    case BENCH_DISK:
        return pl_ok();
    }
    PL_UNREACHABLE();
}

/* The one message of an answer, or nothing. */
static struct pl_slice message_of(const struct call *call)
{
    struct pl_slice all = pl_buf_slice(&call->answer);
    uint8_t prefix[PREFIX_BYTES];
    if (all.len < PREFIX_BYTES)
        return pl_slice(NULL, 0);
    put_prefix(prefix, all.len - PREFIX_BYTES);
    if (memcmp(prefix, all.data, PREFIX_BYTES) != 0)
        return pl_slice(NULL, 0);
    return pl_slice(all.data + PREFIX_BYTES, all.len - PREFIX_BYTES);
}

/* A receipt begins with request id and kind. */
static bool is_new_receipt(struct pl_slice message, const uint8_t id[ID_BYTES])
{
    return message.len > ID_AT + ID_BYTES + 2 && message.data[0] == 0x0a &&
           message.data[1] == ID_BYTES && memcmp(message.data + ID_AT, id, ID_BYTES) == 0 &&
           message.data[ID_AT + ID_BYTES] == 0x10 &&
           message.data[ID_AT + ID_BYTES + 1] == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
}

/* New receipts, each for the command in its place. Only as much is read as that needs: the client
 * shares the processors with what it measures. */
static uint64_t count_receipts(const struct work *work, const struct call *call,
                               struct pl_slice message)
{
    size_t at = 0;
    struct pl_slice result, receipt;
    uint64_t count = 0;
    for (uint64_t number = call->number; pl_wire_next(message, 1, &at, &result); number++) {
        size_t inside = 0;
        uint8_t id[ID_BYTES];
        id_of(work, number, id);
        if (pl_wire_next(result, RESULT_FIELD_RECEIPT, &inside, &receipt))
            count += is_new_receipt(receipt, id);
    }
    return count;
}

enum outcome work_judge(const struct work *work, const struct call *call, uint64_t *ret_units)
{
    const struct bench_options *options = work->options;
    *ret_units = 1;
    if (options->kind == BENCH_GET)
        return call->http_status == 200 && pl_buf_len(&call->answer) > 0 ? OUTCOME_OK
               : call->http_status <= 0                                  ? OUTCOME_LOST
                                                                         : OUTCOME_WRONG;
    if (call->grpc_status < 0 || call->grpc_status >= OUTCOME_WRONG)
        return OUTCOME_LOST;
    if (call->grpc_status != 0)
        return (enum outcome)call->grpc_status;
    struct pl_slice message = message_of(call);
    bool good = message.len > 0;
    if (options->kind == BENCH_SUBMIT) {
        good = is_new_receipt(message, call->request_id);
    } else if (options->kind == BENCH_BATCH) {
        *ret_units = count_receipts(work, call, message);
        good = *ret_units == options->batch;
    }
    return good ? OUTCOME_OK : OUTCOME_WRONG;
}
