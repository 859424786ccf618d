/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_contacts: persons at organisations: recorded beside the ledger, listed, erased for good.
 */
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/requests.h"
#include "client/write.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/rng.h"
#include "common/scan.h"

/* --- record --- */

/* A repetition under the same request id has to be the very same request, so the salt of the one
 * that is kept here (nobody knows yet what became of it) is used again. */
static void salt_of(struct cli *cli, const struct write *write, struct pl_slice record,
                    uint8_t salt[32])
{
    ProtobufCMessage *message = NULL;
    struct pl_slice kept;
    pl_rng_bytes(salt, 32);
    if (!options_has(&cli->options, OPTION_REQUEST_ID) ||
        !pl_is_ok(requests_find(write->request_text, &cli->arena, &kept)) ||
        !pl_is_ok(pl_unpack_trusted(&pledged__v1__execute_private_request__descriptor, kept,
                                    &cli->arena, &message)))
        return;
    const Pledged__V1__ExecutePrivateRequest *request = (const void *)message;
    if (request->n_record == 1 && request->record[0]->salt.len == 32 &&
        pl_slice_eq(record,
                    pl_slice(request->record[0]->record.data, request->record[0]->record.len)))
        memcpy(salt, request->record[0]->salt.data, 32);
}

struct pl_status cmd_contact_add(struct cli *cli)
{
    struct write write;
    uint8_t salt[32], commitment[PL_SHA256_BYTES];
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__Contact contact = PLEDGED__V1__CONTACT__INIT;
    contact.name = input_lend(options_get(&cli->options, OPTION_NAME));
    contact.function = input_lend(options_get(&cli->options, OPTION_FUNCTION));
    contact.email = input_lend(options_get(&cli->options, OPTION_EMAIL));
    contact.phone = input_lend(options_get(&cli->options, OPTION_PHONE));
    struct pl_slice record = pl_pack(&contact.base, &cli->arena);
    if (record.data == NULL && record.len != 0)
        return text_no_memory();
    salt_of(cli, &write, record, salt);
    pl_hmac_sha256(pl_slice(salt, sizeof(salt)), record, commitment);
    Pledged__V1__PrivateRecord private = PLEDGED__V1__PRIVATE_RECORD__INIT;
    Pledged__V1__PrivateRecord *list[] = {&private};
    private.commitment = (ProtobufCBinaryData){sizeof(commitment), commitment};
    private.salt = (ProtobufCBinaryData){sizeof(salt), salt};
    private.record = (ProtobufCBinaryData){record.len, (uint8_t *)(uintptr_t)record.data};
    Pledged__V1__RecordContact command = PLEDGED__V1__RECORD_CONTACT__INIT;
    command.contributor = input_id(cli, cli->arg[0], 'C');
    command.commitment = private.commitment;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT;
    write.command.record_contact = &command;
    write.record = list;
    write.record_count = 1;
    write.subject = WRITE_CONTACT;
    return write_run(cli, &write);
}

/* --- list --- */

static const struct column contact_columns[] = {
    {"contact", N_("Id"), IN_ALL, false},     {"contributor", NULL, IN_PROGRAMS, false},
    {"name", N_("Name"), IN_ALL, false},      {"function", N_("Function"), IN_ALL, false},
    {"email", N_("E-mail"), IN_ALL, false},   {"phone", N_("Telephone"), IN_ALL, false},
    {"seq", N_("Entry"), IN_ALL, true},       {"erased_seq", N_("Erased by"), IN_ALL, true},
    {"commitment", NULL, IN_PROGRAMS, false},
};

static const Pledged__V1__Contact *record_of(struct cli *cli,
                                             const Pledged__V1__GetPrivateRecordsResponse *records,
                                             const Pledged__V1__ContactStatus *one)
{
    struct pl_slice commitment = pl_slice(one->commitment.data, one->commitment.len);
    for (size_t i = 0; i < records->n_record; i++) {
        const Pledged__V1__PrivateRecord *record = records->record[i];
        ProtobufCMessage *message = NULL;
        if (pl_slice_eq(commitment, pl_slice(record->commitment.data, record->commitment.len)) &&
            pl_is_ok(pl_unpack_trusted(&pledged__v1__contact__descriptor,
                                       pl_slice(record->record.data, record->record.len),
                                       &cli->arena, &message)))
            return (const void *)message;
    }
    return NULL;
}

