/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: no entry that somebody changed passes for one of the ledger's, but in what the rules cannot
 * know; and what passes is applied to a state that adds up. A hash says that an entry was signed;
 * this says that a signed one is possible.
 */
#include "common/check.h"
#include "damage.h"
#include "story.h"

/* What may be changed at will: who acted and why, what was said and shown, hashes of files that are
 * elsewhere, and what nothing follows from. A name stands for all below it as well. */
static const char *const free_fields[] = {
    "actor",
    "cause_seq",
    "command",
    "command_digest",
    "command_refused",
    "maker",
    "outcome",
    "bank_entry_recorded.movement",
    "bank_entry_recorded.occurrence",
    "bank_entry_recorded.queue",
    "benefit_claimed.unit",
    "benefit_declined.unit",
    "benefit_delivered.before_commitment",
    "benefit_delivered.unit",
    "cancelled.deallocated",
    "cancelled.tier",
    "certificate_issued.tier",
    "commitment_signed.catalogue",
    "commitment_signed.catalogue_sha256",
    "commitment_signed.catalogue_version",
    "commitment_signed.grants",
    "contributor_added.country",
    "contributor_added.itu_membership",
    "contributor_amended.country",
    "contributor_amended.itu_membership",
    "hold_expired.tier",
    "payment_confirmed.movement",
    "payment_confirmed.occurrence",
    "payment_recorded.bank_ref",
    "payment_recorded.confirmed",
    "period_closed.waived",
    "period_closed.waived_bank_entry",
    "pledge_made.agreement_ref",
    "pledge_made.campaign",
    "pledge_made.converted_from",
    "pledge_made.external_ref",
    "policy_adopted.account",
    "policy_adopted.clock_jump_limit_s",
    "policy_adopted.creditor",
    "policy_adopted.rules",
    "postings_exported.control",
    "postings_exported.count",
    "refund_ordered.other_payee",
    "refund_paid.bank_ref",
    "reversed.amount",
    "reversed.deallocated",
    "roster_adopted.person",
    "statement_imported",
    "statement_repeated.file_sha256",
    "tier_changed.from_tier",
    "wait_promoted.tier",
    "withdrawn.tier",
};

/* Where another value is another story, and only what cannot be is refused. */
static const char *const other_fields[] = {
    "allocated.amount.minor",
    "allocated.bank_entry",
    "allocated.settled.minor",
    "bank_entry_recorded.batch",
    "bank_entry_recorded.statement",
    "benefit_claimed.quantity",
    "benefit_declined.quantity",
    "benefit_delivered.quantity",
    "cancelled.money_plan",
    "certificate_issued.amount.minor",
    "certificate_issued.document_sha256",
    "commitment_amended.amount.minor",
    "commitment_signed.agreement_sha256",
    "contact_recorded.commitment",
    "contact_recorded.contributor",
    "contributor_added.kind",
    "contributor_added.name",
    "contributor_amended.contributor",
    "contributor_amended.kind",
    "contributor_amended.name",
    "difference_accepted.amount.minor",
    "difference_accepted.bank_entry",
    "difference_accepted.kind",
    "effective_date",
    "hold_extended.expires_us",
    "hold_placed.contributor",
    "hold_placed.expires_us",
    "ledger_created.ledger_id",
    "ledger_created.origin",
    "legal_hold_set.contributor",
    "payment_confirmed.statement",
    "payment_recorded.amount.currency",
    "payment_recorded.amount.minor",
    "payment_recorded.value_date",
    "period_closed.head_root",
    "period_closed.head_size",
    "pledge_made.amount.currency",
    "pledge_made.amount.minor",
    "pledge_made.catalogue",
    "pledge_made.contributor",
    "pledge_made.kind",
    "pledge_made.publish",
    "pledge_made.purpose",
    "pledge_made.reference",
    "pledge_made.tier",
    "policy_adopted.difference_limit",
    "policy_adopted.four_eyes",
    "policy_adopted.proposal_ttl_s",
    "policy_adopted.sha256",
    "policy_adopted.unallocated_limit_s",
    "postings_exported.sha256",
    "postings_exported.to_seq",
    "proposed.class",
    "proposed.expires_us",
    "rate_recorded.rate",
    "receipt_issued.document_sha256",
    "refund_ordered.amount.minor",
    "refund_paid.value_date",
    "request_id",
    "reversed.target_seq",
    "roster_adopted.sha256",
    "schedule_set.instalment.due",
    "tier_changed.amount.minor",
    "time_us",
    "wait_added.contributor",
    "written_off.amount.minor",
};

struct forging {
    struct world w;
    struct ledger *ledger; /* as it was before the entry at hand */
    struct saved saved;    /* of it */
    struct pl_arena arena;
    unsigned refused, passed, strange;
    bool other_refused[PL_COUNT(other_fields)], other_seen[PL_COUNT(other_fields)];
};

static bool is_free(const char *path)
{
    for (size_t i = 0; i < PL_COUNT(free_fields); i++) {
        size_t len = strlen(free_fields[i]);
        if (strncmp(path, free_fields[i], len) == 0 && (path[len] == '\0' || path[len] == '.'))
            return true;
    }
    return false;
}

