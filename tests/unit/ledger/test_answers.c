/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what is asked about a ledger in which everything happened agrees with it: page by page and
 * in one, filter by filter, in any amount of memory; a wrong question is refused by its field.
 */
#include "common/check.h"
#include "common/ids.h"
#include "damage.h"
#include "server/ledger/query.h"
#include "server/ledger/statement.h"
#include "story.h"

static struct world w;
static enum pl_code log_fails;

static struct pl_status log_read(void *arg, uint64_t seq, struct pl_slice *ret)
{
    (void)arg;
    if (log_fails != PL_E_OK)
        return (struct pl_status){log_fails, 0, "reading the log", "test"};
    assert_in_range(seq, 1, w.entry_count);
    *ret = w.entry[seq - 1];
    return pl_ok();
}

static int setup(void **state)
{
    (void)state;
    story_tell(&w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&w);
    return 0;
}

struct question {
    query_fn ask;
    const ProtobufCMessage *request;
};

static enum pl_code ask(query_fn query, const void *request, struct pl_arena *arena,
                        ProtobufCMessage **ret)
{
    struct query_log log = {log_read, NULL};
    Pledged__V1__Refusal *refusal = NULL;
    *ret = NULL;
    enum pl_code code = query(w.ledger, &log, request, arena, ret, &refusal);
    if (code == PL_E_OK) {
        assert_non_null(*ret);
        return code;
    }
    /* nothing but a spent arena may be without words */
    assert_true(refusal != NULL || code == PL_E_TOO_BIG);
    if (refusal != NULL)
        assert_string_not_equal(refusal->message, "");
    return code;
}

/* --- one question of each kind, with all that it may say --- */

#define REQUEST(type_, init_, ...)                                                                 \
    ({                                                                                             \
        Pledged__V1__##type_ *r = pl_arena_alloc(&w.arena, sizeof(*r));                            \
        protobuf_c_message_init(&init_, r);                                                        \
        __VA_ARGS__;                                                                               \
        &r->base;                                                                                  \
    })

