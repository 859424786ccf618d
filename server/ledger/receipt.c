/* SPDX-License-Identifier: Apache-2.0
 *
 * receipt: see receipt.h. The document is made before it is issued and says its own number, so a
 * command names the number and what the document lists; where another one was faster it is refused
 * as stale and nothing is used up. Happy path: one entry, and its allocations know their receipt.
 * Failure: NOTHING_RECEIVED, NUMBER_STALE, STATE_WRONG; CORRUPT on replay.
 */
#include "server/ledger/receipt.h"

#include <string.h>

#include "common/check.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/pledge.h"

enum { SHA256_BYTES = 32 };

char receipt_prefix(enum state_document_kind kind)
{
    return kind == STATE_RECEIPT ? 'Q' : 'Z';
}

size_t receipt_open(const struct ledger *ledger, const struct state_pledge *pledge,
                    uint32_t ret[RECEIPT_ALLOCATIONS_MAX])
{
    uint32_t ring[RECEIPT_ALLOCATIONS_MAX];
    size_t seen = 0;
    /* from new to old: what is left in the ring are the oldest */
    for (uint32_t i = state_newest_allocation(pledge); i != STATE_NONE;
         i = ledger->allocation[i].next_of_pledge) {
        const struct state_allocation *allocation = &ledger->allocation[i];
        if (allocation->reversed_by == 0 && allocation->receipt == 0)
            ring[seen++ % RECEIPT_ALLOCATIONS_MAX] = i;
    }
    size_t count = seen < RECEIPT_ALLOCATIONS_MAX ? seen : RECEIPT_ALLOCATIONS_MAX;
    for (size_t i = 0; i < count; i++)
        ret[i] = ring[(seen - 1 - i) % RECEIPT_ALLOCATIONS_MAX];
    return count;
}

bool receipt_guards(struct maker *maker, const struct state_allocation *allocation,
                    const char *field)
{
    if (allocation->receipt == 0 || allocation->reversed_by != 0 ||
        maker->request->actor.role == PLEDGED__V1__ROLE__ROLE_APPROVER)
        return false;
    const struct state_document *document =
        &maker->ledger->document[STATE_RECEIPT].row[allocation->receipt - 1];
    maker_refuse(maker, REASON(RECEIPT_ISSUED), field, document->seq,
                 &maker->ledger->pledge[allocation->pledge]);
    maker_arg(maker, "receipt", maker_id(maker, 'Q', allocation->receipt));
    return true;
}

void receipt_undone(struct ledger *ledger, const struct state_allocation *allocation)
{
    if (allocation->receipt != 0)
        ledger->document[STATE_RECEIPT].row[allocation->receipt - 1].undone += allocation->settled;
}

/* --- the command --- */

static uint64_t next_number(const struct ledger *ledger, enum state_document_kind kind)
{
    return ledger->document[kind].count + 1;
}

/* The number has to be the next one; refuses and returns false. */
static bool number_fits(struct maker *maker, enum state_document_kind kind, const char *number,
                        const char *field)
{
    const struct state_documents *issued = &maker->ledger->document[kind];
    uint64_t next = next_number(maker->ledger, kind);
    if (pl_id_parse(number, receipt_prefix(kind)) == next)
        return true;
    maker_refuse(maker, REASON(NUMBER_STALE), field,
                 issued->count != 0 ? issued->row[issued->count - 1].seq : 0, NULL);
    maker_arg(maker, "number", maker_id(maker, receipt_prefix(kind), next));
    return false;
}

static bool lists(const struct ledger *ledger, const Pledged__V1__IssueReceipt *command,
                  const uint32_t *open, size_t count)
{
    bool same = command->n_allocation_seq == count;
    for (size_t i = 0; same && i < count; i++)
        same = command->allocation_seq[i] == ledger->allocation[open[i]].seq;
    return same;
}

static void outcome(struct maker *maker, const struct state_pledge *pledge, const char *number)
{
    pledge_receipt(maker, maker_id(maker, 'P', (uint64_t)pledge_index(maker, pledge) + 1),
                   maker_id(maker, 'C', (uint64_t)pledge->contributor + 1),
                   (Pledged__V1__Stage)pledge->stage, pledge->amount, pledge->allocated,
                   tally_counts(pledge) ? pledge->currency : -1);
    maker_outcome(maker)->document = (char *)(uintptr_t)number;
}

