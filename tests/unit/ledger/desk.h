/* SPDX-License-Identifier: Apache-2.0
 *
 * desk: one-line ways to give the commands of the finance desk. minor 0: as much as there is.
 */
#ifndef TEST_LEDGER_DESK_H
#define TEST_LEDGER_DESK_H

#include "fixture.h"

#define DESK_(type_, init_, case_, member_)                                                        \
    COMMAND_INIT_(command);                                                                        \
    Pledged__V1__Document document, *list[1];                                                      \
    Pledged__V1__Money amount = PLEDGED__V1__MONEY__INIT;                                          \
    Pledged__V1__##type_ body = init_;                                                             \
    with_evidence(&command, &document, list, "letter");                                            \
    amount.minor = minor;                                                                          \
    amount.currency = (char *)(uintptr_t)currency;                                                 \
    body.amount = minor != 0 ? &amount : NULL;                                                     \
    command.command_case = COMMAND(case_);                                                         \
    command.member_ = &body

static inline void write_off_on(struct world *world, const char *pledge, int64_t minor,
                                const char *currency, const char *day)
{
    DESK_(WriteOff, PLEDGED__V1__WRITE_OFF__INIT, WRITE_OFF, write_off);
    body.pledge = (char *)(uintptr_t)pledge;
    command.effective_date = (char *)(uintptr_t)day;
    give(world, &command);
}

static inline void write_off(struct world *world, const char *pledge, int64_t minor,
                             const char *currency)
{
    write_off_on(world, pledge, minor, currency, "");
}

static inline void accept_fee(struct world *world, const char *bank_entry, const char *pledge,
                              int64_t minor, const char *currency)
{
    DESK_(AcceptDifference, PLEDGED__V1__ACCEPT_DIFFERENCE__INIT, ACCEPT_DIFFERENCE,
          accept_difference);
    body.pledge = (char *)(uintptr_t)pledge;
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    body.kind = PLEDGED__V1__DIFFERENCE_KIND__DIFFERENCE_KIND_FEE;
    give(world, &command);
}

static inline void refund(struct world *world, const char *bank_entry, int64_t minor,
                          const char *currency)
{
    DESK_(Refund, PLEDGED__V1__REFUND__INIT, REFUND, refund);
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    give(world, &command);
}

static inline void convert(struct world *world, const char *bank_entry, int64_t minor,
                           const char *currency)
{
    DESK_(Convert, PLEDGED__V1__CONVERT__INIT, CONVERT, convert);
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    give(world, &command);
}

static inline void reallocate(struct world *world, uint64_t seq, const char *pledge, int64_t minor,
                              const char *currency)
{
    DESK_(Reallocate, PLEDGED__V1__REALLOCATE__INIT, REALLOCATE, reallocate);
    body.seq = seq;
    body.pledge = (char *)(uintptr_t)pledge;
    give(world, &command);
}

static inline void refund_paid(struct world *world, const char *id, int64_t minor,
                               const char *currency, const char *bank_ref)
{
    DESK_(Pay, PLEDGED__V1__PAY__INIT, PAY, pay);
    body.refund = (char *)(uintptr_t)id;
    body.bank_ref = (char *)(uintptr_t)bank_ref;
    give(world, &command);
}

static inline void refund_cancel(struct world *world, const char *id)
{
    COMMAND_INIT_(command);
    Pledged__V1__CancelRefund body = PLEDGED__V1__CANCEL_REFUND__INIT;
    body.refund = (char *)(uintptr_t)id;
    command.command_case = COMMAND(CANCEL_REFUND);
    command.cancel_refund = &body;
    give(world, &command);
}

/* As an approver, whoever acts otherwise. */
static inline void reverse_closing(struct world *world, uint64_t seq)
{
    struct ledger_actor actor = world->actor;
    world->actor =
        (struct ledger_actor){"berta", PLEDGED__V1__ROLE__ROLE_APPROVER, "uri:y", "CN=ca"};
    reverse(world, seq);
    world->actor = actor;
}

