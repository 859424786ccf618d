/* SPDX-License-Identifier: Apache-2.0
 *
 * state: what the ledger remembers, as plain structs. Private to server/ledger (ledger, pledge,
 * payment, contributor, query, save) and to server/view, which copies counts out of it. Only
 * ledger_apply writes it.
 *
 * Invariants (asserted after every apply; I1 in ledger_check as well):
 *  I1 held + pledged + committed + closed <= capacity, for every tier.
 *  I2 allocated of a bank entry = sum of its live allocations <= its amount; allocated of a pledge
 * = sum of what its live allocations settle <= its amount. I3 every tally is the sum over its
 * pledges and bank entries. I4 a pledge is in a queue iff its stage is WAITING; in the heap iff
 * HELD; in a chain of slots iff it is live and has a tier.
 */
#ifndef LEDGER_STATE_H
#define LEDGER_STATE_H

#include "common/date.h"
#include "common/map.h"
#include "common/zone.h"
#include "server/ledger/catalogue.h"
#include "server/ledger/ledger.h"

#define STATE_NONE UINT32_MAX
/* Beyond these nothing more is adopted: a tier's index has 16 bits, and one adoption brings up
 * to 64. */
enum { STATE_TIERS_MAX = 60000, STATE_CATALOGUES_MAX = 10000 };
#define STATE_TIER_FREE UINT16_MAX /* pledge.tier of a free contribution */

struct state_tier {
    char code[40];
    uint32_t catalogue; /* index into ledger.catalogue */
    int32_t def;        /* index into that catalogue's msg->tier; -1: no longer offered */
    int64_t capacity;   /* -1: unlimited */
    uint32_t held, pledged, committed, closed, waiting;
    uint32_t wait_first, wait_last; /* pledge indexes, FIFO; STATE_NONE: empty */
    uint64_t taken_seq;             /* entry that took the newest slot: it decides "sold out" */
};

struct state_catalogue {
    struct catalogue *current; /* owns a reference; newest version of this code */
    struct catalogue **older;  /* owns references; earlier versions, ascending */
    size_t older_count;
    uint16_t tier_first, tier_count; /* its tiers in ledger.tier, in order of first appearance */
};

struct state_contributor {
    uint32_t name; /* offset into ledger.text */
    uint8_t kind;  /* Pledged__V1__ContributorKind */
    char country[3];
    char itu_membership[20];
    uint32_t live_pledges;
    uint32_t contact_last; /* number of its newest person, linked by `before`; 0: none */
    uint64_t seq;
    uint64_t hold_seq; /* entry that set the legal hold; 0: none is on */
};

/* A record that is kept beside the ledger and can be erased. */
struct state_erasable {
    uint8_t commitment[LEDGER_COMMITMENT_BYTES];
    uint64_t seq, erased_seq; /* entries that named and erased it; 0: not erased */
    uint32_t next; /* index of the one before it about the same payer; STATE_NONE: none */
};
struct state_contact {
    uint32_t contributor; /* index */
    uint32_t erasable;    /* index */
    uint32_t before;      /* number of the contributor's person before; 0: none */
};

struct state_pledge {
    int64_t amount; /* minor units; 0 while only held or waiting */
    int64_t allocated;
    int64_t received; /* allocated, and what is free of payments meant for it in its currency */
    union {
        int64_t expires_us; /* while HELD */
        int64_t forgiven;   /* afterwards: written off, or differences accepted; 0 while WAITING */
    };
    int64_t made_us;
    uint64_t first_seq, last_seq;
    uint64_t changed_seq; /* newest entry about it that is no refusal: it decides */
    uint32_t contributor; /* index */
    union {
        uint32_t wait_next; /* while WAITING: next in the queue of its tier */
        uint32_t slot_next; /* while live: next lower index with a slot of the same contributor */
    };
    union {
        uint32_t wait_prev; /* while WAITING */
        uint32_t slot_prev; /* while live */
    };
    uint32_t bank_first, bank_last; /* bank entries meant for it, linked by next_of_pledge */
    union {
        uint32_t heap_place;  /* while HELD: in ledger.due */
        uint32_t alloc_first; /* afterwards: newest allocation to it, linked by next_of_pledge */
    };
    uint16_t tier;    /* index into ledger.tier, or STATE_TIER_FREE */
    int16_t currency; /* pl_currency_index; -1: no amount yet */
    uint16_t month;   /* 12 * year + month - 1 of its business date */
    uint8_t stage, kind, purpose, publish, extensions;
    uint8_t money_plan;
    uint8_t category; /* kind of the contributor when the pledge began */
};

