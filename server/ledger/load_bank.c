/* SPDX-License-Identifier: Apache-2.0
 *
 * load_bank: see load_bank.h.
 */
#include "server/ledger/load_bank.h"

#include "server/ledger/deed.h"
#include "server/ledger/learn.h"
#include "server/ledger/movement.h"
#include "server/ledger/state.h"

enum { BANK_ENTRY_ROW_BYTES = 6 * 8 + 6 * 4 + 3 + 3 }; /* as it is saved */

static struct pl_status load_bank_entry(struct intake *in, struct ledger *ledger,
                                        struct state_bank_entry *b)
{
    uint8_t small[3];
    PL_TRY(intake_next_row(in));
    b->amount = intake_row_i64(in);
    b->allocated = intake_row_i64(in);
    b->refunded = intake_row_i64(in);
    b->explained = intake_row_i64(in);
    b->seq = intake_row_u64(in);
    b->reversed_by = intake_row_u64(in);
    b->pledge = intake_row_u32(in);
    b->next_of_pledge = intake_row_u32(in);
    b->bank_ref = intake_row_u32(in);
    b->movement = intake_row_u32(in);
    uint32_t date = intake_row_u32(in), since = intake_row_u32(in);
    PL_TRY(intake_currency(in, &b->currency));
    intake_row(in, small, sizeof(small));
    b->value_date = (int32_t)date;
    b->since = (int32_t)since;
    b->confirmed = small[0];
    b->reversed = small[1];
    b->debit = small[2];
    b->alloc_first = b->alloc_last = STATE_NONE;
    bool fine = (b->pledge == STATE_NONE || (b->pledge < ledger->pledge_count && !b->debit)) &&
                b->bank_ref < ledger->text_len && b->currency >= 0 && b->allocated >= 0 &&
                b->refunded >= 0 && b->explained >= 0 && b->amount >= 0 &&
                b->refunded <= b->amount && b->explained <= b->amount - b->refunded &&
                b->allocated <= b->amount - b->refunded - b->explained && /* I2, I3 */
                (!b->debit || (b->pledge == STATE_NONE && b->refunded == 0 && b->explained == 0)) &&
                b->value_date > -40000 && b->since >= b->value_date && b->since < 400000;
    return fine ? pl_ok() : intake_bad();
}

struct pl_status load_bank_entries(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, UINT32_MAX - 1, &count));
    intake_begin_rows(in, BANK_ENTRY_ROW_BYTES, count);
    for (size_t i = 0; i < count; i++) {
        ledger->bank_entry = intake_room(in, ledger->bank_entry, i, count, &ledger->bank_entry_cap,
                                         sizeof(*ledger->bank_entry));
        ledger->bank_entry[i] = (struct state_bank_entry){.amount = 0};
        ledger->bank_entry_count = i + 1;
        PL_TRY(load_bank_entry(in, ledger, &ledger->bank_entry[i]));
    }
    return pl_ok();
}

struct pl_status load_bank_refunds(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, STATE_ROWS_MAX, &count));
    for (size_t i = 0; i < count; i++) {
        uint8_t small[2];
        ledger->refund =
            state_grow(ledger->refund, i, &ledger->refund_cap, sizeof(*ledger->refund));
        struct state_refund *r = &ledger->refund[i];
        *r = (struct state_refund){.amount = 0};
        ledger->refund_count = i + 1;
        PL_TRY(intake_i64(in, &r->amount));
        PL_TRY(intake_u64(in, &r->seq));
        PL_TRY(intake_u64(in, &r->changed_seq));
        PL_TRY(intake_u32(in, &r->bank_entry));
        PL_TRY(intake_u32(in, &r->debit));
        PL_TRY(intake_u32(in, &r->contributor));
        PL_TRY(intake_day(in, &r->dated));
        PL_TRY(intake_take(in, small, sizeof(small)));
        r->state = small[0];
        r->other_payee = small[1];
        bool paid = r->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_PAID;
        if (r->amount <= 0 || r->seq == 0 || r->changed_seq > ledger->size || r->state == 0 ||
            r->state > PLEDGED__V1__REFUND_STATE__REFUND_STATE_CANCELLED ||
            r->bank_entry >= ledger->bank_entry_count ||
            (r->contributor != STATE_NONE && r->contributor >= ledger->contributor_count) ||
            (paid ? r->debit >= ledger->bank_entry_count : r->debit != STATE_NONE))
            return intake_bad();
    }
    return pl_ok();
}

struct pl_status load_bank_deeds(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, STATE_ROWS_MAX, &count));
    for (size_t i = 0; i < count; i++) {
        struct state_deed d = {.seq = 0};
        PL_TRY(intake_u64(in, &d.seq));
        PL_TRY(intake_u64(in, &d.reversed_by));
        PL_TRY(intake_i64(in, &d.quantity));
        PL_TRY(intake_u32(in, &d.of));
        PL_TRY(intake_u32(in, &d.credit));
        PL_TRY(intake_u32(in, &d.debit));
        PL_TRY(intake_day(in, &d.day));
        PL_TRY(intake_day(in, &d.dated));
        PL_TRY(intake_take(in, &d.fact, 1));
        PL_TRY(intake_take(in, &d.alone, 1));
        if (d.seq == 0 || d.seq > ledger->size || d.reversed_by > ledger->size ||
            (i > 0 && d.seq <= ledger->deed[i - 1].seq) || !deed_fits(ledger, &d))
            return intake_bad();
        deed_add(ledger, &d);
    }
    return pl_ok();
}

