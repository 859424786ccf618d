/* SPDX-License-Identifier: Apache-2.0
 *
 * payer: see payer.h. Whose a payer is follows from the money: the pledge that a bank entry is
 * meant for, and those that it pays for.
 */
#include "server/ledger/payer.h"

#include <string.h>

#include "common/check.h"
#include "common/ids.h"
#include "server/ledger/contact.h"
#include "server/ledger/learn.h"

/* Of all records, the newest first: index, STATE_NONE at the end. */
static uint32_t first_record(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    return entry->movement != STATE_NONE ? ledger->movement[entry->movement].detail : STATE_NONE;
}

struct state_erasable *payer_record(const struct ledger *ledger,
                                    const struct state_bank_entry *entry)
{
    uint32_t at = first_record(ledger, entry);
    while (at != STATE_NONE && ledger->erasable[at].erased_seq != 0)
        at = ledger->erasable[at].next;
    return at != STATE_NONE ? &ledger->erasable[at] : NULL;
}

uint64_t payer_erased_seq(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    uint32_t at = first_record(ledger, entry);
    while (at != STATE_NONE && ledger->erasable[at].erased_seq == 0)
        at = ledger->erasable[at].next;
    return at != STATE_NONE ? ledger->erasable[at].erased_seq : 0;
}

void payer_add(struct ledger *ledger, struct state_movement *of,
               const uint8_t commitment[LEDGER_COMMITMENT_BYTES], uint64_t seq)
{
    uint32_t before = of->detail;
    of->detail = contact_commit(ledger, commitment, seq);
    ledger->erasable[of->detail].next = before;
}

/* The money of an entry is for the pledges in this walk: the one that it is meant for, or, of a
 * debit, whose money is paid back; then each that it pays for. */
struct walk {
    size_t refund; /* the next one to look at, of a debit: it may pay many */
    uint32_t next;
    bool began;
};

static uint32_t refunded_pledge(const struct ledger *ledger, const struct state_bank_entry *debit,
                                struct walk *walk)
{
    while (walk->refund < ledger->refund_count) {
        const struct state_refund *refund = &ledger->refund[walk->refund++];
        uint32_t pledge = ledger->bank_entry[refund->bank_entry].pledge;
        if (refund->debit == (uint32_t)(debit - ledger->bank_entry) && pledge != STATE_NONE)
            return pledge;
    }
    return STATE_NONE;
}

/* STATE_NONE at the end. */
static uint32_t next_pledge(const struct ledger *ledger, const struct state_bank_entry *entry,
                            struct walk *walk)
{
    if (!walk->began) {
        walk->began = true;
        walk->next = entry->alloc_first;
        if (!entry->debit && entry->pledge != STATE_NONE)
            return entry->pledge;
    }
    uint32_t refunded = entry->debit ? refunded_pledge(ledger, entry, walk) : STATE_NONE;
    if (refunded != STATE_NONE)
        return refunded;
    while (walk->next != STATE_NONE) {
        const struct state_allocation *allocation = &ledger->allocation[walk->next];
        walk->next = allocation->next_of_entry;
        if (allocation->reversed_by == 0)
            return allocation->pledge;
    }
    return STATE_NONE;
}

uint64_t payer_hold(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    struct walk walk = {.began = false};
    uint32_t pledge;
    while ((pledge = next_pledge(ledger, entry, &walk)) != STATE_NONE) {
        uint64_t hold = ledger->contributor[ledger->pledge[pledge].contributor].hold_seq;
        if (hold != 0)
            return hold;
    }
    return 0;
}

static bool belongs(const struct ledger *ledger, const struct state_bank_entry *entry,
                    uint32_t contributor)
{
    struct walk walk = {.began = false};
    uint32_t pledge;
    while ((pledge = next_pledge(ledger, entry, &walk)) != STATE_NONE) {
        if (ledger->pledge[pledge].contributor == contributor)
            return true;
    }
    return false;
}

int64_t payer_erase(struct maker *maker, Pledged__V1__SubjectErased *fact,
                    const struct state_bank_entry *entry)
{
    const struct ledger *ledger = maker->ledger;
    uint32_t at = first_record(ledger, entry);
    int64_t left = 0;
    for (; at != STATE_NONE; at = ledger->erasable[at].next) {
        struct state_erasable *gone = &ledger->erasable[at];
        if (gone->erased_seq != 0)
            continue;
        left += fact->n_bank_entry >= PAYER_ERASED_MAX;
        if (fact->n_bank_entry >= PAYER_ERASED_MAX)
            continue;
        fact->bank_entry[fact->n_bank_entry++] =
            maker_id(maker, 'B', (uint64_t)(entry - ledger->bank_entry) + 1);
        fact->commitment[fact->n_commitment++] =
            (ProtobufCBinaryData){sizeof(gone->commitment), gone->commitment};
    }
    return left;
}

