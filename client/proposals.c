/* SPDX-License-Identifier: Apache-2.0
 *
 * proposals: a row a proposal: its number, what it is, who proposed it and why.
 */
#include "client/proposals.h"

#include <string.h>

#include "client/text.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/scan.h"
#include "pledged/v1/command.pb-c.h"

static const struct column columns[] = {
    {"seq", N_("Proposal"), IN_ALL, true},
    {"state", N_("State"), IN_ALL, false},
    {"class", N_("Kind"), IN_ALL, false},
    {"command", N_("Command"), IN_ALL, false},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"maker", N_("Proposed by"), IN_ALL, false},
    {"time", N_("When"), IN_ALL, false},
    {"expires", N_("Expires"), IN_ALL, false},
    {"closed_seq", N_("Decided by entry"), IN_ALL, true},
    {"reason", N_("Reason"), IN_ALL, false},
    {"time_us", NULL, IN_JSON, true},
    {"expires_us", NULL, IN_JSON, true},
    {"details", N_("What exactly"), IN_ALL, false},
    {"all", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"now", N_("Would be now"), IN_ALL, true},
};
enum {
    DETAILS_MAX = 128 << 10,
    SHOWN_MAX = 400 /* bytes in a table: a catalogue has a hundred times as many */
};

void proposals_init(struct sheet *sheet, struct pl_arena *arena)
{
    sheet_init(sheet, "proposals", columns, PL_COUNT(columns), arena);
}

/* What was proposed; only while it is open. */
static const Pledged__V1__Command *command_of(const Pledged__V1__ProposalStatus *row,
                                              struct pl_arena *arena)
{
    ProtobufCMessage *message = NULL;
    if (row->command.len == 0 ||
        !pl_is_ok(pl_unpack_trusted(&pledged__v1__command__descriptor,
                                    pl_slice(row->command.data, row->command.len), arena,
                                    &message)))
        return NULL;
    return (const Pledged__V1__Command *)message;
}

static struct pl_status put_details(const Pledged__V1__Command *command, struct pl_buf *out)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
        &pledged__v1__command__descriptor, (unsigned)command->command_case);
    if (field == NULL)
        return pl_fail(UNIMPLEMENTED, "a command that this version does not know");
    PL_TRY(pl_buf_printf(out, "{\"%s\": ", field->name));
    PL_TRY(pl_json_print(&command->approve->base, out)); /* all members are pointers to messages */
    if (command->effective_date[0] != '\0')
        PL_TRY(pl_buf_printf(out, ", \"effective_date\": \"%s\"", command->effective_date));
    for (size_t i = 0; i < command->n_evidence; i++) {
        char sha256[2 * PL_SHA256_BYTES + 1] = "";
        ProtobufCBinaryData hash = command->evidence[i]->sha256;
        if (hash.len == PL_SHA256_BYTES)
            pl_hex(pl_slice(hash.data, hash.len), sha256);
        PL_TRY(pl_buf_append_str(out, i == 0 ? ", \"evidence\": [{\"kind\": " : ", {\"kind\": "));
        PL_TRY(pl_json_string(out, command->evidence[i]->kind));
        PL_TRY(pl_buf_printf(out, ", \"sha256\": \"%s\"}", sha256));
    }
    return pl_buf_append_str(out, command->n_evidence != 0 ? "]}" : "}");
}

/* All that a second person has to see, on one line: the command's own values, its day, and each
 * document's kind and hash, to be compared with the file at hand. */
static const char *details_of(const Pledged__V1__Command *command, struct pl_arena *arena)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, DETAILS_MAX);
    if (!pl_is_ok(put_details(command, &text)))
        return NULL;
    struct pl_slice json = pl_buf_slice(&text);
    return pl_arena_printf(arena, "%.*s", (int)json.len, (const char *)json.data);
}

/* What is too long for a table begins there, and says where the rest is. */
static void put_shown(struct sheet *sheet, const char *details)
{
    size_t len = details == NULL ? 0 : strlen(details), cut = SHOWN_MAX;
    if (len <= SHOWN_MAX) {
        sheet_text(sheet, details);
        return;
    }
    while (cut > 0 && ((unsigned char)details[cut] & 0xc0) == 0x80) /* no half of a letter */
        cut--;
    sheet_pair(sheet, details,
               pl_arena_printf(sheet->arena, "%.*s… (%s)", (int)cut, details,
                               _("cut off: all of it with --format json")));
}

void proposals_add(struct sheet *sheet, const Pledged__V1__ProposalStatus *row)
{
    const Pledged__V1__Command *command = command_of(row, sheet->arena);
    sheet_seq(sheet, row->seq);
    sheet_code(sheet, TEXT_PROPOSAL, (int)row->state);
    sheet_code(sheet, TEXT_CLASS, (int)row->class_);
    sheet_text(sheet, row->command_name);
    sheet_text(sheet, row->pledge);
    sheet_quoted(sheet, row->maker);
    sheet_time(sheet, row->time_us);
    sheet_end(sheet, row->expires_us);
    sheet_seq(sheet, row->closed_seq);
    sheet_quoted(sheet, command == NULL ? NULL : command->reason);
    sheet_time_us(sheet, row->time_us);
    sheet_time_us(sheet, row->expires_us);
    put_shown(sheet, command == NULL ? NULL : details_of(command, sheet->arena));
    sheet_amount(sheet, row->all);
    sheet_text(sheet, row->all != NULL ? row->all->currency : NULL);
    sheet_amount(sheet, row->now);
}
