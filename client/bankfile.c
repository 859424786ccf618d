/* SPDX-License-Identifier: Apache-2.0
 *
 * bankfile: see bankfile.h.
 */
#include "client/bankfile.h"

#include <string.h>

#include "client/camt.h"
#include "client/input.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/ids.h"
#include "common/reference.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

static bool is_picked(const struct cli *cli, const struct camt_movement *movement)
{
    size_t count = cli->options.value[OPTION_TAKE].count;
    for (size_t i = 0; i < count; i++) {
        const char *picked = cli->options.value[OPTION_TAKE].text[i];
        if (strcmp(picked, movement->bank_ref) == 0 ||
            strcmp(picked, movement->end_to_end_id) == 0 || strcmp(picked, movement->uetr) == 0)
            return true;
    }
    return false;
}

/* The reference whose checksum holds: of its own field, else out of the free text. */
static struct pl_status set_reference(struct cli *cli, const struct camt_movement *from,
                                      Pledged__V1__Movement *movement)
{
    char found[PL_REFERENCE_BYTES];
    bool own = pl_reference_read(from->reference, found) != PL_REFERENCE_NONE;
    if (!own && !pl_reference_find(from->text, found))
        return pl_ok();
    movement->reference = pl_arena_strdup(&cli->arena, found);
    movement->reference_in_text = !own;
    return movement->reference != NULL ? pl_ok() : text_no_memory();
}

static struct pl_status fill_movement(struct cli *cli, const struct camt_movement *from,
                                      Pledged__V1__Movement **ret)
{
    static const Pledged__V1__MovementKind kinds[] = {
        [CAMT_PAYMENT] = KIND(PAYMENT),   [CAMT_CHARGE] = KIND(CHARGE), [CAMT_BATCH] = KIND(BATCH),
        [CAMT_REVERSAL] = KIND(REVERSAL), [CAMT_RETURN] = KIND(RETURN),
    };
    Pledged__V1__Movement *movement = pl_arena_alloc(&cli->arena, sizeof(*movement));
    Pledged__V1__Money *instructed = pl_arena_alloc(&cli->arena, sizeof(*instructed));
    Pledged__V1__Money *charges = pl_arena_alloc(&cli->arena, sizeof(*charges));
    if (movement == NULL || instructed == NULL || charges == NULL)
        return text_no_memory();
    pledged__v1__movement__init(movement);
    movement->kind = kinds[from->kind];
    movement->minor = from->minor;
    movement->booking_date = input_lend(from->booking_date);
    movement->value_date = input_lend(from->value_date);
    movement->bank_ref = input_lend(from->bank_ref);
    movement->batch_ref = input_lend(from->batch_ref);
    movement->batch_count = from->batch_count;
    movement->entry_ref = input_lend(from->entry_ref);
    movement->uetr = input_lend(from->uetr);
    movement->end_to_end_id = input_lend(from->end_to_end_id);
    movement->return_reason = input_lend(from->return_reason);
    movement->rate = input_lend(from->rate);
    if (from->instructed_currency[0] != '\0') {
        pledged__v1__money__init(instructed);
        instructed->minor = from->instructed_minor;
        instructed->currency = input_lend(from->instructed_currency);
        movement->instructed = instructed;
    }
    movement->bank_code = input_lend(from->bank_code);
    if (from->charges_currency[0] != '\0') {
        pledged__v1__money__init(charges);
        charges->minor = from->charges_minor;
        charges->currency = input_lend(from->charges_currency);
        movement->charges = charges;
    }
    *ret = movement;
    return set_reference(cli, from, movement);
}

/* On an account that others use as well: what has a reference of ours, names a refund that left, or
 * is picked by hand. */
static bool is_ours(const struct cli *cli, const struct camt_movement *from,
                    const Pledged__V1__Movement *movement)
{
    return !options_has(&cli->options, OPTION_OURS) || is_picked(cli, from) ||
           pl_reference_pledge(movement->reference) != 0 ||
           (movement->minor < 0 && pl_id_parse(movement->end_to_end_id, 'R') != 0);
}

static struct pl_status fill_statement(struct cli *cli, const struct camt_statement *from,
                                       Pledged__V1__BankStatement *bank, struct payers *payers)
{
    Pledged__V1__Remainder *rest = pl_arena_alloc(&cli->arena, sizeof(*rest));
    pledged__v1__bank_statement__init(bank);
    bank->movement =
        pl_arena_alloc(&cli->arena, (from->movement_count + 1) * sizeof(*bank->movement));
    if (rest == NULL || bank->movement == NULL)
        return text_no_memory();
    pledged__v1__remainder__init(rest);
    bank->kind = from->notification ? PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION
                                    : PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT;
    bank->account = input_lend(from->account);
    bank->currency = input_lend(from->currency);
    bank->id = input_lend(from->id);
    bank->sequence = from->sequence;
    bank->created = input_lend(from->created);
    bank->from_date = input_lend(from->from);
    bank->to_date = input_lend(from->to);
    bank->opening_minor = from->opening;
    bank->closing_minor = from->closing;
    for (size_t i = 0; i < from->movement_count; i++) {
        Pledged__V1__Movement *movement = NULL;
        PL_TRY(fill_movement(cli, &from->movement[i], &movement));
        if (is_ours(cli, &from->movement[i], movement)) {
            bank->movement[bank->n_movement++] = movement;
            PL_TRY(payers_add(payers, &from->movement[i], &cli->arena));
            continue;
        }
        rest->count++;
        rest->minor += movement->minor; /* they all add up to a balance that was counted */
    }
    if (options_has(&cli->options, OPTION_OURS))
        bank->remainder = rest;
    return pl_ok();
}

static struct pl_status fill_command(struct cli *cli, struct pl_slice bytes,
                                     const struct camt_file *file,
                                     Pledged__V1__ImportStatement **ret, struct payers *ret_payers)
{
    Pledged__V1__ImportStatement *import = pl_arena_alloc(&cli->arena, sizeof(*import));
    uint8_t *digest = pl_arena_alloc(&cli->arena, PL_SHA256_BYTES);
    size_t count = file->statement_count;
    if (import == NULL || digest == NULL)
        return text_no_memory();
    pledged__v1__import_statement__init(import);
    PL_TRY(payers_init(ret_payers, bytes, CAMT_MOVEMENTS_MAX, &cli->arena));
    pl_sha256(bytes, digest);
    import->file_sha256 = (ProtobufCBinaryData){PL_SHA256_BYTES, digest};
    import->message_id = input_lend(file->message_id);
    import->statement = pl_arena_alloc(&cli->arena, count * sizeof(*import->statement));
    if (import->statement == NULL)
        return text_no_memory();
    for (size_t i = 0; i < count; i++) {
        import->statement[i] = pl_arena_alloc(&cli->arena, sizeof(*import->statement[i]));
        if (import->statement[i] == NULL)
            return text_no_memory();
        PL_TRY(fill_statement(cli, &file->statement[i], import->statement[i], ret_payers));
        import->n_statement++;
    }
    *ret = import;
    return pl_ok();
}

struct pl_status bankfile_read(struct cli *cli, struct pl_slice bytes, const char *name,
                               Pledged__V1__ImportStatement **ret, struct payers *ret_payers)
{
    struct camt_file *file = NULL;
    PL_TRY(camt_read(bytes, name, &cli->arena, &cli->failure, &file));
    return fill_command(cli, bytes, file, ret, ret_payers);
}