int64_t payer_erase_all(struct maker *maker, Pledged__V1__SubjectErased *fact, uint32_t contributor)
{
    const struct ledger *ledger = maker->ledger;
    int64_t left = 0;
    for (size_t i = 0; i < ledger->movement_count; i++) {
        const struct state_bank_entry *entry = &ledger->bank_entry[ledger->movement[i].bank_entry];
        if (payer_record(ledger, entry) != NULL && belongs(ledger, entry, contributor) &&
            payer_hold(ledger, entry) == 0)
            left += payer_erase(maker, fact, entry);
    }
    return left;
}

/* --- the fact --- */

bool payer_same_account(const struct ledger *ledger, const struct state_movement *movement,
                        const char *statement)
{
    uint64_t number = pl_id_parse(statement, 'S');
    if (number == 0 || number > ledger->statement_count)
        return false;
    const struct state_statement *later = &ledger->statement[number - 1];
    const struct state_statement *first = &ledger->statement[movement->statement];
    return later->currency == first->currency &&
           strcmp(ledger->text + later->account, ledger->text + first->account) == 0;
}

struct pl_status payer_check_learned(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PayerLearned *fact = entry->payer_learned;
    const struct state_bank_entry *of = state_bank_entry(ledger, fact->bank_entry);
    NEED(state_rules(ledger, 15), "a fact that the rules in force do not have");
    NEED(of != NULL && of->movement != STATE_NONE, "who paid what no statement has");
    NEED(ledger->movement[of->movement].detail == STATE_NONE,
         "who paid is known already, or is erased");
    NEED(payer_same_account(ledger, &ledger->movement[of->movement], fact->statement),
         "who paid, by a statement of something else");
    NEED(contact_commitment_fits(ledger, fact->detail_commitment),
         "a commitment that does not fit, or is there already");
    return pl_ok();
}

void payer_apply_learned(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PayerLearned *fact = entry->payer_learned;
    const struct state_bank_entry *of = state_bank_entry(ledger, fact->bank_entry);
    payer_add(ledger, &ledger->movement[of->movement], fact->detail_commitment.data, entry->seq);
    ledger->movement[of->movement].parts = LEARN_ALL_PARTS;
}

uint64_t payer_learned_seq(const struct ledger *ledger, const struct state_bank_entry *entry)
{
    uint32_t at = first_record(ledger, entry);
    uint64_t seq = at != STATE_NONE ? ledger->erasable[at].seq : 0;
    return at != STATE_NONE && seq != ledger->movement[entry->movement].seq ? seq : 0;
}

/* The live record of this entry that has this commitment; NULL: there is none. */
static struct state_erasable *named_record(const struct ledger *ledger,
                                           const struct state_bank_entry *entry,
                                           ProtobufCBinaryData commitment)
{
    uint32_t at = first_record(ledger, entry);
    while (at != STATE_NONE &&
           (ledger->erasable[at].erased_seq != 0 || commitment.len != LEDGER_COMMITMENT_BYTES ||
            memcmp(commitment.data, ledger->erasable[at].commitment, LEDGER_COMMITMENT_BYTES) != 0))
        at = ledger->erasable[at].next;
    return at != STATE_NONE ? &ledger->erasable[at] : NULL;
}

struct pl_status payer_check_erased(const struct ledger *ledger,
                                    const Pledged__V1__SubjectErased *fact)
{
    NEED(fact->n_bank_entry <= PAYER_ERASED_MAX, "an erasure of nobody, or of too many");
    for (size_t i = 0; i < fact->n_bank_entry; i++) {
        const struct state_bank_entry *entry = state_bank_entry(ledger, fact->bank_entry[i]);
        NEED(entry != NULL && payer_record(ledger, entry) != NULL && payer_hold(ledger, entry) == 0,
             "an erasure of somebody else, or of who is erased already");
        const ProtobufCBinaryData *named = &fact->commitment[fact->n_contact + i];
        const struct state_erasable *record = named_record(ledger, entry, *named);
        NEED(record != NULL, "an erasure of another record");
        for (size_t k = 0; k < i; k++)
            NEED(memcmp(fact->commitment[fact->n_contact + k].data, named->data,
                        LEDGER_COMMITMENT_BYTES) != 0,
                 "an erasure names a bank entry twice");
    }
    return pl_ok();
}

void payer_apply_erased(struct ledger *ledger, const Pledged__V1__SubjectErased *fact, uint64_t seq)
{
    for (size_t i = 0; i < fact->n_bank_entry; i++) {
        struct state_erasable *record =
            named_record(ledger, state_bank_entry(ledger, fact->bank_entry[i]),
                         fact->commitment[fact->n_contact + i]);
        PL_ASSERT(record != NULL); /* checked */
        record->erased_seq = seq;
    }
}