struct state_bank_entry {
    int64_t amount, allocated;
    int64_t refunded;  /* ordered or paid back */
    int64_t explained; /* a refund that came back, or a charge that the bank gave back */
    uint64_t seq;
    uint64_t reversed_by; /* entry that reversed it, or what was allocated from it; 0: none */
    uint32_t pledge;      /* index of the pledge it was meant for; STATE_NONE: nobody knows yet */
    uint32_t next_of_pledge;
    uint32_t alloc_first, alloc_last; /* allocations of it, linked by next_of_entry */
    uint32_t bank_ref;                /* offset into ledger.text; 0: none */
    int32_t value_date;               /* days since 1970 */
    int32_t since;                    /* day from which on all that is free is free: see since.h */
    uint32_t movement;                /* what a statement said about it; STATE_NONE: none did */
    int16_t currency;
    uint8_t confirmed, reversed;
    uint8_t debit; /* money that left; allocated: what of it paid refunds or is a charge */
};

/* A part of a bank entry that pays for a pledge: money of one entry may go to many pledges, and a
 * pledge be paid from many entries. Reversed ones stay, so that a second reversal can be told. */
struct state_allocation {
    int64_t amount;  /* taken from the bank entry, in its currency */
    int64_t settled; /* counted for the pledge, in its currency */
    uint64_t seq;
    uint64_t reversed_by; /* 0: live; the entry that undid it, or ended the pledge */
    uint32_t bank_entry, pledge;
    uint32_t next_of_entry, next_of_pledge;
    uint32_t receipt; /* number of the receipt that names it; 0: none yet */
    int32_t day;      /* its business day, days since 1970 */
};
/* Why less is to be paid than was promised. Reversed ones stay. */
struct state_waiver {
    int64_t amount; /* in the pledge's currency */
    uint64_t seq;
    uint64_t reversed_by;
    uint32_t pledge;
    uint32_t bank_entry;     /* STATE_NONE: written off */
    uint32_t next_of_pledge; /* older one */
    int32_t day;             /* on which it is posted, days since 1970 */
    int32_t dated;           /* its business day */
    uint8_t kind;            /* Pledged__V1__DifferenceKind; 0: written off */
};
/* When a promise is to be paid; the parts add up to its amount. */
struct state_instalment {
    int64_t amount;
    int32_t due; /* days since 1970 */
};
struct state_schedule {
    struct state_instalment *part; /* owns; days ascend */
    size_t count;
    uint64_t seq; /* entry that set it */
    uint32_t pledge;
};
struct state_refund {
    int64_t amount;
    uint64_t seq, changed_seq;
    uint32_t bank_entry;  /* the credit */
    uint32_t debit;       /* what paid it; STATE_NONE: nothing yet */
    uint32_t contributor; /* whose money it was, where no pledge says it; STATE_NONE: nobody said */
    int32_t dated;        /* business day of the order, days since 1970 */
    uint8_t state;        /* Pledged__V1__RefundState */
    uint8_t other_payee;
};
/* A fact that may turn out wrong: RefundPaid, RefundReturned, ChargeBooked, PledgeClosed, and what
 * was said of a benefit. */