static size_t questions(struct question out[64])
{
    static Pledged__V1__Stage stages[] = {STAGE(PLEDGED), STAGE(COMMITTED)};
    size_t n = 0;
#define ADD(ask_, ...)                                                                             \
    out[n++] = (struct question)                                                                   \
    {                                                                                              \
        ask_, REQUEST(__VA_ARGS__)                                                                 \
    }
    for (uint64_t p = 1; p <= w.ledger->pledge_count; p++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "P%06u", (unsigned)p);
        ADD(query_get_pledge, GetPledgeRequest, pledged__v1__get_pledge_request__descriptor,
            r->pledge = pl_arena_strdup(&w.arena, id));
    }
    ADD(query_list_pledges, ListPledgesRequest, pledged__v1__list_pledges_request__descriptor,
        r->page_size = 3);
    ADD(query_list_pledges, ListPledgesRequest, pledged__v1__list_pledges_request__descriptor,
        r->tier = S_("duo");
        r->stage = stages; r->n_stage = 2; r->contributor = S_("C000001"); r->currency = S_("CHF");
        r->contributor_kind = PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_GOVERNMENT;
        r->since_seq = 1; r->page_size = 2; r->catalogue = S_("test-2026"));
    ADD(query_list_contributors, ListContributorsRequest,
        pledged__v1__list_contributors_request__descriptor, r->name_contains = S_("inistry");
        r->page_size = 2);
    ADD(query_list_contacts, ListContactsRequest, pledged__v1__list_contacts_request__descriptor,
        r->contributor = S_("C000001"));
    ADD(query_list_proposals, ListProposalsRequest, pledged__v1__list_proposals_request__descriptor,
        r->all = true;
        r->page_size = 2);
    ADD(query_list_proposals, ListProposalsRequest, pledged__v1__list_proposals_request__descriptor,
        r->all = true;
        r->pledge = S_("P000006"));
    ADD(query_list_payments, ListPaymentsRequest, pledged__v1__list_payments_request__descriptor,
        r->page_size = 4);
    ADD(query_list_payments, ListPaymentsRequest, pledged__v1__list_payments_request__descriptor,
        r->pledge = S_("P000005");
        r->currency = S_("CHF"); r->page_size = 1);
    ADD(query_list_documents, ListDocumentsRequest, pledged__v1__list_documents_request__descriptor,
        r->pledge = S_("P000005");
        r->sha256 = STORY_SHA256);
    ADD(query_list_documents, ListDocumentsRequest, pledged__v1__list_documents_request__descriptor,
        r->certificates = true);
    ADD(query_get_treasury, GetTreasuryRequest, pledged__v1__get_treasury_request__descriptor,
        (void)r);
    ADD(query_list_periods, ListPeriodsRequest, pledged__v1__list_periods_request__descriptor,
        (void)r);
    ADD(query_list_bank_entries, ListBankEntriesRequest,
        pledged__v1__list_bank_entries_request__descriptor, r->page_size = 20);
    ADD(query_list_bank_entries, ListBankEntriesRequest,
        pledged__v1__list_bank_entries_request__descriptor, r->statement = S_("S000001");
        r->currency = S_("CHF"); r->booked_before = S_("2026-02-04"); r->page_size = 2);
    ADD(query_list_bank_entries, ListBankEntriesRequest,
        pledged__v1__list_bank_entries_request__descriptor, r->bank_entry = S_("B000012"));
    ADD(query_list_statements, ListStatementsRequest,
        pledged__v1__list_statements_request__descriptor, r->page_size = 1);
    ADD(query_list_statements, ListStatementsRequest,
        pledged__v1__list_statements_request__descriptor, r->account = S_(STORY_IBAN));
    ADD(query_suggest_allocations, SuggestAllocationsRequest,
        pledged__v1__suggest_allocations_request__descriptor, r->bank_entry = S_("B000010");
        r->most = 2);
    ADD(query_suggest_allocations, SuggestAllocationsRequest,
        pledged__v1__suggest_allocations_request__descriptor, r->bank_entry = S_("B000015"));
    ADD(query_list_rates, ListRatesRequest, pledged__v1__list_rates_request__descriptor,
        r->page_size = 2);
    ADD(query_list_rates, ListRatesRequest, pledged__v1__list_rates_request__descriptor,
        r->currency = S_("EUR");
        r->page_size = 1);
    ADD(query_list_rates, ListRatesRequest, pledged__v1__list_rates_request__descriptor,
        r->currency = S_("USD");
        r->date = S_("2026-02-10"));
    ADD(query_get_history, GetHistoryRequest, pledged__v1__get_history_request__descriptor,
        r->pledge = S_("P000006");
        r->before_seq = w.entry_count; r->page_size = 5);
    ADD(query_pledge_benefits, ListBenefitsRequest, pledged__v1__list_benefits_request__descriptor,
        r->of_case = PLEDGED__V1__LIST_BENEFITS_REQUEST__OF_PLEDGE;
        r->pledge = S_("P000005"));
    assert_in_range(n, 20, 64);
    return n;
}

/* --- pages --- */

static void *field_at(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    return field != NULL ? (uint8_t *)(uintptr_t)message + field->offset : NULL;
}

/* The rows of an answer: its field 2, everywhere. */
static size_t rows_of(const ProtobufCMessage *answer, ProtobufCMessage ***ret)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(answer->descriptor, 2);
    assert_int_equal(field->label, PROTOBUF_C_LABEL_REPEATED);
    *ret = *(ProtobufCMessage ***)(void *)((uint8_t *)(uintptr_t)answer + field->offset);
    return *(const size_t *)(const void *)((const uint8_t *)answer + field->quantifier_offset);
}