static void add_contact(struct sheet *sheet, const Pledged__V1__ContactStatus *one,
                        const Pledged__V1__Contact *record)
{
    sheet_text(sheet, one->contact);
    sheet_text(sheet, one->contributor);
    sheet_text(sheet, record == NULL ? NULL : record->name);
    sheet_text(sheet, record == NULL ? NULL : record->function);
    sheet_text(sheet, record == NULL ? NULL : record->email);
    sheet_text(sheet, record == NULL ? NULL : record->phone);
    sheet_seq(sheet, one->seq);
    sheet_seq(sheet, one->erased_seq);
    sheet_hex(sheet, one->commitment);
}

static struct pl_status read_records(struct cli *cli,
                                     const Pledged__V1__ListContactsResponse *contacts,
                                     const Pledged__V1__GetPrivateRecordsResponse **ret)
{
    Pledged__V1__GetPrivateRecordsRequest request = PLEDGED__V1__GET_PRIVATE_RECORDS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.commitment =
        pl_arena_alloc(&cli->arena, (contacts->n_contact + 1) * sizeof(*request.commitment));
    if (request.commitment == NULL)
        return text_no_memory();
    for (size_t i = 0; i < contacts->n_contact; i++) {
        if (contacts->contact[i]->erased_seq == 0)
            request.commitment[request.n_commitment++] = contacts->contact[i]->commitment;
    }
    PL_TRY(cli_read(cli, "GetPrivateRecords", &request.base,
                    &pledged__v1__get_private_records_response__descriptor, &message));
    *ret = (const void *)message;
    return pl_ok();
}

struct pl_status cmd_contacts(struct cli *cli)
{
    Pledged__V1__ListContactsRequest request = PLEDGED__V1__LIST_CONTACTS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.contributor = input_id(cli, cli->arg[0], 'C');
    PL_TRY(cli_read(cli, "ListContacts", &request.base,
                    &pledged__v1__list_contacts_response__descriptor, &message));
    const Pledged__V1__ListContactsResponse *contacts = (const void *)message;
    const Pledged__V1__GetPrivateRecordsResponse *records = NULL;
    PL_TRY(read_records(cli, contacts, &records));
    PL_ASSERT(records != NULL);
    struct sheet sheet;
    sheet_init(&sheet, "contacts", contact_columns, PL_COUNT(contact_columns), &cli->arena);
    for (size_t i = 0; i < contacts->n_contact; i++)
        add_contact(&sheet, contacts->contact[i], record_of(cli, records, contacts->contact[i]));
    sheet_as_of(&sheet, contacts->as_of_seq, 0);
    sheet_note(&sheet, "legal_hold", contacts->legal_hold ? "true" : "false");
    return cli_show(cli, &sheet);
}

/* --- erase --- */

struct pl_status cmd_contributor_erase(struct cli *cli)
{
    struct write write;
    const char *contact = options_get(&cli->options, OPTION_CONTACT);
    if ((contact != NULL) == (cli->arg_count != 0))
        return failure_usage(&cli->failure, "%s",
                             _("give a contributor, or one person with --contact"));
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__EraseContact erase = PLEDGED__V1__ERASE_CONTACT__INIT;
    write.subject = WRITE_CONTRIBUTOR;
    if (contact != NULL) {
        erase.contact = input_id(cli, contact, 'K');
    } else if (cli->arg[0][0] == 'B' || cli->arg[0][0] == 'b') {
        erase.bank_entry = input_id(cli, cli->arg[0], 'B');
        write.subject = WRITE_BANK_ENTRY;
    } else
        erase.contributor = input_id(cli, cli->arg[0], 'C');
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_ERASE_CONTACT;
    write.command.erase_contact = &erase;
    return write_run(cli, &write);
}

struct pl_status cmd_contributor_legal_hold(struct cli *cli)
{
    struct write write;
    bool on = strcmp(cli->arg[1], "on") == 0;
    if (!on && strcmp(cli->arg[1], "off") != 0)
        return failure_usage(&cli->failure, _("'%s': on or off is needed"), cli->arg[1]);
    PL_TRY(write_init(cli, &write, "letter"));
    Pledged__V1__SetLegalHold hold = PLEDGED__V1__SET_LEGAL_HOLD__INIT;
    hold.contributor = input_id(cli, cli->arg[0], 'C');
    hold.on = on;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_SET_LEGAL_HOLD;
    write.command.set_legal_hold = &hold;
    write.subject = WRITE_CONTRIBUTOR;
    return write_run(cli, &write);
}
