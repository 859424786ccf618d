/* SPDX-License-Identifier: Apache-2.0
 *
 * contact: record, erase, legal hold. Happy path: a fact that names numbers and commitments, never
 * persons. Failure: each refusal is an entry. What is erased stays known by its commitment, so that
 * a backup from before can be brought up to date (persons_reconcile).
 */
#include "server/ledger/contact.h"

#include <string.h>

#include "common/check.h"
#include "common/ids.h"
#include "server/ledger/allocation.h"
#include "server/ledger/payer.h"
#include "server/ledger/query.h"

enum { ERASED_AT_ONCE_MAX = 256 };

static struct state_contact *find(const struct ledger *ledger, const char *id)
{
    uint64_t number = pl_id_parse(id, 'K');
    return number != 0 && number <= ledger->contact_count ? &ledger->contact[number - 1] : NULL;
}

static struct state_erasable *record_of(const struct ledger *ledger,
                                        const struct state_contact *contact)
{
    PL_ASSERT(contact != NULL);
    return &ledger->erasable[contact->erasable];
}

/* --- commitments --- */

static const struct state_erasable *erasable(const struct ledger *ledger, const uint8_t *commitment)
{
    const uint32_t *index = pl_map_get(&ledger->commitments, commitment);
    return index != NULL ? &ledger->erasable[*index] : NULL;
}

bool contact_commitment_fits(const struct ledger *ledger, ProtobufCBinaryData commitment)
{
    return commitment.len == LEDGER_COMMITMENT_BYTES && erasable(ledger, commitment.data) == NULL;
}

uint32_t contact_commit(struct ledger *ledger, const uint8_t commitment[LEDGER_COMMITMENT_BYTES],
                        uint64_t seq)
{
    ledger->erasable = state_grow(ledger->erasable, ledger->erasable_count, &ledger->erasable_cap,
                                  sizeof(*ledger->erasable));
    uint32_t index = (uint32_t)ledger->erasable_count++;
    ledger->erasable[index] = (struct state_erasable){.seq = seq, .next = STATE_NONE};
    memcpy(ledger->erasable[index].commitment, commitment, LEDGER_COMMITMENT_BYTES);
    pl_map_put(&ledger->commitments, commitment, &index);
    return index;
}

enum ledger_erasable ledger_erasable(const struct ledger *ledger,
                                     const uint8_t commitment[LEDGER_COMMITMENT_BYTES])
{
    const struct state_erasable *known = erasable(ledger, commitment);
    if (known == NULL)
        return LEDGER_ERASABLE_UNKNOWN;
    return known->erased_seq != 0 ? LEDGER_ERASABLE_ERASED : LEDGER_ERASABLE_LIVE;
}

const uint8_t *ledger_erasable_at(const struct ledger *ledger, size_t index)
{
    return index < ledger->erasable_count ? ledger->erasable[index].commitment : NULL;
}

ProtobufCBinaryData ledger_commits_to(const Pledged__V1__Entry *entry)
{
    switch ((int)entry->fact_case) {
    case FACT(CONTACT_RECORDED):
        return entry->contact_recorded->commitment;
    case FACT(BANK_ENTRY_RECORDED):
        return entry->bank_entry_recorded->movement->detail_commitment;
    case FACT(PAYMENT_CONFIRMED):
        return entry->payment_confirmed->movement->detail_commitment;
    case FACT(PAYER_LEARNED):
        return entry->payer_learned->detail_commitment;
    case FACT(MOVEMENT_LEARNED):
        return entry->movement_learned->movement->detail_commitment;
    default:
        return (ProtobufCBinaryData){0, NULL};
    }
}

/* --- deciding --- */

static const struct state_contributor *contributor_or_refuse(struct maker *maker, const char *id,
                                                             const char *field)
{
    const struct state_contributor *found = state_contributor(maker->ledger, id);
    if (found == NULL)
        maker_refuse(maker, REASON(CONTRIBUTOR_UNKNOWN), field, 0, NULL);
    return found;
}

static size_t count_live(const struct ledger *ledger, const struct state_contributor *contributor)
{
    size_t count = 0;
    for (uint32_t i = contributor->contact_last; i != 0; i = ledger->contact[i - 1].before)
        count += record_of(ledger, &ledger->contact[i - 1])->erased_seq == 0;
    return count;
}