/* All rows, asked for `size` at a time, as bytes one after the other. */
static struct pl_slice all_rows(const struct question *q, uint32_t size, struct pl_arena *arena)
{
    ProtobufCMessage *request = NULL, *answer = NULL, **row;
    uint8_t *bytes = pl_arena_alloc(arena, 1 << 20);
    size_t len = 0;
    struct pl_slice packed = pl_pack(q->request, arena);
    assert_true(pl_is_ok(pl_unpack_trusted(q->request->descriptor, packed, arena, &request)));
    *(uint32_t *)field_at(request, "page_size") = size;
    for (int pages = 0; pages < 1000; pages++) {
        assert_int_equal(ask(q->ask, request, arena, &answer), PL_E_OK);
        size_t count = rows_of(answer, &row);
        assert_in_range(count, 0, size);
        for (size_t i = 0; i < count; i++) {
            struct pl_slice one = pl_pack(row[i], arena);
            memcpy(bytes + len, one.data, one.len);
            len += one.len;
        }
        char *token = *(char **)field_at(answer, "next_page_token");
        if (token[0] == '\0')
            return pl_slice(bytes, len);
        *(char **)field_at(request, "page_token") = token;
    }
    fail_msg("pages without end");
    return pl_slice(NULL, 0);
}

static void test_pages_together_are_the_whole(void **state)
{
    (void)state;
    struct question q[64];
    struct pl_arena arena;
    size_t count = questions(q), paged = 0;
    pl_arena_init(&arena, 256 << 20);
    for (size_t i = 0; i < count; i++) {
        if (field_at(q[i].request, "page_token") == NULL)
            continue;
        pl_arena_reset(&arena);
        struct pl_slice whole = all_rows(&q[i], 1000, &arena);
        for (uint32_t size = 1; size < 6; size++)
            assert_true(pl_slice_eq(whole, all_rows(&q[i], size, &arena)));
        assert_true(whole.len != 0);
        paged++;
    }
    assert_true(paged >= 12);
    pl_arena_fini(&arena);
}

/* --- wrong questions, little memory, a log that fails --- */

static void test_wrong_questions_are_refused_by_name(void **state)
{
    (void)state;
    struct question q[64];
    struct pl_arena arena;
    size_t count = questions(q);
    unsigned refused = 0, answered = 0;
    pl_arena_init(&arena, 16 << 20);
    for (size_t i = 0; i < count; i++) {
        struct pl_slice bytes = pl_pack(q[i].request, &w.arena);
        for (unsigned n = 0;; n++) {
            struct damage d;
            ProtobufCMessage *answer = NULL;
            pl_arena_reset(&arena);
            const ProtobufCMessage *request =
                damaged(q[i].request->descriptor, bytes, n, &arena, &d);
            if (request == NULL)
                break;
            enum pl_code code = ask(q[i].ask, request, &arena, &answer);
            assert_int_not_equal(code, PL_E_CORRUPT);
            refused += code != PL_E_OK;
            answered += code == PL_E_OK;
        }
    }
    assert_true(refused > 60 && answered > 60);
    pl_arena_fini(&arena);
}

static void test_any_amount_of_memory_will_do_or_is_said_to_be_too_little(void **state)
{
    (void)state;
    struct question q[64];
    size_t count = questions(q);
    for (size_t i = 0; i < count; i++) {
        unsigned enough = 0, less = 0;
        for (size_t budget = 0; enough < 40 && budget < 400000; budget += 16) {
            struct pl_arena arena;
            ProtobufCMessage *answer = NULL;
            pl_arena_init(&arena, budget);
            enum pl_code code = ask(q[i].ask, q[i].request, &arena, &answer);
            assert_true(code == PL_E_OK || code == PL_E_TOO_BIG);
            enough += code == PL_E_OK;
            less += code != PL_E_OK;
            if (answer != NULL && code == PL_E_OK)
                assert_true(protobuf_c_message_get_packed_size(answer) != 0);
            pl_arena_fini(&arena);
        }
        assert_true(enough == 40 && less > 1);
    }
}