static inline void close_pledge(struct world *world, const char *pledge)
{
    COMMAND_INIT_(command);
    Pledged__V1__Close body = PLEDGED__V1__CLOSE__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    command.command_case = COMMAND(CLOSE);
    command.close = &body;
    give(world, &command);
}

/* I2, I3, I8 of every row, that the sums are those of the rows, and that a saved state is the same.
 */
static inline void assert_balanced(const struct world *world)
{
    const struct ledger *l = world->ledger;
    __int128 received = 0, unallocated = 0, refunded = 0, outstanding = 0;
    for (size_t i = 0; i < l->bank_entry_count; i++) {
        const struct state_bank_entry *b = &l->bank_entry[i];
        if (b->reversed || b->debit)
            continue;
        int64_t free_minor = b->amount - b->allocated - b->refunded - b->explained;
        assert_true(b->allocated >= 0 && b->refunded >= 0 && b->explained >= 0 && free_minor >= 0);
        received += b->amount - b->explained;
        unallocated += free_minor;
        refunded += b->refunded;
    }
    for (size_t i = 0; i < l->pledge_count; i++) {
        const struct state_pledge *p = &l->pledge[i];
        if (!tally_counts(p))
            continue;
        assert_true(p->allocated >= 0 && p->forgiven >= 0 && state_settled(p) <= p->amount);
        outstanding += p->amount - state_settled(p);
    }
    for (size_t d = 0; d < STATE_DIMENSIONS; d++) {
        __int128 sums[4] = {0};
        for (size_t i = 0; i < l->tally[d].count; i++) {
            const struct state_tally *t = &l->tally[d].line[i];
            sums[0] += t->received;
            sums[1] += t->unallocated;
            sums[2] += t->refunded;
            sums[3] += (__int128)t->pledged - t->written_off - t->difference - t->allocated;
        }
        assert_true(sums[0] == received && sums[1] == unallocated && sums[2] == refunded &&
                    sums[3] == outstanding);
    }
    struct ledger *again = world_reloaded(l);
    assert_same_state(l, again);
    ledger_free(again);
}

/* P000001 of 150,000 (committed) and P000002 of 150,000, and B000001 of `minor` for the first. */
static inline void desk_ready(struct world *world, int64_t minor)
{
    world_ready(world, 2);
    submit(world, NULL, "C000001", "duo", 0, NULL);
    submit(world, NULL, "C000002", "duo", 0, NULL);
    commit(world, "P000001");
    pay(world, "P000001", minor, "CHF", "BANK-1");
    assert_int_equal(world->answer, LEDGER_ACCEPTED);
    assert_balanced(world);
}

/* --- statements of the bank --- */

#define DESK_ACCOUNT "CH8109000000150001234"
enum { DESK_MOVEMENTS_MAX = 2000 };

/* As the policy would have it. */
static inline void have_account(struct world *world)
{
    struct ledger *ledger = world->ledger;
    free(ledger->account);
    ledger->account = calloc(1, sizeof(*ledger->account));
    ledger->account_count = 1;
    (void)snprintf(ledger->account[0].account, sizeof(ledger->account[0].account), DESK_ACCOUNT);
    ledger->account[0].currency = (int16_t)pl_currency_index("CHF");
}

static inline void a_movement(Pledged__V1__Movement *ret, Pledged__V1__MovementKind kind,
                              int64_t minor, const char *bank_ref)
{
    pledged__v1__movement__init(ret);
    ret->kind = kind;
    ret->minor = minor;
    ret->booking_date = ret->value_date = (char *)(uintptr_t) "2026-02-02";
    ret->bank_ref = (char *)(uintptr_t)bank_ref;
}

