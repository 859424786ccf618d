/* SPDX-License-Identifier: Apache-2.0
 *
 * query_suggest: what the money of a movement may be for, the likeliest first.
 */
#include "common/ids.h"
#include "server/ledger/allocation.h"
#include "server/ledger/query_private.h"
#include "server/ledger/schedule.h"

enum { SUGGESTIONS_DEFAULT = 10, SUGGESTIONS_MOST = 100 };

struct guesses {
    struct {
        uint32_t pledge;
        Pledged__V1__SuggestionKind kind;
    } best[SUGGESTIONS_MOST];
    size_t count, most;
};

static Pledged__V1__SuggestionKind guess(const struct ledger *ledger,
                                         const struct state_bank_entry *entry, uint32_t index)
{
    const struct state_pledge *pledge = &ledger->pledge[index];
    const struct state_movement *from = &ledger->movement[entry->movement];
    int64_t free_money = allocation_free(entry);
    int64_t outstanding = pledge->amount - state_settled(pledge);
    bool open = pledge->stage == PLEDGED__V1__STAGE__STAGE_PLEDGED ||
                pledge->stage == PLEDGED__V1__STAGE__STAGE_COMMITTED;
    if (from->meant == index)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFERENCE;
    if (!open || outstanding == 0)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_UNSPECIFIED;
    if (from->instructed_currency >= 0 && from->instructed_currency == pledge->currency &&
        from->instructed_minor == outstanding)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_INSTRUCTED;
    if (pledge->currency != entry->currency)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_UNSPECIFIED;
    if (free_money == outstanding)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_AMOUNT;
    if (free_money == schedule_next(ledger, pledge, state_settled(pledge)))
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_INSTALMENT;
    if (free_money == pledge->amount)
        return PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_PROMISED;
    return free_money < outstanding ? PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_CURRENCY
                                    : PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_UNSPECIFIED;
}

/* Better kinds first, then the older pledge. */
static void keep_guess(struct guesses *guesses, uint32_t pledge, Pledged__V1__SuggestionKind kind)
{
    if (kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_UNSPECIFIED)
        return;
    size_t at = guesses->count;
    while (at > 0 && (guesses->best[at - 1].kind > kind || (guesses->best[at - 1].kind == kind &&
                                                            guesses->best[at - 1].pledge > pledge)))
        at--;
    if (at == guesses->most)
        return;
    size_t last = guesses->count < guesses->most ? guesses->count++ : guesses->most - 1;
    for (size_t i = last; i > at; i--)
        guesses->best[i] = guesses->best[i - 1];
    guesses->best[at].pledge = pledge;
    guesses->best[at].kind = kind;
}

static void look_for_guesses(const struct ledger *ledger, const struct state_bank_entry *entry,
                             struct guesses *ret)
{
    uint32_t meant = ledger->movement[entry->movement].meant;
    size_t least =
        ledger->pledge_count > QUERY_STEPS_MAX ? ledger->pledge_count - QUERY_STEPS_MAX : 0;
    if (entry->debit || entry->reversed || allocation_free(entry) == 0)
        return;
    if (meant != STATE_NONE && meant < least)
        keep_guess(ret, meant, guess(ledger, entry, meant));
    for (size_t i = least; i < ledger->pledge_count; i++)
        keep_guess(ret, (uint32_t)i, guess(ledger, entry, (uint32_t)i));
}

static Pledged__V1__Suggestion *suggestion_row(struct query *q, uint32_t index,
                                               Pledged__V1__SuggestionKind kind)
{
    const struct state_pledge *pledge = &q->ledger->pledge[index];
    const struct state_contributor *who = &q->ledger->contributor[pledge->contributor];
    Pledged__V1__Suggestion *row = query_row(q, &pledged__v1__suggestion__descriptor);
    if (row == NULL)
        return NULL;
    row->kind = kind;
    row->pledge = query_row_id(q, 'P', index);
    row->contributor = query_row_id(q, 'C', pledge->contributor);
    row->contributor_name = query_row_text(q, q->ledger->text + who->name);
    row->stage = (Pledged__V1__Stage)pledge->stage;
    if (pledge->currency >= 0)
        row->outstanding =
            query_row_money(q, pledge->amount - state_settled(pledge), pledge->currency);
    return q->spent ? NULL : row;
}

static bool comes_back(const struct ledger *ledger, const struct state_bank_entry *credit)
{
    uint8_t kind = ledger->movement[credit->movement].kind;
    return kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_RETURN ||
           kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_REVERSAL;
}

/* Refunds that were paid, and whose money a credit may bring back: the one that it names, for banks
 * return the end-to-end id, then those of its amount where the bank says that it is a return. */
static bool guess_return(const struct ledger *ledger, const struct state_bank_entry *credit,
                         const struct state_refund *refund, bool named)
{
    return refund->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_PAID &&
           ledger->bank_entry[refund->debit].movement != STATE_NONE &&
           ledger->bank_entry[refund->bank_entry].currency == credit->currency &&
           allocation_free(credit) <= refund->amount &&
           (named || (comes_back(ledger, credit) && allocation_free(credit) == refund->amount));
}

