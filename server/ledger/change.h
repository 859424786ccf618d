/* SPDX-License-Identifier: Apache-2.0
 *
 * change: what the rooms of this box share: finding things in the state, changing it (apply only),
 * and putting a decision together. Private to server/ledger.
 */
#ifndef LEDGER_CHANGE_H
#define LEDGER_CHANGE_H

#include "server/ledger/state.h"

#define STAGE(name_)   PLEDGED__V1__STAGE__STAGE_##name_
#define REASON(name_)  PLEDGED__V1__REASON__REASON_##name_
#define FACT(name_)    PLEDGED__V1__ENTRY__FACT_##name_
#define COMMAND(name_) PLEDGED__V1__COMMAND__COMMAND_##name_
#define CLASS(name_)   PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_##name_
#define WARNING(name_) PLEDGED__V1__WARNING_KIND__WARNING_KIND_##name_

/* In the checks that replay asks: an entry that breaks a rule is CORRUPT, with the rule's words. */
#define NEED(condition_, what_)                                                                    \
    do {                                                                                           \
        if (!(condition_))                                                                         \
            return pl_fail(CORRUPT, what_);                                                        \
    } while (0)

/* --- state.c: finding (const) --- */
struct state_pledge *state_pledge(const struct ledger *ledger, const char *id);
struct state_pledge *state_pledge_of(const struct ledger *ledger, uint64_t number); /* 0: none */
struct state_contributor *state_contributor(const struct ledger *ledger, const char *id);
/* What an entry says is exactly that; false for none at all. */
bool state_money_is(const Pledged__V1__Money *money, int64_t minor, int currency);
struct state_bank_entry *state_bank_entry(const struct ledger *ledger, const char *id);
int state_catalogue(const struct ledger *ledger, const char *code); /* -1: none */
int state_tier(const struct ledger *ledger, const char *catalogue, const char *code);
/* Bytes that are the same on every machine: where the pair stands in a map follows from them, and
 * is saved. */
struct state_slot_key {
    uint8_t contributor[4], catalogue[4];
};
struct state_slot_key state_slot_key(uint32_t contributor, uint32_t catalogue);
/* The newest pledge of the contributor with a live slot of this catalogue; STATE_NONE: none. */
uint32_t state_slot_of(const struct ledger *ledger, uint32_t contributor, uint32_t catalogue);
/* The same, not counting the pledge `own`, which is about to give its slot back. */
uint32_t state_slot_beside(const struct ledger *ledger, uint32_t contributor, uint32_t catalogue,
                           uint32_t own);
/* The contributor's place in the queue of a tier; STATE_NONE: not waiting there. */
uint32_t state_wait_of(const struct ledger *ledger, uint32_t contributor, uint32_t tier);
void state_key_of_text(const char *text, uint8_t key[16]);
void state_key_of_name(const char *name, uint8_t key[16]);

/* --- state.c: changing --- */
void *state_grow(void *array, size_t count, size_t *cap, size_t element);
uint32_t state_add_text(struct ledger *ledger, const char *text);
uint32_t state_add_pledge(struct ledger *ledger, uint32_t contributor, uint16_t tier, uint64_t seq,
                          int64_t time_us);
/* New stage and tier: counters, queue, heap, slots. expires_us is set before a move to HELD. */
void state_move(struct ledger *ledger, uint32_t pledge, uint8_t stage, uint16_t tier, uint64_t seq);
/* The parts of a move that loading repeats: last in the queue of its tier; into the heap. */
void state_queue_push(struct ledger *ledger, uint32_t pledge);
void state_due_add(struct ledger *ledger, uint32_t pledge);
void state_due_move(struct ledger *ledger, uint32_t pledge, int64_t expires_us);

/* --- tally.c: sums. Taken out before a change and put back after it. --- */
bool tally_counts(const struct state_pledge *pledge); /* is its amount in the sums? */
void tally_pledge(struct ledger *ledger, const struct state_pledge *pledge, int sign);
/* The same for all pledges of a state whose sums are still empty, each of which has no more
 * allocated and forgiven than its amount: by far fewer steps. False: a sum leaves 64 bits (G8).
 * tally_gathered puts all of it into the sums, and frees. */
struct tally_gather;
struct tally_gather *tally_gather_new(void);
PL_MUST_CHECK bool tally_gather(struct tally_gather *gather, struct ledger *ledger,
                                const struct state_pledge *pledge);
PL_MUST_CHECK bool tally_gathered(struct tally_gather *gather, struct ledger *ledger);
/* What of a bank entry is not allocated; what is, is counted with its allocations. */
void tally_bank_entry(struct ledger *ledger, const struct state_bank_entry *entry, int sign);
void tally_allocation(struct ledger *ledger, const struct state_allocation *allocation, int sign);
/* A pledge with all money meant for it or allocated to it, where its tier changes. */
void tally_all_of(struct ledger *ledger, const struct state_pledge *pledge, int sign);
/* Would another `amount` pledged (or received) of this currency keep every total within 64 bits?
 * What an amount replaces is taken off first, so it may be negative. */