/* A refusal needs memory too: without it, the answer is that there is too little. */
static void test_wrong_questions_in_little_memory(void **state)
{
    (void)state;
    struct question q[64];
    struct pl_arena asking;
    size_t count = questions(q);
    pl_arena_init(&asking, 16 << 20);
    for (size_t i = 0; i < count; i++) {
        struct pl_slice bytes = pl_pack(q[i].request, &w.arena);
        for (unsigned n = 0;; n++) {
            struct damage d;
            pl_arena_reset(&asking);
            const ProtobufCMessage *request =
                damaged(q[i].request->descriptor, bytes, n, &asking, &d);
            if (request == NULL)
                break;
            for (size_t budget = 0; budget < 600; budget += 16) {
                struct pl_arena arena;
                ProtobufCMessage *answer = NULL;
                pl_arena_init(&arena, budget);
                (void)ask(q[i].ask, request, &arena, &answer);
                pl_arena_fini(&arena);
            }
        }
    }
    pl_arena_fini(&asking);
}

static void test_a_log_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct question q[64];
    struct pl_arena arena;
    size_t count = questions(q), told = 0;
    pl_arena_init(&arena, 16 << 20);
    log_fails = PL_E_IO;
    for (size_t i = 0; i < count; i++) {
        ProtobufCMessage *answer = NULL;
        pl_arena_reset(&arena);
        told += ask(q[i].ask, q[i].request, &arena, &answer) != PL_E_OK;
    }
    log_fails = PL_E_OK;
    assert_int_equal(told, 8); /* bank entries, statements, suggestions, history */
    pl_arena_fini(&arena);
}

/* --- what statements brought --- */

static const Pledged__V1__ListBankEntriesResponse *
bank_entries(struct pl_arena *arena, const Pledged__V1__ListBankEntriesRequest *request)
{
    ProtobufCMessage *answer = NULL;
    assert_int_equal(ask(query_list_bank_entries, request, arena, &answer), PL_E_OK);
    return (const Pledged__V1__ListBankEntriesResponse *)answer;
}

static bool wanted(const Pledged__V1__ListBankEntriesRequest *want,
                   const Pledged__V1__BankEntryStatus *row)
{
    return (!want->unmatched_only || row->unmatched_minor != 0) &&
           (want->queue == 0 || row->queue == want->queue) &&
           (want->statement[0] == '\0' || strcmp(want->statement, row->statement) == 0) &&
           (want->currency[0] == '\0' || strcmp(want->currency, row->currency) == 0) &&
           (want->booked_before[0] == '\0' ||
            strcmp(row->statement[0] == '\0' ? row->movement->value_date
                                             : row->movement->booking_date,
                   want->booked_before) < 0);
}

static void test_bank_entries_are_filtered(void **state)
{
    (void)state;
    static const char *const statements[] = {"", "S000001", "S000002", "S000003"};
    static const char *const currencies[] = {"", "CHF", "USD"};
    static const char *const days[] = {"", "2026-02-03", "2026-02-04"};
    struct pl_arena arena;
    unsigned queues = 0;
    pl_arena_init(&arena, 64 << 20);
    Pledged__V1__ListBankEntriesRequest any = PLEDGED__V1__LIST_BANK_ENTRIES_REQUEST__INIT;
    const Pledged__V1__ListBankEntriesResponse *all = bank_entries(&arena, &any);
    size_t by_hand = 0;
    assert_int_equal(all->n_bank_entry, w.ledger->bank_entry_count);
    for (size_t i = 0; i < all->n_bank_entry; i++) {
        const Pledged__V1__BankEntryStatus *row = all->bank_entry[i];
        const struct state_bank_entry *entry = &w.ledger->bank_entry[i];
        queues |= 1u << row->queue;
        by_hand += row->statement[0] == '\0';
        assert_int_equal(row->statement[0] == '\0', entry->movement == STATE_NONE);
        if (entry->movement != STATE_NONE)
            continue;
        assert_int_equal(row->movement->minor, entry->debit ? -entry->amount : entry->amount);
        assert_int_equal(llabs(row->unmatched_minor), entry->reversed
                                                          ? 0
                                                          : entry->amount - entry->allocated -
                                                                entry->refunded - entry->explained);
        assert_int_equal(row->queue, 0);
    }
    assert_true(by_hand > 0 && by_hand < all->n_bank_entry);
    assert_int_equal(queues & 0x7fe, 0x63e); /* all but a split batch, a charge and a matched
                                             reversal */
    for (unsigned mask = 0; mask < 2 * 11 * 4 * 3 * 3; mask++) {
        Pledged__V1__ListBankEntriesRequest want = any;
        want.unmatched_only = mask % 2;
        want.queue = (Pledged__V1__QueueReason)(mask / 2 % 11);
        want.statement = S_(statements[mask / 22 % 4]);
        want.currency = S_(currencies[mask / 88 % 3]);
        want.booked_before = S_(days[mask / 264 % 3]);
        const Pledged__V1__ListBankEntriesResponse *some = bank_entries(&arena, &want);
        size_t n = 0;
        for (size_t i = 0; i < all->n_bank_entry; i++) {
            if (!wanted(&want, all->bank_entry[i]))
                continue;
            assert_true(n < some->n_bank_entry);
            assert_string_equal(some->bank_entry[n++]->bank_entry, all->bank_entry[i]->bank_entry);
        }
        assert_int_equal(n, some->n_bank_entry);
    }
    pl_arena_fini(&arena);
}

