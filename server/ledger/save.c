/* SPDX-License-Identifier: Apache-2.0
 *
 * save: the state as bytes. Little-endian numbers, strings with a length, in the order of this
 * file; no padding, no pointers. The large maps are saved slot by slot, for millions of keys take
 * seconds to be hashed and put: where a pair stands follows from the history alone. Equal histories
 * give equal bytes. The way back is load.c.
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/money.h"
#include "server/ledger/save_private.h"

enum { OUT_BYTES = 1 << 17 };

struct out {
    ledger_write_fn write;
    void *arg;
    uint8_t *bytes; /* owns; gathered */
    size_t used;
    struct pl_status status; /* the first failure */
};

static void flush(struct out *out)
{
    if (pl_is_ok(out->status) && out->used != 0)
        out->status = out->write(out->arg, pl_slice(out->bytes, out->used));
    out->used = 0;
}

static inline void put(struct out *out, const void *data, size_t len)
{
    if (len > OUT_BYTES - out->used)
        flush(out);
    if (len > OUT_BYTES) {
        if (pl_is_ok(out->status))
            out->status = out->write(out->arg, pl_slice(data, len));
        return;
    }
    memcpy(out->bytes + out->used, data, len);
    out->used += len;
}

static inline void put_u64(struct out *out, uint64_t value)
{
    uint8_t bytes[8];
    pl_put_le64(bytes, value);
    put(out, bytes, sizeof(bytes));
}

static inline void put_i64(struct out *out, int64_t value)
{
    put_u64(out, (uint64_t)value);
}

static inline void put_u32(struct out *out, uint32_t value)
{
    uint8_t bytes[4];
    pl_put_le32(bytes, value);
    put(out, bytes, sizeof(bytes));
}

static void put_bytes(struct out *out, const void *data, size_t len)
{
    put_u64(out, len);
    if (len != 0) /* a command that was decided is gone */
        put(out, data, len);
}

static void put_currency(struct out *out, int currency)
{
    put(out, currency >= 0 ? pl_currency_code(currency) : "---", 3);
}

static void save_version(struct out *out, const struct catalogue *version)
{
    put_u64(out, version->adopted_seq);
    put_bytes(out, version->bytes.data, version->bytes.len);
}

static void save_catalogues(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->catalogue_count);
    put_u32(out, ledger->catalogue_in_force);
    for (size_t i = 0; i < ledger->catalogue_count; i++) {
        save_version(out, ledger->catalogue[i].current);
        put_u64(out, ledger->catalogue[i].older_count);
        for (size_t j = 0; j < ledger->catalogue[i].older_count; j++)
            save_version(out, ledger->catalogue[i].older[j]);
    }
    put_u64(out, ledger->tier_count);
    for (size_t i = 0; i < ledger->tier_count; i++) {
        const struct state_tier *tier = &ledger->tier[i];
        put(out, tier->code, sizeof(tier->code));
        put_u32(out, tier->catalogue);
        put_u32(out, (uint32_t)tier->def);
        put_i64(out, tier->capacity);
        put_u32(out, tier->wait_first);
        put_u32(out, tier->wait_last);
        put_u64(out, tier->taken_seq);
    }
}

static void save_contributors(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->contributor_count);
    for (size_t i = 0; i < ledger->contributor_count; i++) {
        const struct state_contributor *contributor = &ledger->contributor[i];
        put_u32(out, contributor->name);
        put(out, &contributor->kind, 1);
        put(out, contributor->country, sizeof(contributor->country));
        put(out, contributor->itu_membership, sizeof(contributor->itu_membership));
        put_u64(out, contributor->seq);
        put_u64(out, contributor->hold_seq);
    }
}