struct state_deed {
    uint64_t seq;
    uint64_t reversed_by;   /* 0: it stands */
    int64_t quantity;       /* of the benefit; of a charge its amount; of a return what arrived */
    uint32_t of;            /* index of the refund, charge's bank entry, pledge, or fulfilment */
    uint32_t credit, debit; /* of a return: what brought it, what had paid it; else 0 */
    int32_t day;            /* on which it is posted, days since 1970 */
    int32_t dated;          /* its business day */
    uint8_t fact;           /* Pledged__V1__Entry__FactCase */
    uint8_t alone;          /* a charge that one person booked without a second one */
};
/* In ledger.reversible: what the index is one of, in the two highest bits. */
enum state_reversible {
    STATE_REVERSIBLE_ENTRY,
    STATE_REVERSIBLE_WAIVER,
    STATE_REVERSIBLE_ALLOCATION,
    STATE_REVERSIBLE_DEED,
};
#define STATE_ROWS_MAX 0x40000000u
static inline uint32_t state_reversible(enum state_reversible kind, uint32_t index)
{
    return (uint32_t)kind << 30 | index;
}
static inline enum state_reversible state_reversible_kind(uint32_t found)
{
    return (enum state_reversible)(found >> 30);
}
static inline uint32_t state_reversible_index(uint32_t found)
{
    return found & (STATE_ROWS_MAX - 1);
}

/* A document that was handed out; its number is its place in its list + 1. */
struct state_document {
    int64_t amount;
    int64_t undone; /* of a receipt: what was taken back since */
    int64_t time_us;
    uint64_t seq;
    uint32_t pledge;
    uint8_t sha256[32];
};
struct state_documents {
    struct state_document *row;
    size_t count, cap;
};
enum state_document_kind { STATE_RECEIPT, STATE_CERTIFICATE, STATE_DOCUMENT_KINDS };
/* What the rules need of a bank statement; the rest is in its entry. */
struct state_statement {
    uint8_t key[16]; /* of account, id, sequence and year */
    uint64_t seq;    /* its StatementImported */
    uint64_t sequence;
    int64_t opening, closing;
    int64_t movements;
    int64_t remainder_count, remainder_minor;
    uint32_t account; /* offset into ledger.text */
    int16_t currency;
    uint8_t kind;
};

/* Where a movement can be known from, the surest first. */
enum state_level {
    STATE_BY_BANK_REF,
    STATE_BY_UETR,
    STATE_BY_BATCH_REF,
    STATE_BY_END_TO_END,
    STATE_BY_REFERENCE,
    STATE_BY_CONTENT, /* every movement has this one */
    STATE_LEVELS
};

/* What a statement said about a bank entry; texts are in its entry. */
struct state_movement {
    uint64_t seq; /* BankEntryRecorded or PaymentConfirmed */
    uint64_t
        charge_seq; /* entry that books what was left of it as a charge; 0: none does; derived */
    uint32_t bank_entry, statement;
    uint32_t meant; /* index of the pledge that its reference names; STATE_NONE: none of ours */
    uint32_t batch; /* index of the bank entry that it is a part of; STATE_NONE: of none */
    int32_t booking_date;
    uint32_t occurrence;
    uint32_t detail;     /* of who paid: index of the newest in ledger.erasable; STATE_NONE: none */
    uint32_t parts_told; /* of a sum: statement that told who paid its parts; STATE_NONE: none */
    uint64_t learned_seq; /* newest MovementLearned, parts not counted; 0: none */
    int64_t instructed_minor;
    int16_t instructed_currency; /* -1: not another than the account's */
    uint8_t kind, queue, levels; /* levels: bits of the keys that it has */
    uint8_t parts;               /* bits of what is known of who paid (learn.h) */
    uint8_t whole;               /* batch_key is its own reference: details may follow */
    uint8_t key[STATE_LEVELS][16];
    uint8_t batch_key[16]; /* equal for the sum of an entry and for its details; zeros: none */
    uint8_t part_key[16];  /* it came alone, and is a part of this, a copy said; zeros: none */
};

/* Where the fund's money is, by the policy in force. */
struct state_account {
    char account[36];
    int16_t currency;
    uint8_t shared;
};

