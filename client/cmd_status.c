/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_status: what the daemon says about itself and about the caller.
 */
#include <inttypes.h>

#include "client/commands.h"
#include "common/check.h"

static const struct column status_columns[] = {
    {"version", N_("Version of the daemon"), IN_ALL, false},
    {"person", N_("You are"), IN_ALL, false},
    {"role", N_("Your role"), IN_ALL, false},
    {"origin", N_("Ledger"), IN_ALL, false},
    {"ledger_id", N_("Ledger id"), IN_ALL, false},
    {"size", N_("Entries"), IN_ALL, true},
    {"batches", N_("Batches"), IN_ALL, true},
    {"last_time", N_("Last entry at"), IN_ALL, false},
    {"store", N_("Store"), IN_ALL, false},
    {"epoch", N_("Epoch"), IN_ALL, true},
    {"writable", N_("Takes commands"), IN_ALL, false},
    {"why_not_writable", N_("Why not"), IN_ALL, false},
    {"vkey", N_("Public key"), IN_ALL, false},
    {"expiry_stopped", N_("Clock jumped, holds do not end"), IN_ALL, false},
    {"catalogue", N_("Catalogue"), IN_ALL, false},
    {"catalogue_version", N_("Version of the catalogue"), IN_ALL, true},
    {"client_version", N_("Version of this program"), IN_ALL, false},
    {"last_time_us", NULL, IN_JSON, true},
    {"checkpoint_size", N_("Entries under the signed checkpoint"), IN_ALL, true},
    {"checkpoint_time", N_("Signed at"), IN_ALL, false},
    {"witness_quorum", N_("Witnesses suffice"), IN_ALL, false},
    {"witnesses", N_("Witnesses"), IN_TABLE | IN_ROWS, false},
    {"witness", NULL, IN_JSON, false},
    {"four_eyes", N_("Needs a second person"), IN_ALL, false},
    {"open_proposals", N_("Open proposals"), IN_ALL, true},
    {"time_zone", N_("Time zone of the fund"), IN_ALL, false},
};

/* For programs a list of objects; for people a line: name, entries, what is wrong. */
static struct pl_status add_witnesses(struct sheet *sheet,
                                      const Pledged__V1__GetStatusResponse *answer)
{
    struct pl_buf json PL_CLEANUP(pl_buf_fini), words PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&json, 1 << 20);
    pl_buf_init(&words, 1 << 20);
    PL_TRY(pl_buf_append_str(&json, "["));
    for (size_t i = 0; i < answer->n_witness; i++) {
        const Pledged__V1__WitnessStatus *witness = answer->witness[i];
        PL_TRY(pl_buf_append_str(&json, i == 0 ? "" : ", "));
        PL_TRY(output_message(&witness->base, &json));
        PL_TRY(pl_buf_printf(&words, "%s%s: %" PRIu64 "%s%s%s", i == 0 ? "" : "; ", witness->name,
                             witness->cosigned_size, witness->trouble[0] == '\0' ? "" : " (",
                             witness->trouble, witness->trouble[0] == '\0' ? "" : ")"));
    }
    PL_TRY(pl_buf_append(&json, "]", 2)); /* with the NUL */
    PL_TRY(pl_buf_append(&words, "", 1));
    const char *machine = pl_arena_strdup(sheet->arena, (const char *)pl_buf_slice(&json).data);
    const char *human = pl_arena_strdup(sheet->arena, (const char *)pl_buf_slice(&words).data);
    if (machine == NULL || human == NULL)
        return pl_fail(TOO_BIG, "show the witnesses");
    sheet_text(sheet, human);
    sheet_json(sheet, machine);
    return pl_ok();
}

/* Programs read codes, as in the configuration. */
static void add_classes(struct sheet *sheet, const Pledged__V1__GetStatusResponse *answer)
{
    const char *codes = NULL, *labels = NULL;
    for (size_t i = 0; i < answer->n_four_eyes; i++) {
        int class = (int)answer->four_eyes[i];
        const char *code = text_code(TEXT_CLASS, class), *label = text_label(TEXT_CLASS, class);
        codes = codes == NULL ? code : pl_arena_printf(sheet->arena, "%s,%s", codes, code);
        labels = labels == NULL ? label : pl_arena_printf(sheet->arena, "%s, %s", labels, label);
    }
    sheet_pair(sheet, codes, labels);
}

/* The rule as the ledger has it. Absent: an older daemon, which does not say it. */
static void add_zone(struct sheet *sheet, const Pledged__V1__GetStatusResponse *answer)
{
    if (answer->zone_case == PLEDGED__V1__GET_STATUS_RESPONSE__ZONE_TIME_ZONE)
        sheet_text(sheet, answer->time_zone[0] == '\0' ? "UTC0" : answer->time_zone);
    else
        sheet_text(sheet, NULL);
}

struct pl_status cmd_status(struct cli *cli)
{
    Pledged__V1__GetStatusRequest request = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetStatus", &request.base, &pledged__v1__get_status_response__descriptor,
                    &message));
    const Pledged__V1__GetStatusResponse *answer = (const void *)message;
    struct sheet sheet;
    cli_take_zone(answer);
    sheet_init(&sheet, NULL, status_columns, PL_COUNT(status_columns), &cli->arena);
    sheet_text(&sheet, answer->version);
    sheet_quoted(&sheet, answer->person);
    sheet_code(&sheet, TEXT_ROLE, (int)answer->role);
    sheet_text(&sheet, answer->origin);
    sheet_hex(&sheet, answer->ledger_id);
    sheet_number(&sheet, (int64_t)answer->size);
    sheet_number(&sheet, (int64_t)answer->batches);
    sheet_time(&sheet, answer->last_time_us);
    sheet_text(&sheet, answer->store);
    sheet_number(&sheet, (int64_t)answer->epoch);
    sheet_bool(&sheet, answer->writable);
    if (answer->writable)
        sheet_text(&sheet, NULL);
    else /* programs get the daemon's own words */
        sheet_pair(&sheet, answer->why_not_writable, text_unavailable(answer->why_not_writable));
    sheet_text(&sheet, answer->vkey);
    sheet_bool(&sheet, answer->expiry_stopped);
    sheet_text(&sheet, answer->catalogue);
    sheet_seq(&sheet, answer->catalogue_version);
    sheet_text(&sheet, PLEDGED_VERSION);
    sheet_time_us(&sheet, answer->last_time_us);
    sheet_seq(&sheet, answer->checkpoint_size);
    sheet_time(&sheet, answer->checkpoint_time_us);
    if (answer->n_witness > 0)
        sheet_bool(&sheet, answer->witness_quorum);
    else
        sheet_text(&sheet, NULL);
    PL_TRY(add_witnesses(&sheet, answer));
    add_classes(&sheet, answer);
    sheet_number(&sheet, (int64_t)answer->open_proposals);
    add_zone(&sheet, answer);
    return cli_show(cli, &sheet);
}