static void save_benefits(struct out *out, const struct ledger *ledger)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < ledger->pledge_count; i++)
        count += save_is_frozen(ledger, i);
    put_u64(out, count);
    for (uint32_t i = 0; i < ledger->pledge_count; i++) {
        if (!save_is_frozen(ledger, i))
            continue;
        put_u32(out, i);
        uint64_t seq;
        memcpy(&seq, pl_map_get(&ledger->frozen, &i), sizeof(seq)); /* it is not aligned there */
        put_u64(out, seq);
    }
    put_u32(out, (uint32_t)ledger->exported_month);
    put_u64(out, ledger->exported_seq);
    put_u64(out, ledger->exported_to);
    put_u64(out, ledger->fulfilment_count);
    for (size_t i = 0; i < ledger->fulfilment_count; i++) {
        const struct state_fulfilment *row = &ledger->fulfilment[i];
        put_u32(out, row->pledge);
        put_u32(out, row->code);
        put_u32(out, row->tier);
        put_i64(out, row->claimed);
        put_i64(out, row->declined);
        put_i64(out, row->delivered);
        put_u64(out, row->seq);
    }
}

static void save_contacts(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->erasable_count);
    for (size_t i = 0; i < ledger->erasable_count; i++) {
        put(out, ledger->erasable[i].commitment, LEDGER_COMMITMENT_BYTES);
        put_u64(out, ledger->erasable[i].seq);
        put_u64(out, ledger->erasable[i].erased_seq);
        put_u32(out, ledger->erasable[i].next);
    }
    put_u64(out, ledger->contact_count);
    for (size_t i = 0; i < ledger->contact_count; i++) {
        put_u32(out, ledger->contact[i].contributor);
        put_u32(out, ledger->contact[i].erasable);
    }
}

static void save_pledges(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->pledge_count);
    for (size_t i = 0; i < ledger->pledge_count; i++) {
        const struct state_pledge *p = &ledger->pledge[i];
        const uint8_t small[] = {p->stage,      p->kind,       p->purpose, p->publish,
                                 p->extensions, p->money_plan, p->category};
        put_i64(out, p->amount);
        put_i64(out, p->allocated);
        put_i64(out, p->received);
        put_i64(out, p->expires_us);
        put_i64(out, p->made_us);
        put_u64(out, p->first_seq);
        put_u64(out, p->last_seq);
        put_u64(out, p->changed_seq);
        put_u32(out, p->contributor);
        put_u32(out, save_is_chained(p) ? p->wait_next : STATE_NONE);
        put_u32(out, p->bank_first);
        put_u32(out, p->bank_last);
        put_u32(out, p->tier);
        put_u32(out, p->month);
        put_currency(out, p->currency);
        put(out, small, sizeof(small));
    }
}

static void save_bank_entries(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->bank_entry_count);
    for (size_t i = 0; i < ledger->bank_entry_count; i++) {
        const struct state_bank_entry *b = &ledger->bank_entry[i];
        const uint8_t small[] = {b->confirmed, b->reversed, b->debit};
        put_i64(out, b->amount);
        put_i64(out, b->allocated);
        put_i64(out, b->refunded);
        put_i64(out, b->explained);
        put_u64(out, b->seq);
        put_u64(out, b->reversed_by);
        put_u32(out, b->pledge);
        put_u32(out, b->next_of_pledge);
        put_u32(out, b->bank_ref);
        put_u32(out, b->movement);
        put_u32(out, (uint32_t)b->value_date);
        put_u32(out, (uint32_t)b->since);
        put_currency(out, b->currency);
        put(out, small, sizeof(small));
    }
}

static void save_allocations(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->allocation_count);
    for (size_t i = 0; i < ledger->allocation_count; i++) {
        const struct state_allocation *a = &ledger->allocation[i];
        put_i64(out, a->amount);
        put_i64(out, a->settled);
        put_u64(out, a->seq);
        put_u64(out, a->reversed_by);
        put_u32(out, a->bank_entry);
        put_u32(out, a->pledge);
        put_u32(out, a->receipt);
        put_u32(out, (uint32_t)a->day);
    }
}