struct pl_status load_bank_accounts(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, 65536, &count));
    ledger->account = calloc(count + 1, sizeof(*ledger->account));
    PL_ASSERT(ledger->account != NULL);
    for (; ledger->account_count < count; ledger->account_count++) {
        struct state_account *a = &ledger->account[ledger->account_count];
        PL_TRY(intake_take(in, (uint8_t *)a->account, sizeof(a->account)));
        PL_TRY(intake_currency(in, &a->currency));
        PL_TRY(intake_take(in, &a->shared, 1));
        if (a->account[sizeof(a->account) - 1] != '\0')
            return intake_bad();
    }
    return pl_ok();
}

struct pl_status load_bank_statements(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->size, &count));
    for (uint32_t i = 0; i < count; i++) {
        ledger->statement =
            state_grow(ledger->statement, i, &ledger->statement_cap, sizeof(*ledger->statement));
        struct state_statement *s = &ledger->statement[i];
        *s = (struct state_statement){.seq = 0};
        ledger->statement_count = (size_t)i + 1;
        PL_TRY(intake_take(in, s->key, sizeof(s->key)));
        PL_TRY(intake_u64(in, &s->seq));
        PL_TRY(intake_u64(in, &s->sequence));
        PL_TRY(intake_i64(in, &s->opening));
        PL_TRY(intake_i64(in, &s->closing));
        PL_TRY(intake_i64(in, &s->movements));
        PL_TRY(intake_i64(in, &s->remainder_count));
        PL_TRY(intake_i64(in, &s->remainder_minor));
        PL_TRY(intake_u32(in, &s->account));
        PL_TRY(intake_currency(in, &s->currency));
        PL_TRY(intake_take(in, &s->kind, 1));
        if (s->seq == 0 || s->seq > ledger->size || s->currency < 0 ||
            s->account >= ledger->text_len || pl_map_get(&ledger->statements, s->key) != NULL)
            return intake_bad();
        pl_map_put(&ledger->statements, s->key, &i);
    }
    return pl_ok();
}

static struct pl_status load_movement(struct intake *in, const struct ledger *ledger,
                                      uint32_t index, struct state_movement *m)
{
    uint8_t small[5];
    uint32_t date = 0;
    PL_TRY(intake_u64(in, &m->seq));
    PL_TRY(intake_u32(in, &m->bank_entry));
    PL_TRY(intake_u32(in, &m->statement));
    PL_TRY(intake_u32(in, &m->meant));
    PL_TRY(intake_u32(in, &m->batch));
    PL_TRY(intake_u32(in, &date));
    PL_TRY(intake_u32(in, &m->occurrence));
    PL_TRY(intake_u32(in, &m->detail));
    PL_TRY(intake_u32(in, &m->parts_told));
    PL_TRY(intake_u64(in, &m->learned_seq));
    PL_TRY(intake_i64(in, &m->instructed_minor));
    PL_TRY(intake_currency(in, &m->instructed_currency));
    PL_TRY(intake_take(in, small, sizeof(small)));
    PL_TRY(intake_take(in, (uint8_t *)m->key, sizeof(m->key)));
    PL_TRY(intake_take(in, m->batch_key, sizeof(m->batch_key)));
    PL_TRY(intake_take(in, m->part_key, sizeof(m->part_key)));
    m->booking_date = (int32_t)date;
    m->kind = small[0];
    m->queue = small[1];
    m->levels = small[2];
    m->whole = small[3];
    m->parts = small[4];
    bool fine = m->seq != 0 && m->seq <= ledger->size && m->bank_entry < ledger->bank_entry_count &&
                ledger->bank_entry[m->bank_entry].movement == index &&
                m->statement < ledger->statement_count && m->levels < 1u << STATE_LEVELS &&
                (m->meant == STATE_NONE || m->meant < ledger->pledge_count) &&
                (m->detail == STATE_NONE || m->detail < ledger->erasable_count) &&
                (m->parts_told == STATE_NONE || m->parts_told < ledger->statement_count) &&
                m->learned_seq <= ledger->size && m->parts <= LEARN_ALL_PARTS &&
                (m->batch == STATE_NONE || m->batch < ledger->bank_entry_count);
    return fine ? pl_ok() : intake_bad();
}

/* In their order, so that twins get their places as they had them. */
struct pl_status load_bank_movements(struct intake *in, struct ledger *ledger)
{
    size_t count;
    PL_TRY(intake_count(in, ledger->bank_entry_count, &count));
    for (uint32_t i = 0; i < count; i++) {
        ledger->movement =
            state_grow(ledger->movement, i, &ledger->movement_cap, sizeof(*ledger->movement));
        ledger->movement[i] = (struct state_movement){.seq = 0};
        PL_TRY(load_movement(in, ledger, i, &ledger->movement[i]));
        ledger->movement_count = (size_t)i + 1;
        movement_register(ledger, i);
    }
    for (size_t i = 0; i < ledger->bank_entry_count; i++) {
        uint32_t movement = ledger->bank_entry[i].movement;
        if (movement != STATE_NONE &&
            (movement >= count || ledger->movement[movement].bank_entry != i))
            return intake_bad();
    }
    return pl_ok();
}