/* A row says what the bank said, and what became of it. */
static void test_bank_entries_say_what_the_ledger_knows(void **state)
{
    (void)state;
    struct pl_arena arena;
    pl_arena_init(&arena, 64 << 20);
    Pledged__V1__ListBankEntriesRequest any = PLEDGED__V1__LIST_BANK_ENTRIES_REQUEST__INIT;
    const Pledged__V1__ListBankEntriesResponse *all = bank_entries(&arena, &any);
    for (size_t i = 0; i < all->n_bank_entry; i++) {
        const Pledged__V1__BankEntryStatus *row = all->bank_entry[i];
        const struct state_bank_entry *b = state_bank_entry(w.ledger, row->bank_entry);
        const Pledged__V1__Entry *e = world_entry(&w, row->seq - 1);
        if (b->movement == STATE_NONE)
            continue;
        const Pledged__V1__Movement *said = e->fact_case == FACT(PAYMENT_CONFIRMED)
                                                ? e->payment_confirmed->movement
                                                : e->bank_entry_recorded->movement;
        assert_int_equal(row->movement->minor, said->minor);
        assert_string_equal(row->movement->bank_ref, said->bank_ref);
        assert_int_equal(row->allocated_minor, b->allocated);
        assert_int_equal(row->explained_minor, b->explained);
        int64_t open = b->reversed ? 0 : b->amount - b->allocated - b->refunded - b->explained;
        assert_int_equal(row->unmatched_minor, b->debit ? -open : open);
        assert_int_equal(row->reversed, b->reversed);
        assert_true(open != 0 || row->queue == 0);
    }
    pl_arena_fini(&arena);
}