/* What became of one benefit of a pledge, in the unit of its grant. */
struct state_fulfilment {
    int64_t claimed, declined, delivered;
    uint64_t seq; /* newest entry about it */
    uint32_t pledge;
    uint32_t code; /* offset into ledger.text */
    uint32_t next_of_pledge;
    uint16_t tier; /* of the pledge when it began */
};

/* In state_proposal.currency where that is no currency. */
enum state_proposal_amount {
    STATE_SAYS_IT_ITSELF = -1, /* the command names its amount, or is about none */
    STATE_AMOUNT_NOT_KEPT = -2 /* it waits since before amounts were kept */
};
/* A command that waits, or waited, for a second person. */
struct state_proposal {
    int64_t amount; /* that it was made for */
    uint64_t seq;
    uint64_t closed_seq; /* entry that decided it; 0: open */
    int64_t time_us, expires_us;
    uint8_t *bytes; /* owns; the command while it is open, then NULL */
    uint32_t len;
    uint32_t maker;            /* offset into ledger.text: the person */
    uint32_t identity, issuer; /* the same: of the maker's certificate; "": not known */
    uint32_t pledge;           /* index; STATE_NONE: none that was there */
    uint16_t command;          /* Command.command case */
    int16_t currency;          /* of the amount, or enum state_proposal_amount */
    uint8_t class;             /* Pledged__V1__CommandClass */
    uint8_t state;             /* Pledged__V1__ProposalState */
};

/* What the configuration says that rules depend on, as the last PolicyAdopted has it. */
struct state_policy {
    struct pl_slice bytes;               /* owns; packed; empty: none adopted yet */
    Pledged__V1__PolicyAdopted *message; /* owns; never NULL */
    uint32_t four_eyes;                  /* bits by CommandClass */
    int64_t proposal_ttl_s;
    struct pl_zone zone; /* where it is said which day it is */
};

/* One closing of a month. */
struct state_period {
    int32_t month;                     /* pl_date_month */
    uint64_t closed_seq, reopened_seq; /* reopened_seq 0: it is closed */
    uint64_t head_size;
    int64_t closed_us;
};

/* What one unit of a currency is worth: mantissa / 10^scale CHF. */
struct state_rate {
    int64_t mantissa;
    uint64_t seq;
    uint32_t source; /* offset into ledger.text */
    int32_t day;     /* days since 1970 */
    int16_t currency;
    uint8_t scale;
};

/* A day and the entry that says so: which rate a pledge or a bank entry was valued with. */
struct state_valued {
    uint64_t seq;
    int32_t day;
    uint32_t padding; /* 0: it is hashed and compared as bytes */
};
/* The days of a promise by rules 16, each with the entry that the books have last of those; seq 0:
 * there is none. See since.h. */
struct state_days {
    struct state_valued terms;     /* what was last said about its amount */
    struct state_valued owed;      /* more of it became due for the last time */
    struct state_valued announced; /* the same, said of a day that was to come */
    int64_t peak; /* the most that was settled before some of it was taken back; 0: nothing was */
};

enum state_dimension {
    STATE_BY_TIER,
    STATE_BY_CATEGORY,
    STATE_BY_MONTH,
    STATE_BY_CURRENCY,
    STATE_DIMENSIONS
};

/* One line of totals. outstanding is pledged - written_off - difference - allocated. */
struct state_tally {
    char key[40]; /* as TotalsLine.key */
    int16_t currency;
    int64_t pledges, pledged, committed, received, allocated, refunded, unallocated;
    int64_t written_off, difference;
    int64_t valued_pledged, valued_received;         /* what of it has a value in CHF ... */
    unsigned __int128 value_pledged, value_received; /* ... and that, see valuation_exact */
};
/* A sum of values in centimes, half to even. False: more than 64 bits. */
bool state_value(unsigned __int128 sum, int64_t *ret);
/* Where a line stands that was asked for before: of this key, by its number, as long as no line
 * comes or goes. */
