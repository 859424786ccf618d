/* SPDX-License-Identifier: Apache-2.0
 *
 * codec: see codec.h.
 */
#include "server/net/codec.h"

#include "common/json.h"
#include "common/scan.h"

/* In the arena, texts copied; NULL when the arena's budget is spent. */
static Pledged__V1__Refusal *refusal(struct pl_arena *arena, Pledged__V1__Reason reason,
                                     const char *field, const char *message)
{
    Pledged__V1__Refusal *made = pl_arena_alloc(arena, sizeof(*made));
    char *field_copy = pl_arena_strdup(arena, field);
    char *message_copy = pl_arena_strdup(arena, message);
    if (made == NULL || field_copy == NULL || message_copy == NULL)
        return NULL;
    pledged__v1__refusal__init(made);
    made->reason = reason;
    made->field = field_copy;
    made->message = message_copy;
    return made;
}

/* Path and phrase are ours (bounded); the message reads "submit.amount: wrong wire type". */
static Pledged__V1__Refusal *explain(struct pl_arena *arena, Pledged__V1__Reason reason,
                                     const char *path, const char *what)
{
    const char *message = path[0] == '\0' ? what : pl_arena_printf(arena, "%s: %s", path, what);
    return message == NULL ? NULL : refusal(arena, reason, path, message);
}

static Pledged__V1__Refusal *explain_too_big(struct pl_arena *arena)
{
    return refusal(arena, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                   "the request is too large when unpacked");
}

static struct pl_status decode_proto(const struct codec_request *request, struct pl_arena *arena,
                                     ProtobufCMessage **ret, struct pl_slice *ret_bytes,
                                     Pledged__V1__Refusal **ret_why)
{
    struct pl_scan_error error = {0};
    struct pl_status status =
        pl_unpack(request->type, request->bytes, request->elements_max, arena, ret, &error);
    if (pl_is_ok(status)) {
        *ret_bytes = request->bytes;
        return status;
    }
    Pledged__V1__Reason reason = PLEDGED__V1__REASON__REASON_FIELD_INVALID;
    if (error.unknown_field)
        reason = PLEDGED__V1__REASON__REASON_UNKNOWN_FIELD;
    else if (error.not_utf8)
        reason = PLEDGED__V1__REASON__REASON_NOT_UTF8;
    *ret_why = status.code == PL_E_TOO_BIG ? explain_too_big(arena)
                                           : explain(arena, reason, error.path, error.what);
    return status;
}

static struct pl_status decode_json(const struct codec_request *request, struct pl_arena *arena,
                                    ProtobufCMessage **ret, struct pl_slice *ret_bytes,
                                    Pledged__V1__Refusal **ret_why)
{
    struct pl_json_error error = {0};
    ProtobufCMessage *parsed = NULL;
    struct pl_status status = pl_json_parse(request->bytes, request->type, arena, &parsed, &error);
    if (!pl_is_ok(status)) {
        Pledged__V1__Reason reason = error.unknown_field
                                         ? PLEDGED__V1__REASON__REASON_UNKNOWN_FIELD
                                         : PLEDGED__V1__REASON__REASON_FIELD_INVALID;
        *ret_why = status.code == PL_E_TOO_BIG ? explain_too_big(arena)
                                               : explain(arena, reason, error.path, error.what);
        return status;
    }
    /* The packed form is what gets recorded: it must pass everything a packed request must pass. */
    struct codec_request packed = *request;
    packed.bytes = pl_pack(parsed, arena);
    if (packed.bytes.data == NULL) {
        *ret_why = explain_too_big(arena);
        return pl_fail(TOO_BIG, "pack a JSON request");
    }
    return decode_proto(&packed, arena, ret, ret_bytes, ret_why);
}

struct pl_status codec_decode(const struct codec_request *request, struct pl_arena *arena,
                              ProtobufCMessage **ret, struct pl_slice *ret_bytes,
                              Pledged__V1__Refusal **ret_why)
{
    *ret_why = NULL;
    switch (request->codec) {
    case CODEC_PROTO:
        return decode_proto(request, arena, ret, ret_bytes, ret_why);
    case CODEC_JSON:
        return decode_json(request, arena, ret, ret_bytes, ret_why);
    }
    return pl_fail(INVALID, "decode a request");
}

struct pl_status codec_encode(enum codec codec, const ProtobufCMessage *message, struct pl_buf *out)
{
    if (codec == CODEC_JSON)
        return pl_json_print(message, out);
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *room = NULL;
    PL_TRY(pl_buf_reserve(out, len, &room));
    pl_buf_commit(out, protobuf_c_message_pack(message, room));
    return pl_ok();
}