static size_t other_of(const char *path)
{
    for (size_t i = 0; i < PL_COUNT(other_fields); i++) {
        size_t len = strlen(other_fields[i]);
        if (strncmp(path, other_fields[i], len) == 0 && (path[len] == '\0' || path[len] == '.'))
            return i;
    }
    return SIZE_MAX;
}

/* What the check lets through can be applied, and gives a state that can be saved and loaded. */
static void go_on_with(struct forging *f, const Pledged__V1__Entry *entry)
{
    struct ledger *copy = NULL;
    f->saved.at = 0;
    assert_true(pl_is_ok(ledger_load(saved_take, &f->saved, &copy)));
    ledger_apply(copy, entry);
    struct ledger *again = world_reloaded(copy);
    assert_same_state(copy, again);
    ledger_free(again);
    ledger_free(copy);
}

/* The n-th change of an entry; false: there are not so many. */
static bool forge(struct forging *f, size_t place, unsigned n)
{
    struct damage d;
    pl_arena_reset(&f->arena);
    const Pledged__V1__Entry *entry = (const Pledged__V1__Entry *)damaged(
        &pledged__v1__entry__descriptor, f->w.entry[place], n, &f->arena, &d);
    if (entry == NULL)
        return false;
    struct pl_status status = ledger_check(f->ledger, entry);
    size_t other = other_of(d.path);
    if (other != SIZE_MAX) {
        f->other_seen[other] = true;
        f->other_refused[other] = f->other_refused[other] || !pl_is_ok(status);
    }
    if (!pl_is_ok(status)) {
        assert_int_equal(status.code, PL_E_CORRUPT);
        assert_string_not_equal(status.what, "");
        f->refused++;
        return true;
    }
    f->passed++;
    if (!is_free(d.path) && other == SIZE_MAX) {
        print_error("entry %zu passes although %s was changed (%s)\n", place + 1, d.path, d.how);
        f->strange++;
    }
    if (strchr(d.path, '.') != NULL && strncmp(d.path, "outcome", 7) != 0 &&
        strncmp(d.path, "actor", 5) != 0)
        go_on_with(f, entry);
    return true;
}

static void test_no_changed_entry_passes(void **state)
{
    (void)state;
    static struct forging f;
    story_tell(&f.w);
    f.ledger = ledger_new();
    pl_arena_init(&f.arena, 64 << 20);
    for (size_t i = 0; i < f.w.entry_count; i++) {
        f.saved = world_save(f.ledger);
        for (unsigned n = 0; forge(&f, i, n);)
            n++;
        free(f.saved.data);
        Pledged__V1__Entry *entry = world_entry(&f.w, i);
        assert_true(pl_is_ok(ledger_check(f.ledger, entry)));
        ledger_apply(f.ledger, entry);
    }
    assert_same_state(f.ledger, f.w.ledger);
    for (size_t i = 0; i < PL_COUNT(other_fields); i++) {
        if (f.other_seen[i] && !f.other_refused[i])
            fail_msg("%s may be anything", other_fields[i]);
    }
    assert_int_equal(f.strange, 0);
    assert_true(f.refused > 5000 && f.passed > 1000);
    ledger_free(f.ledger);
    pl_arena_fini(&f.arena);
    world_fini(&f.w);
}

/* Every fact in every place where it does not belong: nothing but a refusal may come of it. */
static void test_no_entry_passes_at_another_time(void **state)
{
    (void)state;
    struct world w;
    unsigned passed = 0, refused = 0;
    story_tell(&w);
    for (size_t i = 1; i < w.entry_count; i++) {
        Pledged__V1__Entry *entry = world_entry(&w, i);
        world_follows(&w, entry, "");
        const struct state_pledge *known = state_pledge(w.ledger, apply_pledge_of(entry));
        entry->prev_seq = known != NULL ? known->last_seq : 0;
        entry->proposal_seq = 0;
        entry->maker = S_("");
        entry->posting_date = S_("");
        struct pl_status status = ledger_check(w.ledger, entry);
        passed += pl_is_ok(status);
        refused += !pl_is_ok(status);
        assert_true(pl_is_ok(status) || status.code == PL_E_CORRUPT);
    }
    assert_true(refused > 60 && passed > 5); /* a refusal, a roster may stand anywhere */
    world_fini(&w);
}

/* All kinds of facts that a version knows are in the story, or this test says nothing of them. */
static void test_the_story_has_every_fact(void **state)
{
    (void)state;
    struct world w;
    bool seen[256] = {false};
    story_tell(&w);
    for (size_t i = 0; i < w.entry_count; i++)
        seen[world_entry(&w, i)->fact_case % 256] = true;
    const ProtobufCMessageDescriptor *type = &pledged__v1__entry__descriptor;
    unsigned missing = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].id >= 20 && !seen[type->fields[i].id]) {
            print_message("the story lacks %s\n", type->fields[i].name);
            missing++;
        }
    }
    assert_in_range(missing, 0, STORY_LACKS_MOST);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_story_has_every_fact),
        cmocka_unit_test(test_no_changed_entry_passes),
        cmocka_unit_test(test_no_entry_passes_at_another_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