/* Refunds that a debit may have paid: the one that it names, then those of its amount. */
static bool guess_refund(const struct ledger *ledger, const struct state_bank_entry *debit,
                         const struct state_refund *refund, const char *end_to_end_id,
                         Pledged__V1__SuggestionKind *ret)
{
    bool named = pl_id_parse(end_to_end_id, 'R') == (uint64_t)(refund - ledger->refund) + 1;
    *ret = named ? PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_NAMED
                 : PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_AMOUNT;
    if (!debit->debit) {
        *ret = named ? PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_RETURN_NAMED
                     : PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_RETURN_AMOUNT;
        return guess_return(ledger, debit, refund, named);
    }
    return refund->state == PLEDGED__V1__REFUND_STATE__REFUND_STATE_ORDERED &&
           ledger->bank_entry[refund->bank_entry].currency == debit->currency &&
           (named || refund->amount == allocation_free(debit));
}

static Pledged__V1__Suggestion *refund_suggestion(struct query *q, uint32_t index,
                                                  Pledged__V1__SuggestionKind kind)
{
    const struct state_refund *refund = &q->ledger->refund[index];
    uint32_t pledge = q->ledger->bank_entry[refund->bank_entry].pledge;
    Pledged__V1__Suggestion *row = pledge != STATE_NONE
                                       ? suggestion_row(q, pledge, kind)
                                       : query_row(q, &pledged__v1__suggestion__descriptor);
    if (row == NULL)
        return NULL;
    row->kind = kind;
    row->refund = query_row_id(q, 'R', index);
    row->outstanding =
        query_row_money(q, refund->amount, q->ledger->bank_entry[refund->bank_entry].currency);
    return q->spent ? NULL : row;
}

static bool is_named(Pledged__V1__SuggestionKind kind)
{
    return kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_NAMED ||
           kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_RETURN_NAMED;
}

static void suggest_refunds(struct query *q, const struct state_bank_entry *debit,
                            const char *end_to_end_id, size_t most,
                            Pledged__V1__SuggestAllocationsResponse *response)
{
    const struct ledger *ledger = q->ledger;
    Pledged__V1__SuggestionKind kind;
    size_t least =
        ledger->refund_count > QUERY_STEPS_MAX ? ledger->refund_count - QUERY_STEPS_MAX : 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = least; i < ledger->refund_count && response->n_suggestion < most; i++) {
            if (!guess_refund(ledger, debit, &ledger->refund[i], end_to_end_id, &kind) ||
                is_named(kind) != (pass == 0))
                continue;
            Pledged__V1__Suggestion *row = refund_suggestion(q, (uint32_t)i, kind);
            if (row == NULL)
                return;
            response->suggestion[response->n_suggestion++] = row;
        }
    }
}

enum pl_code query_suggest_allocations(const struct ledger *ledger, const struct query_log *log,
                                       const ProtobufCMessage *request, struct pl_arena *arena,
                                       ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__SuggestAllocationsRequest *want =
        (const Pledged__V1__SuggestAllocationsRequest *)request;
    struct guesses guesses = {.most = want->most == 0 ? SUGGESTIONS_DEFAULT : want->most};
    struct query_walk walk;
    uint32_t index = 0;
    guesses.most = guesses.most > SUGGESTIONS_MOST ? SUGGESTIONS_MOST : guesses.most;
    enum pl_code code =
        query_read_id(&q, "bank_entry", want->bank_entry, 'B', ledger->bank_entry_count,
                      PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, &index);
    if (code != PL_E_OK)
        return code;
    if (ledger->bank_entry[index].movement == STATE_NONE)
        return query_deny(&q, PLEDGED__V1__REASON__REASON_BANK_ENTRY_UNKNOWN, "bank_entry",
                          want->bank_entry, "no statement brought this bank entry");
    Pledged__V1__SuggestAllocationsResponse *response =
        query_row(&q, &pledged__v1__suggest_allocations_response__descriptor);
    void *rows = pl_arena_alloc(arena, SUGGESTIONS_MOST * sizeof(Pledged__V1__Suggestion *));
    if (response == NULL || rows == NULL)
        return query_deny_spent(&q);
    response->as_of_seq = ledger->size;
    response->suggestion = rows;
    query_walk_init(&walk, log);
    code = query_bank_entry_row(&q, &walk, index, &response->bank_entry);
    query_walk_fini(&walk);
    look_for_guesses(ledger, &ledger->bank_entry[index], &guesses);
    if (code == PL_E_OK && !q.spent && !ledger->bank_entry[index].reversed &&
        allocation_free(&ledger->bank_entry[index]) != 0)
        suggest_refunds(&q, &ledger->bank_entry[index],
                        response->bank_entry->movement->end_to_end_id, guesses.most, response);
    for (size_t i = 0; i < guesses.count && response->n_suggestion < guesses.most && !q.spent; i++)
        response->suggestion[response->n_suggestion++] =
            suggestion_row(&q, guesses.best[i].pledge, guesses.best[i].kind);
    if (code == PL_E_OK && q.spent)
        return query_deny_spent(&q);
    *ret = &response->base;
    return code;
}