static void test_suggestions_are_ordered_and_true(void **state)
{
    (void)state;
    struct pl_arena arena;
    unsigned kinds = 0;
    pl_arena_init(&arena, 64 << 20);
    submit(&w, NULL, "C000006", NULL, 1100, "CHF"); /* what one movement brought, exactly */
    submit(&w, NULL, "C000006", NULL, 1234, "USD"); /* what another payer ordered */
    submit(&w, NULL, "C000006", NULL, 777, "CHF");
    char part[16];
    (void)snprintf(part, sizeof(part), "%s", w.receipt->outcome->pledge);
    pay(&w, part, 100, "CHF", "PART");
    for (size_t i = 0; i < w.ledger->bank_entry_count; i++) {
        char id[32];
        ProtobufCMessage *answer = NULL;
        Pledged__V1__SuggestAllocationsRequest want =
            PLEDGED__V1__SUGGEST_ALLOCATIONS_REQUEST__INIT;
        const struct state_bank_entry *b = &w.ledger->bank_entry[i];
        (void)snprintf(id, sizeof(id), "B%06zu", i + 1);
        want.bank_entry = id;
        want.most = 1000; /* as many as are given */
        enum pl_code code = ask(query_suggest_allocations, &want, &arena, &answer);
        assert_int_equal(code, b->movement == STATE_NONE ? PL_E_NOT_FOUND : PL_E_OK);
        if (code != PL_E_OK)
            continue;
        const Pledged__V1__SuggestAllocationsResponse *said =
            (const Pledged__V1__SuggestAllocationsResponse *)answer;
        int64_t open = b->reversed ? 0 : b->amount - b->allocated - b->refunded - b->explained;
        assert_true(said->n_suggestion == 0 || open > 0);
        for (size_t k = 0; b->debit && k < said->n_suggestion; k++) {
            const Pledged__V1__Suggestion *s = said->suggestion[k];
            kinds |= 1u << s->kind;
            assert_string_not_equal(s->refund, ""); /* that it may have paid */
            if (s->kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_AMOUNT)
                assert_int_equal(s->outstanding->minor, open);
        }
        for (size_t k = 0; !b->debit && k < said->n_suggestion; k++) {
            const Pledged__V1__Suggestion *s = said->suggestion[k];
            const struct state_pledge *p = state_pledge(w.ledger, s->pledge);
            int64_t due = p->amount - state_settled(p);
            kinds |= 1u << s->kind;
            assert_int_equal(s->stage, p->stage);
            assert_true(k == 0 || said->suggestion[k - 1]->kind < s->kind ||
                        (said->suggestion[k - 1]->kind == s->kind &&
                         strcmp(said->suggestion[k - 1]->pledge, s->pledge) < 0));
            if (s->kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_AMOUNT)
                assert_true(due == open && p->currency == b->currency);
            if (s->kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_CURRENCY)
                assert_true(due > open && p->currency == b->currency);
            if (s->kind == PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_PROMISED)
                assert_true(p->amount == open && due != open);
        }
    }
    assert_int_equal(kinds & ~(1u << PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_INSTALMENT),
                     1u << PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFERENCE |
                         1u << PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_AMOUNT |
                         1u << PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_INSTRUCTED |
                         1u << PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_PROMISED |
                         1u << PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_NAMED |
                         1u << PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_REFUND_AMOUNT |
                         1u << PLEDGED__V1__SUGGESTION_KIND__SUGGESTION_KIND_CURRENCY);
    pl_arena_fini(&arena);
}

/* --- the rest of what a pledge shows --- */

static void test_a_pledge_shows_what_belongs_to_it(void **state)
{
    (void)state;
    struct pl_arena arena;
    size_t allocations = 0, adjustments = 0, refunds = 0, proposals = 0;
    pl_arena_init(&arena, 64 << 20);
    for (size_t i = 0; i < w.ledger->pledge_count; i++) {
        char id[32];
        ProtobufCMessage *answer = NULL;
        Pledged__V1__GetPledgeRequest want = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
        (void)snprintf(id, sizeof(id), "P%06zu", i + 1);
        want.pledge = id;
        assert_int_equal(ask(query_get_pledge, &want, &arena, &answer), PL_E_OK);
        const Pledged__V1__GetPledgeResponse *said = (const Pledged__V1__GetPledgeResponse *)answer;
        int64_t settled = 0, forgiven = 0;
        for (size_t k = 0; k < said->n_allocation; k++)
            settled += said->allocation[k]->settled->minor;
        for (size_t k = 0; k < said->n_adjustment; k++)
            forgiven += said->adjustment[k]->amount->minor;
        assert_int_equal(settled, w.ledger->pledge[i].allocated);
        assert_int_equal(forgiven, state_forgiven(&w.ledger->pledge[i]));
        allocations += said->n_allocation;
        adjustments += said->n_adjustment;
        refunds += said->n_refund;
        proposals += said->n_proposal;
    }
    assert_int_equal(refunds, w.ledger->refund_count);
    assert_int_equal(proposals, w.ledger->proposal_open);
    assert_true(allocations > 4 && adjustments > 1);
    pl_arena_fini(&arena);
}