/* A statement balances; a notification has no balances. */
static inline void give_bank(struct world *world, const char *id, Pledged__V1__StatementKind kind,
                             Pledged__V1__Movement *movement, size_t count)
{
    static uint8_t sha256[32];
    Pledged__V1__Movement *list[DESK_MOVEMENTS_MAX];
    Pledged__V1__BankStatement bank = PLEDGED__V1__BANK_STATEMENT__INIT, *banks[] = {&bank};
    Pledged__V1__ImportStatement body = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    COMMAND_INIT_(command);
    bank.kind = kind;
    bank.account = (char *)(uintptr_t)DESK_ACCOUNT;
    bank.currency = (char *)(uintptr_t) "CHF";
    bank.id = (char *)(uintptr_t)id;
    bank.created = (char *)(uintptr_t) "2026-02-03";
    for (size_t i = 0; i < count; i++) {
        list[i] = &movement[i];
        if (kind == PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT)
            bank.closing_minor += movement[i].minor;
    }
    bank.n_movement = count;
    bank.movement = list;
    body.file_sha256 = (ProtobufCBinaryData){32, sha256};
    body.n_statement = 1;
    body.statement = banks;
    command.command_case = COMMAND(IMPORT_STATEMENT);
    command.import_statement = &body;
    give(world, &command);
}

static inline void book_charge(struct world *world, const char *bank_entry)
{
    COMMAND_INIT_(command);
    Pledged__V1__BookCharge body = PLEDGED__V1__BOOK_CHARGE__INIT;
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    command.command_case = COMMAND(BOOK_CHARGE);
    command.book_charge = &body;
    give(world, &command);
}

static inline void match_refund(struct world *world, const char *bank_entry, const char *id)
{
    COMMAND_INIT_(command);
    Pledged__V1__MatchRefund body = PLEDGED__V1__MATCH_REFUND__INIT;
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    body.refund = (char *)(uintptr_t)id;
    command.command_case = COMMAND(MATCH_REFUND);
    command.match_refund = &body;
    give(world, &command);
}

/* --- bank statements and what is done with them --- */

struct bank_line {
    int64_t minor;
    Pledged__V1__MovementKind kind;
    const char *bank_ref, *end_to_end_id;
};

static inline void give_lines(struct world *world, const char *id, const struct bank_line *line,
                              size_t count)
{
    Pledged__V1__Movement movement[7];
    for (size_t i = 0; i < count; i++) {
        a_movement(&movement[i], line[i].kind, line[i].minor, line[i].bank_ref);
        movement[i].end_to_end_id = (char *)(uintptr_t)line[i].end_to_end_id;
    }
    give_bank(world, id, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement, count);
}

/* R000001 and R000002 of 3,000 and 2,000. */
static inline void refunds_ready(struct world *world)
{
    desk_ready(world, 16000000);
    have_account(world);
    refund(world, "B000001", 300000, "CHF");
    refund(world, "B000001", 200000, "CHF");
    assert_accepted(world);
}

static inline const Pledged__V1__StatementOutcome *told(const struct world *world)
{
    assert_accepted(world);
    return world->receipt->outcome->statement[0];
}

static inline void match_reversal(struct world *world, const char *bank_entry, const char *original)
{
    COMMAND_INIT_(command);
    Pledged__V1__Document document, *list[1];
    Pledged__V1__MatchReversal body = PLEDGED__V1__MATCH_REVERSAL__INIT;
    with_evidence(&command, &document, list, "agreement");
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    body.original = (char *)(uintptr_t)original;
    command.command_case = COMMAND(MATCH_REVERSAL);
    command.match_reversal = &body;
    give(world, &command);
}

/* --- erasure --- */

/* "": that field is not given. */
static inline void erase(struct world *world, const char *contributor, const char *contact,
                         const char *bank_entry)
{
    COMMAND_INIT_(command);
    Pledged__V1__EraseContact body = PLEDGED__V1__ERASE_CONTACT__INIT;
    body.contributor = (char *)(uintptr_t)contributor;
    body.contact = (char *)(uintptr_t)contact;
    body.bank_entry = (char *)(uintptr_t)bank_entry;
    command.command_case = COMMAND(ERASE_CONTACT);
    command.erase_contact = &body;
    give(world, &command);
}

static inline void legal_hold(struct world *world, const char *contributor, bool on)
{
    COMMAND_INIT_(command);
    Pledged__V1__SetLegalHold body = PLEDGED__V1__SET_LEGAL_HOLD__INIT;
    body.contributor = (char *)(uintptr_t)contributor;
    body.on = on;
    command.command_case = COMMAND(SET_LEGAL_HOLD);
    command.set_legal_hold = &body;
    give(world, &command);
}

#endif