static void record(struct maker *maker, const Pledged__V1__RecordContact *command)
{
    const struct state_contributor *contributor =
        contributor_or_refuse(maker, command->contributor, "record_contact.contributor");
    if (contributor == NULL)
        return;
    const struct state_erasable *known = erasable(maker->ledger, command->commitment.data);
    if (known != NULL) {
        maker_refuse(maker, REASON(FIELD_INVALID), "record_contact.commitment", known->seq, NULL);
        maker_say(maker, "why", "the ledger has this commitment already");
        return;
    }
    if (count_live(maker->ledger, contributor) >= ERASED_AT_ONCE_MAX) {
        maker_refuse(maker, REASON(TOO_BIG), "record_contact.contributor", 0, NULL);
        return;
    }
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__ContactRecorded *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__contact_recorded__init(fact);
    fact->contact = maker_id(maker, 'K', maker->ledger->contact_count + 1);
    fact->contributor = command->contributor;
    fact->commitment = command->commitment;
    entry->fact_case = FACT(CONTACT_RECORDED);
    entry->contact_recorded = fact;
    maker_outcome(maker)->contact = fact->contact;
    maker_outcome(maker)->contributor = fact->contributor;
}

static Pledged__V1__SubjectErased *erased_new(struct maker *maker)
{
    Pledged__V1__SubjectErased *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__subject_erased__init(fact);
    fact->contact = maker_alloc(maker, ERASED_AT_ONCE_MAX * sizeof(*fact->contact));
    fact->bank_entry = maker_alloc(maker, PAYER_ERASED_MAX * sizeof(*fact->bank_entry));
    fact->commitment =
        maker_alloc(maker, (ERASED_AT_ONCE_MAX + PAYER_ERASED_MAX) * sizeof(*fact->commitment));
    return fact;
}

static void erase_one(struct maker *maker, Pledged__V1__SubjectErased *fact, uint32_t number)
{
    struct state_erasable *gone = record_of(maker->ledger, &maker->ledger->contact[number - 1]);
    if (gone->erased_seq != 0)
        return;
    fact->contact[fact->n_contact++] = maker_id(maker, 'K', number);
    fact->commitment[fact->n_commitment++] =
        (ProtobufCBinaryData){sizeof(gone->commitment), gone->commitment};
}

static void erase_recorded(struct maker *maker, Pledged__V1__SubjectErased *fact)
{
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    entry->fact_case = FACT(SUBJECT_ERASED);
    entry->subject_erased = fact;
    maker_outcome(maker)->contributor = fact->contributor;
    maker_outcome(maker)->erased = fact->commitment;
    maker_outcome(maker)->n_erased = fact->n_commitment;
    if (fact->n_contact == 1)
        maker_outcome(maker)->contact = fact->contact[0];
}

/* Which organisation it is about: *ret_contact is the one person, 0 means all. */
static const struct state_contributor *
whom(struct maker *maker, const Pledged__V1__EraseContact *command, uint32_t *ret_contact)
{
    *ret_contact = 0;
    if (command->contact[0] == '\0')
        return contributor_or_refuse(maker, command->contributor, "erase_contact.contributor");
    const struct state_contact *contact = find(maker->ledger, command->contact);
    if (contact == NULL || record_of(maker->ledger, contact)->erased_seq != 0) {
        maker_refuse(maker, REASON(CONTACT_UNKNOWN), "erase_contact.contact",
                     contact == NULL ? 0 : record_of(maker->ledger, contact)->erased_seq, NULL);
        return NULL;
    }
    *ret_contact = (uint32_t)(contact - maker->ledger->contact) + 1;
    return &maker->ledger->contributor[contact->contributor];
}

/* Who paid by one bank entry. */
static void erase_payer(struct maker *maker, const Pledged__V1__EraseContact *command)
{
    const struct ledger *ledger = maker->ledger;
    const struct state_bank_entry *entry =
        allocation_find(maker, command->bank_entry, "erase_contact.bank_entry");
    if (entry == NULL)
        return;
    if (payer_record(ledger, entry) == NULL) {
        maker_refuse(maker, REASON(CONTACT_UNKNOWN), "erase_contact.bank_entry",
                     payer_erased_seq(ledger, entry), NULL);
        return;
    }
    if (payer_hold(ledger, entry) != 0) {
        maker_refuse(maker, REASON(LEGAL_HOLD), "erase_contact", payer_hold(ledger, entry), NULL);
        return;
    }
    Pledged__V1__SubjectErased *fact = erased_new(maker);
    int64_t left = payer_erase(maker, fact, entry);
    erase_recorded(maker, fact);
    maker_outcome(maker)->erased_left = left;
    maker_outcome(maker)->bank_entry = command->bank_entry;
}

