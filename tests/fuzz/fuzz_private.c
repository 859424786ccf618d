/* SPDX-License-Identifier: Apache-2.0
 *
 * private: ExecutePrivate: a command and the records that it commits to. What passes has a row for
 * each commitment, and each row makes its commitment; a refusal names a field and repeats nothing
 * of a record. The bytes that the ledger would keep of the command are the command that was judged.
 * First byte: bit 0 puts the commitments right, so that the forms of records are reached;
 * bit 1 but for the one in the command.
 */
#include "common/scan.h"
#include "fuzz.h"
#include "server/private.h"

enum { ARENA_BYTES = 1 << 20, ELEMENTS_MAX = 4096 };

static void put_right(Pledged__V1__ExecutePrivateRequest *request, bool command,
                      struct pl_arena *arena)
{
    uint8_t *salt = pl_arena_alloc(arena, PERSONS_SALT_BYTES);
    uint8_t *made = pl_arena_alloc(arena, LEDGER_COMMITMENT_BYTES);
    if (salt == NULL || made == NULL || request->n_record != 1 ||
        request->command->command_case != PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT)
        return;
    Pledged__V1__PrivateRecord *record = request->record[0];
    memset(salt, 5, PERSONS_SALT_BYTES);
    persons_commit(salt, pl_slice(record->record.data, record->record.len), made);
    record->salt = (ProtobufCBinaryData){PERSONS_SALT_BYTES, salt};
    record->commitment = (ProtobufCBinaryData){LEDGER_COMMITMENT_BYTES, made};
    if (command)
        request->command->record_contact->commitment = record->commitment;
}

static void rows_fit(const Pledged__V1__ExecutePrivateRequest *request,
                     const struct persons_row *row, size_t count)
{
    uint8_t made[LEDGER_COMMITMENT_BYTES];
    FUZZ_HOLDS(count == 1 && count == request->n_record); /* no command has more so far */
    FUZZ_HOLDS(row->record.len >= 1 && row->record.len <= PERSONS_RECORD_BYTES_MAX);
    persons_commit(row->salt, row->record, made);
    FUZZ_HOLDS(memcmp(made, row->commitment, sizeof(made)) == 0);
    FUZZ_HOLDS(memcmp(made, request->command->record_contact->commitment.data, sizeof(made)) == 0);
    /* whoever reads it later gets a contact that a terminal can show */
    Pledged__V1__Contact *contact =
        pledged__v1__contact__unpack(NULL, row->record.len, row->record.data);
    FUZZ_HOLDS(contact != NULL && contact->name[0] != '\0');
    for (const char *at = contact->name; *at != '\0'; at++)
        FUZZ_HOLDS((unsigned char)*at >= 0x20 && *at != 0x7F);
    pledged__v1__contact__free_unpacked(contact, NULL);
}

static void refusal_is_discreet(const Pledged__V1__ExecutePrivateRequest *request,
                                const Pledged__V1__Refusal *refusal)
{
    FUZZ_HOLDS(refusal->message[0] != '\0');
    FUZZ_HOLDS(refusal->reason != PLEDGED__V1__REASON__REASON_UNSPECIFIED);
    for (size_t i = 0; i < request->n_record; i++) {
        ProtobufCBinaryData record = request->record[i]->record;
        FUZZ_HOLDS(record.len < 20 || memmem(refusal->message, strlen(refusal->message),
                                             record.data, record.len) == NULL);
    }
}

/* The daemon records the bytes of field 1 as they stand in the request. */
static void is_what_is_recorded(struct pl_slice bytes,
                                const Pledged__V1__ExecutePrivateRequest *request,
                                struct pl_arena *arena)
{
    struct pl_slice stands = {NULL, 0};
    size_t cursor = 0;
    ProtobufCMessage *again = NULL;
    FUZZ_HOLDS(pl_wire_next(bytes, 1, &cursor, &stands));
    struct pl_status status =
        pl_unpack_trusted(&pledged__v1__command__descriptor, stands, arena, &again);
    if (status.code == PL_E_TOO_BIG)
        return;
    FUZZ_HOLDS(pl_is_ok(status));
    struct pl_slice one = pl_pack(&request->command->base, arena), other = pl_pack(again, arena);
    FUZZ_HOLDS(one.data == NULL || other.data == NULL || pl_slice_eq(one, other));
}

static void look_at(struct pl_slice bytes, unsigned mode, struct pl_arena *arena)
{
    ProtobufCMessage *message = NULL;
    struct pl_scan_error error;
    struct persons_row *row = NULL;
    size_t count = 0;
    if (!pl_is_ok(pl_unpack(&pledged__v1__execute_private_request__descriptor, bytes, ELEMENTS_MAX,
                            arena, &message, &error)))
        return;
    Pledged__V1__ExecutePrivateRequest *request = (void *)message;
    if (request->command == NULL)
        return; /* refused before anything is looked at */
    is_what_is_recorded(bytes, request, arena);
    if ((mode & 1) != 0)
        put_right(request, (mode & 2) == 0, arena);
    Pledged__V1__Refusal *refusal = private_read(LEDGER_RULES, request, arena, &row, &count);
    if (refusal != NULL)
        refusal_is_discreet(request, refusal);
    else
        rows_fit(request, row, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pl_arena arena;
    if (len < 1)
        return 0;
    pl_arena_init(&arena, ARENA_BYTES);
    look_at(pl_slice(data + 1, len - 1), data[0], &arena);
    pl_arena_fini(&arena);
    return 0;
}