struct state_asked {
    uint64_t shape;
    uint32_t key;
    int16_t currency;
    bool known;
    size_t place;
};
enum { STATE_ASKED = 8 };
struct state_tallies {
    struct state_tally *line; /* owns; ascending by key, then currency code */
    size_t count, cap;
    uint64_t version; /* grows with every change */
    uint64_t shape;   /* grows whenever a line comes or goes */
    struct state_asked asked[STATE_ASKED];
};

struct ledger {
    uint64_t size;
    int64_t last_time_us;
    uint64_t unfinished_seq; /* first entry of a command that is not whole yet; 0: there is none */
    size_t unfinished_bytes; /* that are still to come */
    char origin[128];
    uint8_t id[16];
    uint8_t roster_sha256[32];
    uint8_t policy_sha256[32];
    struct state_policy policy;

    struct state_catalogue *catalogue; /* by first adoption */
    size_t catalogue_count;
    uint32_t catalogue_in_force; /* index of the one adopted last; STATE_NONE: none */
    struct state_tier *tier;
    size_t tier_count;

    struct state_contributor *contributor; /* index = number - 1 */
    size_t contributor_count, contributor_cap;
    struct state_erasable *erasable; /* in the order of their entries */
    size_t erasable_count, erasable_cap;
    struct state_contact *contact; /* index = number - 1 */
    size_t contact_count, contact_cap;
    struct state_pledge *pledge; /* index = number - 1 */
    size_t pledge_count, pledge_cap;
    struct state_bank_entry *bank_entry; /* index = number - 1 */
    size_t bank_entry_count, bank_entry_cap;
    struct state_allocation *allocation; /* ascending by seq */
    size_t allocation_count, allocation_cap;
    struct state_documents document[STATE_DOCUMENT_KINDS];
    struct state_waiver *waiver; /* ascending by seq */
    size_t waiver_count, waiver_cap;
    struct state_schedule *schedule; /* in the order of their first entries */
    size_t schedule_count, schedule_cap;
    struct pl_map scheduled;     /* pledge index (u32) -> index of its schedule (u32) */
    struct state_refund *refund; /* index = number - 1 */
    size_t refund_count, refund_cap;
    struct state_deed *deed; /* ascending by seq */
    size_t deed_count, deed_cap;
    struct state_statement *statement; /* index = number - 1 */
    size_t statement_count, statement_cap;
    struct state_movement *movement; /* in the order of the log */
    size_t movement_count, movement_cap;
    struct state_account *account; /* in the order of the policy */
    size_t account_count;

    int32_t exported_month;              /* 12 * year + month - 1, of the newest export */
    uint64_t exported_seq, exported_to;  /* its entry, 0: none; the last entry it looked at */
    struct state_fulfilment *fulfilment; /* in the order of their first entries */
    size_t fulfilment_count, fulfilment_cap;
    struct state_fulfilment *benefit_sum; /* by tier and code; derived */
    size_t benefit_sum_count, benefit_sum_cap;
    struct pl_map fulfilments; /* pledge index (u32) -> newest of its fulfilments (u32) */
    struct pl_map frozen;      /* pledge index (u32) of a commitment -> seq (u64) that froze it */

    struct state_proposal *proposal; /* ascending by seq */
    size_t proposal_count, proposal_cap;
    size_t proposal_open, proposal_open_bytes;
    size_t proposal_due; /* index of the open one that expires first; SIZE_MAX: none is open */

    struct state_period *period; /* in the order of their closing */
    size_t period_count, period_cap;
    int32_t closed_through; /* last closed month; -1: none */

    struct state_rate *rate; /* ascending by currency, day, seq */
    size_t rate_count, rate_cap;
    struct pl_map pledge_rates, entry_rates; /* index (u32) -> struct state_valued */
    /* the same of the day on which a pledge was made, or on which it or its amount changed for the
     * last time, where that is not the day of made_us; from rules 15 on with the entry that the
     * books have last of those, where that is another; decides by rules before 16 */
    struct pl_map pledge_since;
    /* index (u32) -> struct state_days, where terms and owed are not both what pledge_since has, or
     * something was announced or taken back */
    struct pl_map pledge_days;

