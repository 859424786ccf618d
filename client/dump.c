/* SPDX-License-Identifier: Apache-2.0
 *
 * dump: checks that the stream is whole (no gap, no repetition, a trailer that agrees) while it
 * writes, with memory for one message only.
 */
#include "client/dump.h"

#include <inttypes.h>

#include "client/entries.h"
#include "common/check.h"
#include "common/date.h"
#include "common/json.h"
#include "common/rng.h"
#include "common/scan.h"
#include "pledged/v1/command.pb-c.h"

enum { FLUSH_BYTES = 64 << 10, PIECE_BYTES_MAX = 256 << 20, FRAME_HEAD_BYTES = 5 };

void dump_init(struct dump *dump, enum dump_form form, int fd, uint64_t from_seq)
{
    *dump = (struct dump){.form = form, .fd = fd, .next_seq = from_seq == 0 ? 1 : from_seq};
    pl_buf_init(&dump->out, PIECE_BYTES_MAX);
    pl_arena_init(&dump->arena, (size_t)1 << 30);
}

void dump_fini(struct dump *dump)
{
    pl_buf_fini(&dump->out);
    pl_arena_fini(&dump->arena);
}

static struct pl_status flush(struct dump *dump)
{
    PL_TRY(output_write(dump->fd, pl_buf_slice(&dump->out)));
    pl_buf_clear(&dump->out);
    return pl_ok();
}

/* Heads are written when the first message is there, so that a refusal leaves stdout empty. */
static struct pl_status begin(struct dump *dump)
{
    if (dump->begun)
        return pl_ok();
    dump->begun = true;
    if (dump->form == DUMP_BIN)
        return pl_buf_append(&dump->out, DUMP_MAGIC, sizeof(DUMP_MAGIC) - 1);
    if (dump->form == DUMP_JSONL)
        return pl_ok();
    struct sheet sheet;
    entries_init(&sheet, &dump->arena);
    return sheet_print_csv(&sheet, true, &dump->out);
}

static struct pl_status add_frame(struct dump *dump, char type, struct pl_slice bytes)
{
    uint8_t head[FRAME_HEAD_BYTES] = {(uint8_t)type};
    pl_put_le32(head + 1, (uint32_t)bytes.len);
    PL_TRY(pl_buf_append(&dump->out, head, sizeof(head)));
    return pl_buf_append(&dump->out, bytes.data, bytes.len);
}

static struct pl_status add_command(struct dump *dump, const Pledged__V1__Entry *entry)
{
    ProtobufCMessage *command = NULL;
    if (entry->command.len == 0)
        return pl_buf_append_str(&dump->out, "null");
    PL_TRY(pl_unpack_trusted(&pledged__v1__command__descriptor,
                             pl_slice(entry->command.data, entry->command.len), &dump->arena,
                             &command));
    return pl_json_print(command, &dump->out);
}

static struct pl_status add_line(struct dump *dump, const Pledged__V1__Entry *entry)
{
    char time[28], id[37];
    struct pl_buf *out = &dump->out;
    PL_TRY(pl_buf_printf(
        out, "{\"seq\": %" PRIu64 ", \"time\": \"%s\", \"time_us\": %" PRId64 ", \"person\": ",
        entry->seq, pl_time_format(entry->time_us, time), entry->time_us));
    PL_TRY(pl_json_string(out, entry->actor == NULL ? "" : entry->actor->person));
    if (entry->request_id.len == 16)
        PL_TRY(pl_buf_printf(out, ", \"request_id\": \"%s\"",
                             pl_uuid_format(entry->request_id.data, id)));
    else
        PL_TRY(pl_buf_append_str(out, ", \"request_id\": null"));
    PL_TRY(pl_buf_append_str(out, ", \"entry\": "));
    PL_TRY(pl_json_print(&entry->base, out));
    PL_TRY(pl_buf_append_str(out, ", \"command\": "));
    PL_TRY(add_command(dump, entry));
    return pl_buf_append_str(out, "}\n");
}

static struct pl_status add_row(struct dump *dump, const Pledged__V1__Entry *entry)
{
    struct sheet sheet;
    entries_init(&sheet, &dump->arena);
    entries_add(&sheet, entry);
    return sheet_print_csv(&sheet, false, &dump->out);
}

static struct pl_status add_entry(struct dump *dump, struct pl_slice bytes)
{
    ProtobufCMessage *message = NULL;
    PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor, bytes, &dump->arena, &message));
    const Pledged__V1__Entry *entry = (const void *)message;
    if (entry->seq != dump->next_seq)
        return pl_fail(CORRUPT, "an entry is missing in the stream");
    if (dump->first_seq == 0)
        dump->first_seq = entry->seq;
    dump->next_seq++;
    switch (dump->form) {
    case DUMP_BIN:
        return add_frame(dump, 'E', bytes);
    case DUMP_JSONL:
        return add_line(dump, entry);
    case DUMP_CSV:
        return add_row(dump, entry);
    }
    PL_UNREACHABLE();
}

static struct pl_status take_trailer(struct dump *dump, const Pledged__V1__DumpTrailer *trailer)
{
    if (trailer->to_seq + 1 != dump->next_seq)
        return pl_fail(CORRUPT, "the stream ends before its last entry");
    if (dump->form == DUMP_BIN) {
        struct pl_slice bytes = pl_pack(&trailer->base, &dump->arena);
        PL_TRY(add_frame(dump, 'T', bytes));
    }
    dump->complete = true;
    return pl_ok();
}

struct pl_status dump_take(void *arg, struct pl_slice message)
{
    struct dump *dump = arg;
    ProtobufCMessage *unpacked = NULL;
    pl_arena_reset(&dump->arena);
    if (dump->complete)
        return pl_fail(CORRUPT, "the stream goes on after its end");
    PL_TRY(pl_unpack_trusted(&pledged__v1__dump_response__descriptor, message, &dump->arena,
                             &unpacked));
    const Pledged__V1__DumpResponse *part = (const void *)unpacked;
    PL_TRY(begin(dump));
    for (size_t i = 0; i < part->n_entry; i++) {
        PL_TRY(add_entry(dump, pl_slice(part->entry[i].data, part->entry[i].len)));
        if (pl_buf_len(&dump->out) >= FLUSH_BYTES)
            PL_TRY(flush(dump));
    }
    return part->trailer == NULL ? pl_ok() : take_trailer(dump, part->trailer);
}

struct pl_status dump_finish(struct dump *dump)
{
    PL_TRY(flush(dump));
    if (!dump->complete)
        return pl_fail(UNAVAILABLE, "the dump breaks off before its end");
    return pl_ok();
}