/* --- scans that find nothing --- */

/* A look at more rows than one question may take ends with a token, and says so at once. */
static void assert_stops(query_fn query, const void *request)
{
    struct pl_arena arena;
    ProtobufCMessage *answer = NULL, **row;
    pl_arena_init(&arena, 16 << 20);
    assert_int_equal(ask(query, request, &arena, &answer), PL_E_OK);
    assert_int_equal(rows_of(answer, &row), 0);
    assert_string_not_equal(*(char **)field_at(answer, "next_page_token"), "");
    pl_arena_fini(&arena);
}

#define MANY_ROWS (QUERY_STEPS_MAX + 10)
/* So many copies of the first row in the place of what is there, while the block runs. */
#define WITH_MANY(place_, count_, ...)                                                             \
    do {                                                                                           \
        __typeof__(place_) old_ = place_;                                                          \
        size_t old_count_ = count_;                                                                \
        place_ = calloc(MANY_ROWS, sizeof(*old_));                                                 \
        for (size_t i = 0; i < MANY_ROWS; i++)                                                     \
            place_[i] = old_[0];                                                                   \
        count_ = MANY_ROWS;                                                                        \
        __VA_ARGS__;                                                                               \
        free(place_);                                                                              \
        place_ = old_;                                                                             \
        count_ = old_count_;                                                                       \
    } while (0)

static void test_a_scan_that_finds_nothing_stops(void **state)
{
    (void)state;
    struct ledger *l = w.ledger;
    Pledged__V1__ListContributorsRequest contributors =
        PLEDGED__V1__LIST_CONTRIBUTORS_REQUEST__INIT;
    Pledged__V1__ListPaymentsRequest payments = PLEDGED__V1__LIST_PAYMENTS_REQUEST__INIT;
    Pledged__V1__ListDocumentsRequest documents = PLEDGED__V1__LIST_DOCUMENTS_REQUEST__INIT;
    Pledged__V1__ListBankEntriesRequest entries = PLEDGED__V1__LIST_BANK_ENTRIES_REQUEST__INIT;
    Pledged__V1__ListStatementsRequest statements = PLEDGED__V1__LIST_STATEMENTS_REQUEST__INIT;
    Pledged__V1__ListProposalsRequest proposals = PLEDGED__V1__LIST_PROPOSALS_REQUEST__INIT;
    contributors.name_contains = S_("nobody at all");
    payments.currency = S_("JPY");
    documents.pledge = S_("P000001");
    entries.currency = S_("JPY");
    statements.account = S_("nowhere");
    proposals.pledge = S_("P000001");
    WITH_MANY(l->contributor, l->contributor_count,
              assert_stops(query_list_contributors, &contributors));
    WITH_MANY(l->bank_entry, l->bank_entry_count, assert_stops(query_list_payments, &payments);
              assert_stops(query_list_bank_entries, &entries));
    WITH_MANY(l->document[0].row, l->document[0].count,
              assert_stops(query_list_documents, &documents));
    WITH_MANY(l->statement, l->statement_count, assert_stops(query_list_statements, &statements));
    WITH_MANY(l->proposal, l->proposal_count, assert_stops(query_list_proposals, &proposals));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_together_are_the_whole),
        cmocka_unit_test(test_wrong_questions_are_refused_by_name),
        cmocka_unit_test(test_any_amount_of_memory_will_do_or_is_said_to_be_too_little),
        cmocka_unit_test(test_wrong_questions_in_little_memory),
        cmocka_unit_test(test_a_log_that_cannot_be_read_is_told),
        cmocka_unit_test(test_bank_entries_are_filtered),
        cmocka_unit_test(test_bank_entries_say_what_the_ledger_knows),
        cmocka_unit_test(test_a_pledge_shows_what_belongs_to_it),
        cmocka_unit_test(test_a_scan_that_finds_nothing_stops),
        cmocka_unit_test(test_suggestions_are_ordered_and_true),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