static void issue_receipt(struct maker *maker, const Pledged__V1__IssueReceipt *command)
{
    const struct ledger *ledger = maker->ledger;
    uint32_t open[RECEIPT_ALLOCATIONS_MAX];
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "issue_receipt.pledge", ~0u);
    if (pledge == NULL)
        return;
    size_t count = receipt_open(ledger, pledge, open);
    if (count == 0) {
        maker_refuse(maker, REASON(NOTHING_RECEIVED), "issue_receipt.pledge", pledge->changed_seq,
                     pledge);
        return;
    }
    if (!number_fits(maker, STATE_RECEIPT, command->number, "issue_receipt.number"))
        return;
    if (!lists(ledger, command, open, count)) {
        maker_refuse(maker, REASON(NUMBER_STALE), "issue_receipt.allocation_seq",
                     pledge->changed_seq, pledge);
        maker_arg(maker, "number", maker_id(maker, 'Q', next_number(ledger, STATE_RECEIPT)));
        return;
    }
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ledger->allocation[open[i]].settled; /* at most the pledge's amount (I2) */
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__ReceiptIssued *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__receipt_issued__init(fact);
    fact->number = command->number;
    fact->pledge = command->pledge;
    fact->contributor = maker_id(maker, 'C', (uint64_t)pledge->contributor + 1);
    fact->amount = maker_money(maker, sum, pledge->currency);
    fact->n_allocation_seq = command->n_allocation_seq;
    fact->allocation_seq = command->allocation_seq;
    fact->document_sha256 = command->document_sha256;
    entry->fact_case = FACT(RECEIPT_ISSUED);
    entry->receipt_issued = fact;
    outcome(maker, pledge, command->number);
}

static void issue_certificate(struct maker *maker, const Pledged__V1__IssueCertificate *command)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_pledge *pledge =
        pledge_find(maker, command->pledge, "issue_certificate.pledge",
                    1u << STAGE(COMMITTED) | 1u << STAGE(CLOSED));
    if (pledge == NULL ||
        !number_fits(maker, STATE_CERTIFICATE, command->number, "issue_certificate.number"))
        return;
    Pledged__V1__Entry *entry = maker_entry(maker, pledge->last_seq);
    Pledged__V1__CertificateIssued *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__certificate_issued__init(fact);
    fact->number = command->number;
    fact->pledge = command->pledge;
    fact->contributor = maker_id(maker, 'C', (uint64_t)pledge->contributor + 1);
    if (pledge->tier != STATE_TIER_FREE)
        fact->tier = (char *)(uintptr_t)ledger->tier[pledge->tier].code;
    fact->amount = maker_money(maker, pledge->amount, pledge->currency);
    fact->document_sha256 = command->document_sha256;
    entry->fact_case = FACT(CERTIFICATE_ISSUED);
    entry->certificate_issued = fact;
    outcome(maker, pledge, command->number);
}

void receipt_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(ISSUE_RECEIPT))
        issue_receipt(maker, command->issue_receipt);
    else
        issue_certificate(maker, command->issue_certificate);
}

/* --- replay --- */

static struct pl_status check_common(const struct ledger *ledger, enum state_document_kind kind,
                                     const char *number, const char *id, const char *contributor,
                                     const Pledged__V1__Money *amount, size_t sha256_len)
{
    const struct state_pledge *pledge = state_pledge(ledger, id);
    NEED(pl_id_parse(number, receipt_prefix(kind)) == next_number(ledger, kind),
         "a document's number is not the next one"); /* I6 */
    NEED(pledge != NULL && pl_id_parse(contributor, 'C') == (uint64_t)pledge->contributor + 1,
         "a document for an unknown pledge or another contributor");
    NEED(amount != NULL && amount->minor >= 0 && pl_currency_index(amount->currency) >= 0 &&
             pl_currency_index(amount->currency) == pledge->currency,
         "a document without its amount");
    NEED(sha256_len == SHA256_BYTES, "a document without its hash");
    return pl_ok();
}

