/* SPDX-License-Identifier: Apache-2.0
 *
 * learn: see learn.h. A key that another movement has is left to it: two rows never change places
 * under one key, so that a loaded state finds what a living one does.
 */
#include "server/ledger/learn.h"

#include <string.h>

#include "common/check.h"
#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/contact.h"
#include "server/ledger/movement.h"
#include "server/ledger/payer.h"

#define KIND(name_) PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_##name_

uint8_t learn_parts(const Pledged__V1__Movement *movement)
{
    uint32_t told = movement->detail_parts & LEARN_ALL_PARTS;
    if (movement->detail_commitment.len == 0)
        return 0;
    return told != 0 ? (uint8_t)told : LEARN_ALL_PARTS;
}

static uint8_t new_levels(const struct ledger *ledger, const struct pl_map *more,
                          const struct state_movement *of, const struct state_movement *copy)
{
    uint8_t fresh = copy->levels & (uint8_t)~of->levels;
    for (int level = 0; level < STATE_LEVELS; level++) {
        if ((fresh >> level & 1) != 0 &&
            movement_free_place(&ledger->movements, more, copy->key[level]) != 1)
            fresh &= (uint8_t) ~(1u << level);
    }
    return fresh;
}

/* A part came alone, and the sum is not there yet: it is told by its parts when it comes. */
static bool new_batch(const struct ledger *ledger, const struct state_movement *of,
                      const struct state_movement *copy)
{
    static const uint8_t none[16];
    const uint32_t *first = pl_map_get(&ledger->batches, copy->batch_key);
    return of->whole && !copy->whole && memcmp(of->part_key, none, sizeof(none)) == 0 &&
           memcmp(copy->batch_key, none, sizeof(none)) != 0 &&
           (first == NULL || !movement_is_sum(&ledger->movement[*first], copy->batch_key));
}

struct learn_news learn_news(const struct ledger *ledger, const struct pl_map *more,
                             const struct state_movement *of, const struct state_movement *copy,
                             bool closed)
{
    return (struct learn_news){
        .levels = new_levels(ledger, more, of, copy),
        .parts = closed ? 0 : (uint8_t)(copy->parts & ~of->parts),
        .kind =
            of->kind == KIND(PAYMENT) && (copy->kind == KIND(RETURN) || copy->kind == KIND(BATCH)),
        .instructed = of->instructed_currency < 0 && copy->instructed_currency >= 0,
        .batch = new_batch(ledger, of, copy),
    };
}

bool learn_is_news(const struct learn_news *news)
{
    return news->levels != 0 || news->parts != 0 || news->kind || news->instructed || news->batch;
}

void learn_take(struct state_movement *of, const struct state_movement *copy,
                const struct learn_news *news)
{
    for (int level = 0; level < STATE_LEVELS; level++) {
        if ((news->levels >> level & 1) != 0)
            memcpy(of->key[level], copy->key[level], sizeof(of->key[level]));
    }
    of->levels |= news->levels;
    of->parts |= news->parts;
    if ((news->levels >> STATE_BY_REFERENCE & 1) != 0)
        of->meant = copy->meant;
    if (news->kind)
        of->kind = copy->kind;
    if (news->instructed) {
        of->instructed_minor = copy->instructed_minor;
        of->instructed_currency = copy->instructed_currency;
    }
    if (news->batch)
        memcpy(of->part_key, copy->batch_key, sizeof(of->part_key));
}

/* --- the fact --- */

static struct state_movement row_of(const struct ledger *ledger, const struct state_movement *of,
                                    const Pledged__V1__Movement *copy)
{
    const struct state_statement *from = &ledger->statement[of->statement];
    struct state_movement row = {.batch = STATE_NONE};
    movement_fill(&row, copy, ledger->text + from->account, pl_currency_code(from->currency));
    row.meant = movement_meant(ledger, copy->reference);
    return row;
}

/* Two copies have something in common that they are known by. */
static bool is_copy(const struct state_movement *of, const struct state_movement *copy)
{
    for (int level = 0; level < STATE_LEVELS; level++) {
        if ((of->levels & copy->levels & 1u << level) != 0 &&
            memcmp(of->key[level], copy->key[level], sizeof(of->key[level])) == 0)
            return true;
    }
    return false;
}

/* One detail of a sum that somebody has dealt with: the statement that tells them tells them all.
 */
