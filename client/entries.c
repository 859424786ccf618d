/* SPDX-License-Identifier: Apache-2.0
 *
 * entries: facts have fields of the same name where they mean the same thing (pledge, contributor,
 * tier, amount), so a row is found by name in whatever fact it is.
 */
#include "client/entries.h"

#include <inttypes.h>

#include "client/text.h"
#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/rng.h"
#include "common/scan.h"
#include "pledged/v1/command.pb-c.h"

static const struct column columns[] = {
    {"seq", N_("Entry"), IN_ALL, true},
    {"time", N_("Time"), IN_ALL, false},
    {"person", N_("Who"), IN_ALL, false},
    {"role", N_("Role"), IN_ALL, false},
    {"request_id", N_("Request id"), IN_ALL, false},
    {"fact", N_("What"), IN_ALL, false},
    {"pledge", NULL, IN_PROGRAMS, false},
    {"contributor", NULL, IN_PROGRAMS, false},
    {"tier", N_("Tier"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"effective_date", N_("Business date"), IN_ALL, false},
    {"reason", N_("Why"), IN_ALL, false},
    {"bank_entry", N_("Payment"), IN_ALL, false},
    {"refused", N_("Refused because"), IN_ALL, false},
    {"deciding_seq", NULL, IN_PROGRAMS, true},
    {"target_seq", N_("Undoes"), IN_ALL, true},
    {"cause_seq", NULL, IN_PROGRAMS, true},
    {"time_us", NULL, IN_JSON, true},
};

void entries_init(struct sheet *sheet, struct pl_arena *arena)
{
    sheet_init(sheet, "entries", columns, PL_COUNT(columns), arena);
}

const ProtobufCMessage *entries_fact(const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == PLEDGED__V1__ENTRY__FACT__NOT_SET)
        return NULL;
    return &entry->ledger_created->base; /* all members of the oneof are pointers to messages */
}

static const void *field_of(const ProtobufCMessage *fact, const char *name, ProtobufCType type)
{
    if (fact == NULL)
        return NULL;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(fact->descriptor, name);
    if (field == NULL || field->type != type || field->label == PROTOBUF_C_LABEL_REPEATED)
        return NULL;
    return (const uint8_t *)fact + field->offset;
}

static const char *text_of(const ProtobufCMessage *fact, const char *name)
{
    const void *place = field_of(fact, name, PROTOBUF_C_TYPE_STRING);
    return place == NULL ? NULL : *(const char *const *)place;
}

static const Pledged__V1__Money *money_of(const ProtobufCMessage *fact, const char *name)
{
    const void *place = field_of(fact, name, PROTOBUF_C_TYPE_MESSAGE);
    return place == NULL ? NULL : *(const Pledged__V1__Money *const *)place;
}

uint64_t entries_pledge(const Pledged__V1__Entry *entry)
{
    const char *pledge = text_of(entries_fact(entry), "pledge");
    return pledge == NULL ? 0 : pl_id_parse(pledge, 'P');
}

const Pledged__V1__Money *entries_amount(const Pledged__V1__Entry *entry)
{
    const ProtobufCMessage *fact = entries_fact(entry);
    const Pledged__V1__Money *amount = money_of(fact, "amount");
    return amount != NULL ? amount : money_of(fact, "deallocated");
}

static uint64_t number_of(const ProtobufCMessage *fact, const char *name)
{
    const void *place = field_of(fact, name, PROTOBUF_C_TYPE_UINT64);
    return place == NULL ? 0 : *(const uint64_t *)place;
}

/* Is the command here? Of a large import only its first bytes are. */
static bool is_whole(const Pledged__V1__Entry *entry)
{
    return entry->command.len != 0 && entry->command_bytes == 0;
}

/* The words that the command gave; they are in the first entry of a command only. */
static const char *reason_of(const Pledged__V1__Entry *entry, struct pl_arena *arena)
{
    ProtobufCMessage *message = NULL;
    if (!is_whole(entry))
        return NULL;
    struct pl_status status =
        pl_unpack_trusted(&pledged__v1__command__descriptor,
                          pl_slice(entry->command.data, entry->command.len), arena, &message);
    return pl_is_ok(status) ? ((const Pledged__V1__Command *)message)->reason : NULL;
}

static void add_refused(struct sheet *sheet, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case != PLEDGED__V1__ENTRY__FACT_COMMAND_REFUSED) {
        sheet_text(sheet, NULL);
        return;
    }
    const char *words = text_reason(entry->command_refused->reason);
    const char *code = text_reason_code(entry->command_refused->reason);
    sheet_pair(sheet, code, words == NULL ? code : words);
}

void entries_add(struct sheet *sheet, const Pledged__V1__Entry *entry)
{
    const ProtobufCMessage *fact = entries_fact(entry);
    const Pledged__V1__Money *amount = entries_amount(entry);
    const char *tier = text_of(fact, "tier");
    sheet_seq(sheet, entry->seq);
    sheet_time(sheet, entry->time_us);
    sheet_text(sheet, entry->actor == NULL ? NULL : entry->actor->person);
    sheet_code(sheet, TEXT_ROLE, entry->actor == NULL ? 0 : (int)entry->actor->role);
    sheet_uuid(sheet, entry->request_id);
    sheet_code(sheet, TEXT_FACT, (int)entry->fact_case);
    sheet_text(sheet, text_of(fact, "pledge"));
    sheet_text(sheet, text_of(fact, "contributor"));
    sheet_text(sheet, tier == NULL ? text_of(fact, "to_tier") : tier);
    sheet_amount(sheet, amount);
    sheet_text(sheet, amount == NULL ? NULL : amount->currency);
    sheet_text(sheet, entry->effective_date);
    sheet_text(sheet, reason_of(entry, sheet->arena));
    sheet_text(sheet, text_of(fact, "bank_entry"));
    add_refused(sheet, entry);
    sheet_seq(sheet, number_of(fact, "deciding_seq"));
    sheet_seq(sheet, number_of(fact, "target_seq"));
    sheet_seq(sheet, entry->cause_seq);
    sheet_time_us(sheet, entry->time_us);
}

static struct pl_status print_command(const Pledged__V1__Entry *entry, struct pl_arena *arena,
                                      struct pl_buf *out)
{
    ProtobufCMessage *command = NULL;
    if (!is_whole(entry))
        return pl_buf_append_str(out, "null");
    PL_TRY(pl_unpack_trusted(&pledged__v1__command__descriptor,
                             pl_slice(entry->command.data, entry->command.len), arena, &command));
    return pl_json_print(command, out);
}

struct pl_status entries_print_line(const Pledged__V1__Entry *entry, struct pl_arena *arena,
                                    struct pl_buf *out)
{
    char time[28], id[37];
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
    PL_TRY(print_command(entry, arena, out));
    return pl_buf_append_str(out, "}\n");
}