static void erase(struct maker *maker, const Pledged__V1__EraseContact *command)
{
    uint32_t one = 0;
    int64_t left = 0;
    if (command->bank_entry[0] != '\0') {
        erase_payer(maker, command);
        return;
    }
    const struct state_contributor *of = whom(maker, command, &one);
    if (of == NULL)
        return;
    if (of->hold_seq != 0) {
        maker_refuse(maker, REASON(LEGAL_HOLD), "erase_contact", of->hold_seq, NULL);
        return;
    }
    Pledged__V1__SubjectErased *fact = erased_new(maker);
    fact->contributor = maker_id(maker, 'C', (uint64_t)(of - maker->ledger->contributor) + 1);
    if (one != 0)
        erase_one(maker, fact, one);
    for (uint32_t i = one != 0 ? 0 : of->contact_last; i != 0;
         i = maker->ledger->contact[i - 1].before)
        erase_one(maker, fact, i);
    if (one == 0)
        left = payer_erase_all(maker, fact, (uint32_t)(of - maker->ledger->contributor));
    if (fact->n_commitment == 0) {
        maker_refuse(maker, REASON(CONTACT_UNKNOWN), "erase_contact.contributor", 0, NULL);
        return;
    }
    erase_recorded(maker, fact);
    maker_outcome(maker)->erased_left = left;
}

static void legal_hold(struct maker *maker, const Pledged__V1__SetLegalHold *command)
{
    const struct state_contributor *contributor =
        contributor_or_refuse(maker, command->contributor, "set_legal_hold.contributor");
    if (contributor == NULL)
        return;
    if (command->on == (contributor->hold_seq != 0)) {
        maker_refuse(maker, REASON(STATE_WRONG), "set_legal_hold.on", contributor->hold_seq, NULL);
        maker_arg(maker, "stage", command->on ? "the hold is on already" : "no hold is on");
        return;
    }
    Pledged__V1__Entry *entry = maker_entry(maker, 0);
    Pledged__V1__LegalHoldSet *fact = maker_alloc(maker, sizeof(*fact));
    pledged__v1__legal_hold_set__init(fact);
    fact->contributor = command->contributor;
    fact->on = command->on;
    entry->fact_case = FACT(LEGAL_HOLD_SET);
    entry->legal_hold_set = fact;
    maker_outcome(maker)->contributor = fact->contributor;
}

void contact_decide(struct maker *maker)
{
    const Pledged__V1__Command *command = maker->command;
    if (command->command_case == COMMAND(RECORD_CONTACT))
        record(maker, command->record_contact);
    else if (command->command_case == COMMAND(ERASE_CONTACT))
        erase(maker, command->erase_contact);
    else
        legal_hold(maker, command->set_legal_hold);
}

/* --- facts --- */

static struct pl_status check_erased(const struct ledger *ledger,
                                     const Pledged__V1__SubjectErased *fact)
{
    const struct state_contributor *of = state_contributor(ledger, fact->contributor);
    bool payer_alone = fact->contributor[0] == '\0' && fact->n_contact == 0;
    NEED(payer_alone || (of != NULL && of->hold_seq == 0),
         "an erasure under a legal hold, or of nobody");
    NEED(fact->n_commitment != 0 && fact->n_contact <= ERASED_AT_ONCE_MAX &&
             fact->n_commitment == fact->n_contact + fact->n_bank_entry,
         "an erasure of nobody, or of too many");
    PL_TRY(payer_check_erased(ledger, fact));
    uint64_t last = UINT64_MAX;
    for (size_t i = 0; i < fact->n_contact; i++) {
        const struct state_contact *contact = find(ledger, fact->contact[i]);
        NEED(contact != NULL && &ledger->contributor[contact->contributor] == of &&
                 record_of(ledger, contact)->erased_seq == 0,
             "an erasure of somebody else, or of who is erased already");
        uint64_t number = (uint64_t)(contact - ledger->contact) + 1;
        NEED(number < last, "an erasure names persons out of order");
        last = number;
        NEED(fact->commitment[i].len == LEDGER_COMMITMENT_BYTES &&
                 memcmp(fact->commitment[i].data, record_of(ledger, contact)->commitment,
                        LEDGER_COMMITMENT_BYTES) == 0,
             "an erasure of another record");
    }
    return pl_ok();
}

struct pl_status contact_check(const struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(CONTACT_RECORDED)) {
        const Pledged__V1__ContactRecorded *fact = entry->contact_recorded;
        NEED(pl_id_parse(fact->contact, 'K') == ledger->contact_count + 1,
             "a person's number is not the next one");
        NEED(state_contributor(ledger, fact->contributor) != NULL,
             "a person of an unknown contributor");
        NEED(contact_commitment_fits(ledger, fact->commitment),
             "a commitment that does not fit, or is there already");
        return pl_ok();
    }
    if (entry->fact_case == FACT(SUBJECT_ERASED))
        return check_erased(ledger, entry->subject_erased);
    const Pledged__V1__LegalHoldSet *fact = entry->legal_hold_set;
    const struct state_contributor *of = state_contributor(ledger, fact->contributor);
    NEED(of != NULL && (of->hold_seq != 0) != (fact->on != 0), "a legal hold that changes nothing");
    return pl_ok();
}