static void save_documents(struct out *out, const struct ledger *ledger)
{
    for (size_t kind = 0; kind < STATE_DOCUMENT_KINDS; kind++) {
        const struct state_documents *issued = &ledger->document[kind];
        put_u64(out, issued->count);
        for (size_t i = 0; i < issued->count; i++) {
            const struct state_document *d = &issued->row[i];
            put_i64(out, d->amount);
            put_i64(out, d->time_us);
            put_u64(out, d->seq);
            put_u32(out, d->pledge);
            put(out, d->sha256, sizeof(d->sha256));
        }
    }
}

static void save_proposals(struct out *out, const struct ledger *ledger)
{
    put_bytes(out, ledger->policy.bytes.data, ledger->policy.bytes.len);
    put_u64(out, ledger->proposal_count);
    for (size_t i = 0; i < ledger->proposal_count; i++) {
        const struct state_proposal *p = &ledger->proposal[i];
        const uint8_t small[] = {p->class, p->state, p->currency == STATE_AMOUNT_NOT_KEPT};
        put_i64(out, p->amount);
        put_currency(out, p->currency);
        put_u64(out, p->seq);
        put_u64(out, p->closed_seq);
        put_i64(out, p->time_us);
        put_i64(out, p->expires_us);
        put_u32(out, p->maker);
        put_u32(out, p->identity);
        put_u32(out, p->issuer);
        put_u32(out, p->pledge);
        put_u32(out, p->command);
        put(out, small, sizeof(small));
        put_bytes(out, p->bytes, p->len);
    }
}

static void save_waivers(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->waiver_count);
    for (size_t i = 0; i < ledger->waiver_count; i++) {
        const struct state_waiver *w = &ledger->waiver[i];
        put_i64(out, w->amount);
        put_u64(out, w->seq);
        put_u64(out, w->reversed_by);
        put_u32(out, w->pledge);
        put_u32(out, w->bank_entry);
        put_u32(out, (uint32_t)w->day);
        put_u32(out, (uint32_t)w->dated);
        put(out, &w->kind, 1);
    }
}

static void save_schedules(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->schedule_count);
    for (size_t i = 0; i < ledger->schedule_count; i++) {
        const struct state_schedule *s = &ledger->schedule[i];
        put_u64(out, s->seq);
        put_u32(out, s->pledge);
        put_u64(out, s->count);
        for (size_t j = 0; j < s->count; j++) {
            put_i64(out, s->part[j].amount);
            put_u32(out, (uint32_t)s->part[j].due);
        }
    }
}

static void save_refunds(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->refund_count);
    for (size_t i = 0; i < ledger->refund_count; i++) {
        const struct state_refund *r = &ledger->refund[i];
        const uint8_t small[] = {r->state, r->other_payee};
        put_i64(out, r->amount);
        put_u64(out, r->seq);
        put_u64(out, r->changed_seq);
        put_u32(out, r->bank_entry);
        put_u32(out, r->debit);
        put_u32(out, r->contributor);
        put_u32(out, (uint32_t)r->dated);
        put(out, small, sizeof(small));
    }
}

static void save_deeds(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->deed_count);
    for (size_t i = 0; i < ledger->deed_count; i++) {
        const struct state_deed *d = &ledger->deed[i];
        put_u64(out, d->seq);
        put_u64(out, d->reversed_by);
        put_i64(out, d->quantity);
        put_u32(out, d->of);
        put_u32(out, d->credit);
        put_u32(out, d->debit);
        put_u32(out, (uint32_t)d->day);
        put_u32(out, (uint32_t)d->dated);
        put(out, &d->fact, 1);
        put(out, &d->alone, 1);
    }
}

static void save_periods(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->period_count);
    put_u32(out, (uint32_t)ledger->closed_through);
    for (size_t i = 0; i < ledger->period_count; i++) {
        const struct state_period *p = &ledger->period[i];
        put_u32(out, (uint32_t)p->month);
        put_u64(out, p->closed_seq);
        put_u64(out, p->reopened_seq);
        put_u64(out, p->head_size);
        put_i64(out, p->closed_us);
    }
}