static struct pl_status check_part(const struct state_movement *of,
                                   const struct state_movement *copy,
                                   const Pledged__V1__MovementLearned *fact, uint32_t statement,
                                   bool closed)
{
    NEED(!copy->whole && movement_is_sum(of, copy->batch_key) && copy->parts != 0 && !closed,
         "a part of what it is no part of, or without who paid");
    NEED(of->parts_told == STATE_NONE || of->parts_told == statement,
         "the parts of a sum are told twice");
    NEED(fact->batch[0] == '\0' && fact->before_seq == 0 && fact->queue == 0,
         "a part changes its sum");
    return pl_ok();
}

static struct pl_status check_batch(const struct ledger *ledger, const struct state_movement *of,
                                    const struct state_movement *copy, const char *id)
{
    const struct state_bank_entry *sum = state_bank_entry(ledger, id);
    NEED(of->batch == STATE_NONE && sum != NULL && sum->movement != STATE_NONE &&
             sum != &ledger->bank_entry[of->bank_entry] && !copy->whole &&
             movement_is_sum(&ledger->movement[sum->movement], copy->batch_key) &&
             (movement_may_be_split(ledger, sum) || sum->amount == 0),
         "the details of what has no details");
    return pl_ok();
}

struct pl_status learn_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__MovementLearned *fact = entry->movement_learned;
    const struct state_bank_entry *bank = state_bank_entry(ledger, fact->bank_entry);
    NEED(state_rules(ledger, 16), "a fact that the rules in force do not have");
    NEED(bank != NULL && bank->movement != STATE_NONE, "a copy of what no statement has");
    const struct state_movement *of = &ledger->movement[bank->movement];
    NEED(payer_same_account(ledger, of, fact->statement),
         "a copy in a statement of something else");
    PL_TRY(movement_check_told(ledger, fact->movement));
    struct state_movement copy = row_of(ledger, of, fact->movement);
    bool closed = payer_erased_seq(ledger, bank) != 0;
    if (fact->part)
        return check_part(of, &copy, fact, movement_statement(ledger, fact->statement), closed);
    struct learn_news news = learn_news(ledger, NULL, of, &copy, closed);
    NEED(is_copy(of, &copy) && fact->before_seq == of->learned_seq &&
             (unsigned)fact->queue <= UINT8_MAX,
         "a copy of another movement, or out of its order");
    NEED((copy.parts != 0) == (news.parts != 0), "a record of who paid that says nothing new");
    NEED(fact->batch[0] != '\0' || learn_is_news(&news), "a copy that says nothing new");
    return fact->batch[0] == '\0' ? pl_ok() : check_batch(ledger, of, &copy, fact->batch);
}

void learn_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__MovementLearned *fact = entry->movement_learned;
    struct state_bank_entry *bank = state_bank_entry(ledger, fact->bank_entry);
    struct state_movement *of = &ledger->movement[bank->movement];
    struct state_movement copy = row_of(ledger, of, fact->movement);
    if (copy.parts != 0)
        payer_add(ledger, of, fact->movement->detail_commitment.data, entry->seq);
    if (fact->part) {
        of->parts_told = movement_statement(ledger, fact->statement);
        return;
    }
    struct learn_news news = learn_news(ledger, NULL, of, &copy, copy.parts == 0);
    learn_take(of, &copy, &news);
    of->learned_seq = entry->seq;
    if (fact->queue != 0)
        of->queue = (uint8_t)fact->queue;
    movement_register_more(ledger, bank->movement, news.levels);
    movement_split(ledger, fact->batch, of);
}

/* --- what is shown --- */

static void show_text(char **into, char *copy)
{
    if ((*into)[0] == '\0')
        *into = copy;
}

void learn_show(Pledged__V1__Movement *into, const Pledged__V1__Movement *copy)
{
    if (into->reference[0] == '\0')
        into->reference_in_text = copy->reference_in_text;
    show_text(&into->bank_ref, copy->bank_ref);
    show_text(&into->batch_ref, copy->batch_ref);
    show_text(&into->entry_ref, copy->entry_ref);
    show_text(&into->uetr, copy->uetr);
    show_text(&into->end_to_end_id, copy->end_to_end_id);
    show_text(&into->reference, copy->reference);
    show_text(&into->return_reason, copy->return_reason);
    show_text(&into->bank_code, copy->bank_code);
    if (into->instructed == NULL) {
        into->instructed = copy->instructed;
        into->rate = copy->rate;
    }
    into->charges = into->charges == NULL ? copy->charges : into->charges;
    into->batch_count = into->batch_count == 0 ? copy->batch_count : into->batch_count;
    if (into->kind == KIND(PAYMENT) && (copy->kind == KIND(RETURN) || copy->kind == KIND(BATCH)))
        into->kind = copy->kind;
}