void contact_add(struct ledger *ledger, uint32_t contributor, uint32_t erasable_index)
{
    ledger->contact = state_grow(ledger->contact, ledger->contact_count, &ledger->contact_cap,
                                 sizeof(*ledger->contact));
    ledger->contact[ledger->contact_count++] =
        (struct state_contact){.contributor = contributor,
                               .erasable = erasable_index,
                               .before = ledger->contributor[contributor].contact_last};
    ledger->contributor[contributor].contact_last = (uint32_t)ledger->contact_count;
}

void contact_apply(struct ledger *ledger, const Pledged__V1__Entry *entry)
{
    if (entry->fact_case == FACT(CONTACT_RECORDED)) {
        const Pledged__V1__ContactRecorded *fact = entry->contact_recorded;
        contact_add(ledger, (uint32_t)pl_id_parse(fact->contributor, 'C') - 1,
                    contact_commit(ledger, fact->commitment.data, entry->seq));
    } else if (entry->fact_case == FACT(SUBJECT_ERASED)) {
        const Pledged__V1__SubjectErased *fact = entry->subject_erased;
        for (size_t i = 0; i < fact->n_contact; i++)
            record_of(ledger, find(ledger, fact->contact[i]))->erased_seq = entry->seq;
        payer_apply_erased(ledger, fact, entry->seq);
    } else {
        const Pledged__V1__LegalHoldSet *fact = entry->legal_hold_set;
        state_contributor(ledger, fact->contributor)->hold_seq = fact->on ? entry->seq : 0;
    }
}

/* --- listing --- */

static char *id_text(struct pl_arena *arena, char prefix, uint64_t number)
{
    char id[24];
    return pl_arena_strdup(arena, pl_id_format(prefix, number, id));
}

static Pledged__V1__ContactStatus *contact_row(const struct ledger *ledger, uint32_t number,
                                               struct pl_arena *arena)
{
    Pledged__V1__ContactStatus *row =
        query_message(arena, &pledged__v1__contact_status__descriptor);
    const struct state_contact *contact = &ledger->contact[number - 1];
    const struct state_erasable *record = &ledger->erasable[contact->erasable];
    if (row == NULL)
        return NULL;
    row->contact = id_text(arena, 'K', number);
    row->contributor = id_text(arena, 'C', (uint64_t)contact->contributor + 1);
    row->seq = record->seq;
    row->erased_seq = record->erased_seq;
    row->commitment =
        (ProtobufCBinaryData){LEDGER_COMMITMENT_BYTES,
                              pl_arena_memdup(arena, record->commitment, LEDGER_COMMITMENT_BYTES)};
    return row->contact == NULL || row->contributor == NULL || row->commitment.data == NULL ? NULL
                                                                                            : row;
}

/* The newest ones, oldest of them first. */
static bool add_rows(const struct ledger *ledger, const struct state_contributor *of,
                     struct pl_arena *arena, Pledged__V1__ListContactsResponse *response)
{
    uint32_t number[ERASED_AT_ONCE_MAX];
    size_t count = 0;
    for (uint32_t i = of->contact_last; i != 0 && count < ERASED_AT_ONCE_MAX;
         i = ledger->contact[i - 1].before)
        number[count++] = i;
    response->contact = pl_arena_alloc(arena, (count + 1) * sizeof(*response->contact));
    while (response->contact != NULL && count != 0) {
        Pledged__V1__ContactStatus *row = contact_row(ledger, number[--count], arena);
        if (row == NULL)
            return false;
        response->contact[response->n_contact++] = row;
    }
    return response->contact != NULL;
}

enum pl_code query_list_contacts(const struct ledger *ledger, const struct query_log *log,
                                 const ProtobufCMessage *request, struct pl_arena *arena,
                                 ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    const Pledged__V1__ListContactsRequest *want = (const void *)request;
    uint64_t number = pl_id_parse(want->contributor, 'C');
    (void)log;
    if (number == 0 || number > ledger->contributor_count)
        return query_refuse(arena, PLEDGED__V1__REASON__REASON_CONTRIBUTOR_UNKNOWN, "contributor",
                            want->contributor, "there is no such contributor", ret_refusal);
    const struct state_contributor *of = &ledger->contributor[number - 1];
    Pledged__V1__ListContactsResponse *response =
        query_message(arena, &pledged__v1__list_contacts_response__descriptor);
    if (response == NULL || !add_rows(ledger, of, arena, response))
        return query_refuse(arena, PLEDGED__V1__REASON__REASON_TOO_BIG, "", NULL,
                            "the answer does not fit the memory of one call", ret_refusal);
    response->as_of_seq = ledger->size;
    response->legal_hold = of->hold_seq != 0;
    *ret = &response->base;
    return PL_E_OK;
}