static void save_rates(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->rate_count);
    for (size_t i = 0; i < ledger->rate_count; i++) {
        const struct state_rate *rate = &ledger->rate[i];
        put_currency(out, rate->currency);
        put_u32(out, (uint32_t)rate->day);
        put_u64(out, rate->seq);
        put_i64(out, rate->mantissa);
        put(out, &rate->scale, 1);
        put_u32(out, rate->source);
    }
}

static void put_valued(struct out *out, const struct state_valued *valued)
{
    put_u64(out, valued->seq);
    put_u32(out, (uint32_t)valued->day);
}

static void save_valued(struct out *out, const struct pl_map *map, size_t rows)
{
    put_u64(out, map->count);
    for (uint32_t i = 0; map->count != 0 && i < rows; i++) {
        struct state_valued valued;
        const void *found = pl_map_get(map, &i);
        if (found == NULL)
            continue;
        memcpy(&valued, found, sizeof(valued)); /* it is not aligned there */
        put_u32(out, i);
        put_valued(out, &valued);
    }
}

static void save_days(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->pledge_days.count);
    for (uint32_t i = 0; ledger->pledge_days.count != 0 && i < ledger->pledge_count; i++) {
        struct state_days days;
        const void *found = pl_map_get(&ledger->pledge_days, &i);
        if (found == NULL)
            continue;
        memcpy(&days, found, sizeof(days)); /* it is not aligned there */
        put_u32(out, i);
        put_valued(out, &days.terms);
        put_valued(out, &days.owed);
        put_valued(out, &days.announced);
        put_i64(out, days.peak);
    }
}

static void save_accounts(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->account_count);
    for (size_t i = 0; i < ledger->account_count; i++) {
        put(out, ledger->account[i].account, sizeof(ledger->account[i].account));
        put_currency(out, ledger->account[i].currency);
        put(out, &ledger->account[i].shared, 1);
    }
}

static void save_statements(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->statement_count);
    for (size_t i = 0; i < ledger->statement_count; i++) {
        const struct state_statement *s = &ledger->statement[i];
        put(out, s->key, sizeof(s->key));
        put_u64(out, s->seq);
        put_u64(out, s->sequence);
        put_i64(out, s->opening);
        put_i64(out, s->closing);
        put_i64(out, s->movements);
        put_i64(out, s->remainder_count);
        put_i64(out, s->remainder_minor);
        put_u32(out, s->account);
        put_currency(out, s->currency);
        put(out, &s->kind, 1);
    }
}

static void save_movements(struct out *out, const struct ledger *ledger)
{
    put_u64(out, ledger->movement_count);
    for (size_t i = 0; i < ledger->movement_count; i++) {
        const struct state_movement *m = &ledger->movement[i];
        const uint8_t small[] = {m->kind, m->queue, m->levels, m->whole, m->parts};
        put_u64(out, m->seq);
        put_u32(out, m->bank_entry);
        put_u32(out, m->statement);
        put_u32(out, m->meant);
        put_u32(out, m->batch);
        put_u32(out, (uint32_t)m->booking_date);
        put_u32(out, m->occurrence);
        put_u32(out, m->detail);
        put_u32(out, m->parts_told);
        put_u64(out, m->learned_seq);
        put_i64(out, m->instructed_minor);
        put_currency(out, m->instructed_currency);
        put(out, small, sizeof(small));
        put(out, m->key, sizeof(m->key));
        put(out, m->batch_key, sizeof(m->batch_key));
        put(out, m->part_key, sizeof(m->part_key));
    }
}

struct pair {
    uint64_t seq;
    uint32_t index;
};

static int by_seq(const void *a, const void *b)
{
    uint64_t left = ((const struct pair *)a)->seq, right = ((const struct pair *)b)->seq;
    return left < right ? -1 : left > right;
}