static struct pl_status check_receipt(const struct ledger *ledger,
                                      const Pledged__V1__ReceiptIssued *fact)
{
    PL_TRY(check_common(ledger, STATE_RECEIPT, fact->number, fact->pledge, fact->contributor,
                        fact->amount, fact->document_sha256.len));
    uint64_t pledge = pl_id_parse(fact->pledge, 'P');
    int64_t sum = 0;
    NEED(fact->n_allocation_seq > 0, "a receipt for nothing");
    for (size_t i = 0; i < fact->n_allocation_seq; i++) {
        uint64_t seq = fact->allocation_seq[i];
        const uint32_t *found = pl_map_get(&ledger->reversible, &seq);
        NEED(found != NULL && state_reversible_kind(*found) == STATE_REVERSIBLE_ALLOCATION &&
                 (i == 0 || seq > fact->allocation_seq[i - 1]),
             "a receipt for money that is not there");
        const struct state_allocation *allocation =
            &ledger->allocation[state_reversible_index(*found)];
        NEED(allocation->reversed_by == 0 && allocation->receipt == 0 &&
                 (uint64_t)allocation->pledge + 1 == pledge &&
                 pl_add64(sum, allocation->settled, &sum),
             "a receipt for money that is taken back, receipted already, or of another pledge");
    }
    NEED(sum == fact->amount->minor, "a receipt for another amount than it lists");
    return pl_ok();
}

static struct pl_status check_certificate(const struct ledger *ledger,
                                          const Pledged__V1__CertificateIssued *fact)
{
    PL_TRY(check_common(ledger, STATE_CERTIFICATE, fact->number, fact->pledge, fact->contributor,
                        fact->amount, fact->document_sha256.len));
    const struct state_pledge *pledge = state_pledge(ledger, fact->pledge);
    NEED(pledge->stage == STAGE(COMMITTED) || pledge->stage == STAGE(CLOSED),
         "a certificate for what is not signed");
    const char *tier = pledge->tier == STATE_TIER_FREE ? "" : ledger->tier[pledge->tier].code;
    NEED(strcmp(fact->tier, tier) == 0 &&
             state_money_is(fact->amount, pledge->amount, pledge->currency),
         "a certificate for another tier or amount");
    return pl_ok();
}

struct pl_status receipt_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    return entry->fact_case == FACT(RECEIPT_ISSUED)
               ? check_receipt(ledger, entry->receipt_issued)
               : check_certificate(ledger, entry->certificate_issued);
}

static void add(struct ledger *ledger, enum state_document_kind kind,
                const Pledged__V1__Entry *entry, const char *pledge,
                const Pledged__V1__Money *amount, const uint8_t *sha256)
{
    struct state_documents *issued = &ledger->document[kind];
    issued->row = state_grow(issued->row, issued->count, &issued->cap, sizeof(*issued->row));
    struct state_document *made = &issued->row[issued->count++];
    *made = (struct state_document){.amount = amount->minor,
                                    .seq = entry->seq,
                                    .time_us = entry->time_us,
                                    .pledge = (uint32_t)pl_id_parse(pledge, 'P') - 1};
    memcpy(made->sha256, sha256, sizeof(made->sha256));
}

void receipt_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(CERTIFICATE_ISSUED)) {
        const Pledged__V1__CertificateIssued *fact = entry->certificate_issued;
        add(ledger, STATE_CERTIFICATE, entry, fact->pledge, fact->amount,
            fact->document_sha256.data);
        return;
    }
    const Pledged__V1__ReceiptIssued *fact = entry->receipt_issued;
    add(ledger, STATE_RECEIPT, entry, fact->pledge, fact->amount, fact->document_sha256.data);
    for (size_t i = 0; i < fact->n_allocation_seq; i++) {
        uint64_t seq = fact->allocation_seq[i];
        uint32_t found = *(const uint32_t *)pl_map_get(&ledger->reversible, &seq);
        ledger->allocation[state_reversible_index(found)].receipt =
            (uint32_t)ledger->document[STATE_RECEIPT].count;
    }
}