    uint32_t *due; /* binary heap of HELD pledges by (expires_us, index) */
    size_t due_count, due_cap;

    char *text; /* NUL-terminated strings; offset 0 is "" */
    size_t text_len, text_cap;

    struct pl_map requests; /* request id (16) -> seq of its first entry (u64) */
    struct pl_map
        names; /* first 16 bytes of SHA-256 of the folded name -> contributor index (u32) */
    struct pl_map folded; /* names with other letters, see twin.h; not saved */
    size_t folded_twins;  /* contributors whose name another has in it */
    struct pl_map
        bank_refs; /* first 16 bytes of SHA-256 of the bank reference -> bank entry index (u32) */
    /* {contributor u32, catalogue u32} -> highest pledge index (u32) with a live slot; the others,
     * where the policy allows them, follow by slot_next in descending order, so that the chain
     * depends on the pledges alone and not on how they came to be */
    struct pl_map slots;
    struct pl_map commitments; /* commitment (32) -> index of ledger.erasable (u32) */
    struct pl_map waived;      /* pledge index (u32) -> newest waiver of it (u32) */
    struct pl_map waits;       /* {contributor u32, tier u32} -> pledge index (u32) in its queue */
    struct pl_map statements;  /* state_statement.key -> statement index (u32) */
    struct pl_map movements;   /* state_movement.key and occurrence -> movement index (u32) */
    struct pl_map batches;     /* state_movement.batch_key -> first such movement (u32) */
    struct pl_map reversible;  /* seq (u64) of an entry that can be undone -> enum state_reversible
                                * and index  (u32) of its row */

    struct state_tallies tally[STATE_DIMENSIONS];
};

/* Derived, never stored. */
static inline uint32_t state_tier_taken(const struct state_tier *tier)
{
    return tier->held + tier->pledged + tier->committed + tier->closed;
}
static inline uint32_t state_newest_allocation(const struct state_pledge *pledge)
{
    bool held = pledge->stage == PLEDGED__V1__STAGE__STAGE_HELD; /* nothing pays for a hold */
    return held ? STATE_NONE : pledge->alloc_first;
}
static inline int64_t state_forgiven(const struct state_pledge *pledge)
{
    return pledge->stage == PLEDGED__V1__STAGE__STAGE_HELD ? 0 : pledge->forgiven;
}
/* What of the promise is dealt with: paid, written off, or accepted as lost. */
static inline int64_t state_settled(const struct state_pledge *pledge)
{
    return pledge->allocated + state_forgiven(pledge);
}
/* Are these rules in force, or newer ones? What older ones let through stays as it is when a log is
 * replayed. */
static inline bool state_rules(const struct ledger *ledger, unsigned version)
{
    return ledger->policy.message->rules >= version;
}
/* The day of a moment where the fund is, by the policy in force. */
static inline int32_t state_day(const struct ledger *ledger, int64_t time_us)
{
    return pl_zone_day(&ledger->policy.zone, time_us);
}
/* The day up to which something is over: that of the fund. Rules before 15 asked for the day in
 * UTC, on which a month is over hours too late, or too early. */
static inline int32_t state_today(const struct ledger *ledger, int64_t time_us)
{
    return state_rules(ledger, 15) ? state_day(ledger, time_us) : pl_date_of_us(time_us);
}
Pledged__V1__MoneyState state_money(const struct state_pledge *pledge);
/* A slot is taken. */
static inline bool state_stage_live(uint8_t stage)
{
    return stage == PLEDGED__V1__STAGE__STAGE_HELD || stage == PLEDGED__V1__STAGE__STAGE_PLEDGED ||
           stage == PLEDGED__V1__STAGE__STAGE_COMMITTED ||
           stage == PLEDGED__V1__STAGE__STAGE_CLOSED;
}

#endif