/* By seq, which is the key. */
static void save_reversible(struct out *out, const struct pl_map *map)
{
    struct pair *pair = calloc(map->count + 1, sizeof(*pair));
    size_t used = 0;
    PL_ASSERT(pair != NULL);
    for (size_t i = 0; i < map->cap; i++) {
        if (!pl_map_is_full(map, i))
            continue;
        const uint8_t *slot = pl_map_slot(map, i);
        memcpy(&pair[used].seq, slot, sizeof(pair->seq));
        memcpy(&pair[used++].index, slot + map->key_size, sizeof(pair->index));
    }
    PL_ASSERT(used == map->count);
    qsort(pair, used, sizeof(*pair), by_seq);
    put_u64(out, used);
    for (size_t i = 0; i < used; i++) {
        put_u64(out, pair[i].seq);
        put_u32(out, pair[i].index);
    }
    free(pair);
}

/* A map whose keys are bytes: which slots are full, then what is in them. */
static void save_table(struct out *out, const struct pl_map *map)
{
    put_u64(out, map->cap);
    for (size_t i = 0; i < (map->cap + 63) / 64; i++)
        put_u64(out, map->full[i]);
    for (size_t i = 0; i < map->cap; i++) {
        if (!pl_map_is_full(map, i))
            continue;
        const uint8_t *slot = pl_map_slot(map, i);
        put(out, slot, map->key_size);
        if (map->value_size == sizeof(uint64_t))
            put_u64(out, save_value_of(map, slot));
        else
            put_u32(out, (uint32_t)save_value_of(map, slot));
    }
}

struct pl_status ledger_save(const struct ledger *ledger, ledger_write_fn write, void *arg)
{
    struct out out = {.write = write, .arg = arg, .status = pl_ok()};
    out.bytes = calloc(1, OUT_BYTES);
    PL_ASSERT(out.bytes != NULL);
    put_u32(&out, SAVE_FORMAT);
    put_u64(&out, ledger->size);
    put_i64(&out, ledger->last_time_us);
    put(&out, ledger->origin, sizeof(ledger->origin));
    put(&out, ledger->id, sizeof(ledger->id));
    put(&out, ledger->roster_sha256, 32);
    put(&out, ledger->policy_sha256, 32);
    put_bytes(&out, ledger->text, ledger->text_len);
    save_catalogues(&out, ledger);
    save_contributors(&out, ledger);
    save_contacts(&out, ledger);
    save_pledges(&out, ledger);
    save_bank_entries(&out, ledger);
    save_allocations(&out, ledger);
    save_periods(&out, ledger);
    save_rates(&out, ledger);
    save_valued(&out, &ledger->pledge_rates, ledger->pledge_count);
    save_valued(&out, &ledger->entry_rates, ledger->bank_entry_count);
    save_valued(&out, &ledger->pledge_since, ledger->pledge_count);
    save_days(&out, ledger);
    save_benefits(&out, ledger);
    save_documents(&out, ledger);
    save_proposals(&out, ledger);
    save_waivers(&out, ledger);
    save_schedules(&out, ledger);
    save_refunds(&out, ledger);
    save_deeds(&out, ledger);
    save_accounts(&out, ledger);
    save_statements(&out, ledger);
    save_movements(&out, ledger);
    save_reversible(&out, &ledger->reversible);
    save_table(&out, &ledger->requests);
    save_table(&out, &ledger->names);
    save_table(&out, &ledger->bank_refs);
    save_table(&out, &ledger->slots);
    flush(&out);
    free(out.bytes);
    return out.status;
}

static struct pl_status hash_piece(void *arg, struct pl_slice piece)
{
    pl_sha256_update(arg, piece);
    return pl_ok();
}

void ledger_digest(const struct ledger *ledger, uint8_t out[32])
{
    struct pl_sha256_stream *stream = pl_sha256_new();
    struct pl_status status = ledger_save(ledger, hash_piece, stream);
    PL_ASSERT(pl_is_ok(status));
    pl_sha256_final(stream, out);
    pl_sha256_free(stream);
}