bool tally_may_pledge(const struct ledger *ledger, int currency, int64_t amount);
bool tally_may_receive(const struct ledger *ledger, int currency, int64_t amount);

/* --- maker.c: putting a decision together --- */
struct maker {
    const struct ledger *ledger;
    const struct ledger_request *request; /* the envelope: who, request id; NULL: the daemon acts */
    /* what is decided: the command in the envelope, or the proposed one that it approves */
    const Pledged__V1__Command *command;
    struct pl_slice command_bytes;
    const struct state_proposal *proposal; /* that is carried out; NULL: none */
    Pledged__V1__CommandClass class;       /* that a rule found on the way, see maker_class */
    struct pl_arena *arena;
    struct ledger_decision *out;
    int64_t now_us;
    const struct state_pledge *about; /* whose history a refusal belongs to, once it is known */
};
/* Everything in the arena comes from here: our own limits make it large enough, so running out is a
 * bug. */
void *maker_alloc(struct maker *maker, size_t size);
void *maker_take(struct maker *maker, size_t size); /* not cleared: for who writes all of it */
char *maker_id(struct maker *maker, char prefix, uint64_t number);
Pledged__V1__Money *maker_money(struct maker *maker, int64_t minor, int currency);
int64_t maker_time(const struct maker *maker); /* of the next entry */
/* The next entry; the first one of a command carries the command and the outcome. prev_seq: the
 * pledge's newest entry before this one, 0 if it is about no pledge or the pledge is new. */
Pledged__V1__Entry *maker_entry(struct maker *maker, uint64_t prev_seq);
/* The entry's business day is another than the command's: where the books post it follows. */
void maker_dated(struct maker *maker, Pledged__V1__Entry *entry, int32_t day);
/* prev_seq for one more entry about this pledge, where the decision may have made some already. */
uint64_t maker_prev(const struct maker *maker, uint32_t pledge);
Pledged__V1__Outcome *maker_outcome(struct maker *maker); /* of the first entry; made on demand */
void maker_warn(struct maker *maker, Pledged__V1__WarningKind kind, uint64_t seq);
/* slots left in a tier after `taken_change` more are taken */
void maker_remaining(struct maker *maker, const struct state_tier *tier, int64_t taken_change);
/* Ends the decision: one CommandRefused entry. pledge: whose history it belongs to; NULL: that of
 * the pledge found so far, if any. */
void maker_refuse(struct maker *maker, Pledged__V1__Reason reason, const char *field,
                  uint64_t deciding_seq, const struct state_pledge *pledge);
/* After maker_refuse: a value that a text for people needs. */
void maker_arg(struct maker *maker, const char *name, const char *value);
/* The same of a sentence for people, a literal: the client has its French words. */
void maker_say(struct maker *maker, const char *name, const char *sentence);
/* Refuses an amount that has another currency than it must have here. */
void maker_refuse_currency(struct maker *maker, const char *field, uint64_t deciding_seq,
                           const struct state_pledge *pledge, int needed);
void maker_arg_number(struct maker *maker, const char *name, int64_t value);
const char *reason_message(Pledged__V1__Reason reason);
/* Business day of the command being decided, days since 1970. */
int32_t maker_day(const struct maker *maker);
/* What is being decided needs a second person where this class is under the policy, whatever
 * proposal_class_of says of the command alone. */
void maker_class(struct maker *maker, Pledged__V1__CommandClass class);

/* --- rules, by command; each one accepts or refuses --- */
void contributor_decide(struct maker *maker);
void adopt_decide(struct maker *maker);
void pledge_decide(struct maker *maker);
void change_decide(struct maker *maker);
void payment_decide(struct maker *maker);
/* The next one in the queue of a tier gets the slot that `freed` (may be STATE_NONE) gives back:
 * WaitPromoted and HoldPlaced. False if nobody may. */
bool promote(struct maker *maker, uint32_t tier, uint32_t freed, uint64_t cause_seq);
/* First in the queue who may take a slot; STATE_NONE: nobody. */
uint32_t promote_candidate(const struct ledger *ledger, uint32_t tier, uint32_t freed);

/* --- apply.c --- */
/* Id of the pledge that a fact is about; "" if none. */
const char *apply_pledge_of(const Pledged__V1__Entry *entry);
/* Keeps a version that is no longer in force; takes the reference. Also for loading. */
void apply_older(struct state_catalogue *of, struct catalogue *version);

#endif
