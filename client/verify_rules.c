/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_rules: check, decide again, compare, apply. Deciding again answers with all entries of a
 * command at once; those that are still to come are kept packed until their turn. Entries whose
 * command goes on behind them wait until it is whole.
 */
#include "client/verify_rules.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/text.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/scan.h"

enum { ARENA_BYTES = 96 << 20, ROSTER_BYTES = 1 << 20 };
/* A command that was under way when the roster changed was let in by the one before. */
enum { RULES_FIRST = 1 }; /* of a ledger whose policy does not say */
static const int64_t ROSTER_GRACE_US = 60 * 1000000LL;

struct roster {
    struct pl_arena arena;
    const Pledged__V1__RosterAdopted *message; /* NULL: none yet */
};

/* A command that has more bytes than an entry: its entries so far, and what they have of it. */
struct partial {
    struct pl_buf command;
    struct pl_buf entries; /* each behind its length */
    size_t count, bytes;   /* bytes: of the whole command */
    struct pl_arena arena; /* of the command and its entries once more */
    struct pl_slice whole; /* while those entries are judged */
};

struct verify_rules {
    struct ledger *ledger;
    struct partial partial;
    struct pl_arena arena;     /* of the decision that is being followed */
    struct pl_slice *expected; /* in the arena */
    size_t expected_count, expected_at;
    struct roster roster[2]; /* in force, and the one before */
    size_t roster_now;
    int64_t roster_since_us;
    uint32_t version;  /* of the rules that decided what comes now */
    uint64_t unjudged; /* entries that were decided by rules of another version */
};

struct verify_rules *verify_rules_new(void)
{
    struct verify_rules *rules = calloc(1, sizeof(*rules));
    PL_ASSERT(rules != NULL);
    rules->ledger = ledger_new();
    rules->version = RULES_FIRST;
    pl_arena_init(&rules->arena, ARENA_BYTES);
    pl_buf_init(&rules->partial.command, LEDGER_IMPORT_BYTES_MAX);
    pl_buf_init(&rules->partial.entries, (size_t)2 * LEDGER_IMPORT_BYTES_MAX);
    pl_arena_init(&rules->partial.arena, ARENA_BYTES);
    for (size_t i = 0; i < PL_COUNT(rules->roster); i++)
        pl_arena_init(&rules->roster[i].arena, ROSTER_BYTES);
    return rules;
}

void verify_rules_free(struct verify_rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < PL_COUNT(rules->roster); i++)
        pl_arena_fini(&rules->roster[i].arena);
    pl_arena_fini(&rules->arena);
    pl_buf_fini(&rules->partial.command);
    pl_buf_fini(&rules->partial.entries);
    pl_arena_fini(&rules->partial.arena);
    ledger_free(rules->ledger);
    free(rules);
}

const struct ledger *verify_rules_ledger(const struct verify_rules *rules)
{
    return rules->ledger;
}

/* --- who --- */

/* Names of machines, hashes and mail domains have no case. */
static bool same_identity(const char *left, const char *right)
{
    bool cased = strncmp(left, "uri:", 4) == 0 || strncmp(left, "upn:", 4) == 0;
    return cased ? strcmp(left, right) == 0 : strcasecmp(left, right) == 0;
}

static bool has_identity(const Pledged__V1__RosterPerson *person, const Pledged__V1__Actor *actor)
{
    for (size_t i = 0; i < person->n_identity; i++) {
        const Pledged__V1__RosterIdentity *known = person->identity[i];
        if (same_identity(known->identity, actor->identity) &&
            (known->issuer[0] == '\0' || strcmp(known->issuer, actor->issuer) == 0))
            return true;
    }
    return false;
}

static bool is_in(const struct roster *roster, const Pledged__V1__Actor *actor)
{
    for (size_t i = 0; roster->message != NULL && i < roster->message->n_person; i++) {
        const Pledged__V1__RosterPerson *person = roster->message->person[i];
        if (person->role == actor->role && strcmp(person->person, actor->person) == 0 &&
            has_identity(person, actor))
            return true;
    }
    return false;
}

static const char *check_actor(const struct verify_rules *rules, const Pledged__V1__Entry *entry,
                               const Pledged__V1__Command *command)
{
    const Pledged__V1__Actor *actor = entry->actor;
    bool human = entry->request_id.len != 0;
    if (human == (actor->role == PLEDGED__V1__ROLE__ROLE_DAEMON))
        return N_("the daemon acts with a request id, or somebody else without one");
    if (command == NULL)
        return NULL;
    if (!ledger_role_may(actor->role, command->command_case, rules->version))
        return N_("the role of the one who acted does not allow this command");
    if (is_in(&rules->roster[rules->roster_now], actor))
        return NULL;
    if (entry->time_us - rules->roster_since_us < ROSTER_GRACE_US &&
        is_in(&rules->roster[1 - rules->roster_now], actor))
        return NULL;
    return N_("the one who acted is not in the roster with this role and certificate");
}

static const char *keep_roster(struct verify_rules *rules, const Pledged__V1__Entry *entry)
{
    struct roster *next = &rules->roster[1 - rules->roster_now];
    ProtobufCMessage *copy = NULL;
    uint8_t hash[PL_SHA256_BYTES];
    Pledged__V1__RosterAdopted bare = *entry->roster_adopted;
    next->message = NULL;
    pl_arena_reset(&next->arena);
    bare.sha256 = (ProtobufCBinaryData){0, NULL};
    struct pl_slice packed = pl_pack(&bare.base, &next->arena);
    if (packed.data == NULL || !pl_is_ok(pl_unpack_trusted(&pledged__v1__roster_adopted__descriptor,
                                                           packed, &next->arena, &copy)))
        return N_("the roster is too large");
    pl_sha256(packed, hash);
    if (!pl_slice_eq(pl_slice(hash, sizeof(hash)), pl_slice(entry->roster_adopted->sha256.data,
                                                            entry->roster_adopted->sha256.len)))
        return N_("the roster does not have the hash that it names");
    next->message = (const void *)copy;
    rules->roster_now = 1 - rules->roster_now;
    rules->roster_since_us = entry->time_us;
    return NULL;
}

/* --- what the rules make of it --- */

/* Packs what was decided. False: more than any decision takes. */
static bool keep_decision(struct verify_rules *rules, const struct ledger_decision *decision)
{
    rules->expected_at = 0;
    rules->expected_count = 0;
    if (decision->answer == LEDGER_NOTHING || decision->answer == LEDGER_INVALID)
        return false;
    rules->expected =
        pl_arena_alloc(&rules->arena, decision->entry_count * sizeof(*rules->expected));
    if (rules->expected == NULL)
        return false;
    for (size_t i = 0; i < decision->entry_count; i++) {
        rules->expected[i] = pl_pack(&decision->entry[i]->base, &rules->arena);
        if (rules->expected[i].data == NULL)
            return false;
    }
    rules->expected_count = decision->entry_count;
    return true;
}

static bool decide_at(struct verify_rules *rules, const Pledged__V1__Entry *entry,
                      const Pledged__V1__Command *command, int64_t now_us)
{
    struct ledger_decision decision;
    struct ledger_request request = {
        .command = command,
        .bytes = rules->partial.whole.len != 0 ? rules->partial.whole
                                               : pl_slice(entry->command.data, entry->command.len),
        .actor = {entry->actor->person, entry->actor->role, entry->actor->identity,
                  entry->actor->issuer},
        .now_us = now_us,
    };
    PL_ASSERT(entry->command_digest.len == sizeof(request.digest)); /* compared to a real one */
    memcpy(request.digest, entry->command_digest.data, sizeof(request.digest));
    ledger_decide(rules->ledger, &request, &rules->arena, &decision);
    return keep_decision(rules, &decision);
}

/* Is this entry the one that comes next of what was decided? */
static bool is_next(struct verify_rules *rules, struct pl_slice bytes)
{
    if (rules->expected_at == rules->expected_count ||
        !pl_slice_eq(rules->expected[rules->expected_at], bytes))
        return false;
    rules->expected_at++;
    return true;
}

static const char *check_command(struct verify_rules *rules, const Pledged__V1__Entry *entry,
                                 const Pledged__V1__Command *command, struct pl_slice bytes)
{
    if (command->dry_run)
        return N_("a rehearsal was recorded");
    if (decide_at(rules, entry, command, entry->time_us) && is_next(rules, bytes))
        return NULL;
    /* An entry's time is later than the moment of its decision where many were made at once. */
    if (entry->time_us == ledger_last_time_us(rules->ledger) + 1 &&
        decide_at(rules, entry, command, 0) && is_next(rules, bytes))
        return NULL;
    return N_("the rules make something else of the command in it");
}

/* What a daemon records when it starts with another configuration. */
static const char *check_start(struct verify_rules *rules, const Pledged__V1__Entry *entry,
                               const struct ledger_start *start, struct pl_slice bytes)
{
    struct ledger_decision decision;
    ledger_decide_start(rules->ledger, start, entry->time_us, &rules->arena, &decision);
    return keep_decision(rules, &decision) && is_next(rules, bytes)
               ? NULL
               : N_("it is not what a daemon records when it starts");
}

static bool has_hash(struct verify_rules *rules, const ProtobufCMessage *bare,
                     ProtobufCBinaryData sha256)
{
    uint8_t hash[PL_SHA256_BYTES];
    struct pl_slice packed = pl_pack(bare, &rules->arena);
    if (packed.data == NULL && packed.len > 0)
        return false;
    pl_sha256(packed, hash);
    return pl_slice_eq(pl_slice(hash, sizeof(hash)), pl_slice(sha256.data, sha256.len));
}

static const char *check_policy(struct verify_rules *rules, const Pledged__V1__Entry *entry,
                                struct pl_slice bytes)
{
    const struct ledger_start start = {.policy = entry->policy_adopted};
    Pledged__V1__PolicyAdopted bare = *entry->policy_adopted;
    bare.sha256 = (ProtobufCBinaryData){0, NULL};
    if (!has_hash(rules, &bare.base, entry->policy_adopted->sha256))
        return N_("the policy does not have the hash that it names");
    return check_start(rules, entry, &start, bytes);
}

static const char *check_roster(struct verify_rules *rules, const Pledged__V1__Entry *entry,
                                struct pl_slice bytes)
{
    const struct ledger_start start = {.roster = entry->roster_adopted};
    const char *wrong = keep_roster(rules, entry);
    return wrong != NULL ? wrong : check_start(rules, entry, &start, bytes);
}

static const char *check_own(struct verify_rules *rules, const Pledged__V1__Entry *entry,
                             struct pl_slice bytes)
{
    struct ledger_decision decision;
    switch ((int)entry->fact_case) {
    case PLEDGED__V1__ENTRY__FACT_LEDGER_CREATED: {
        const struct ledger_start start = {.origin = entry->ledger_created->origin,
                                           .ledger_id = entry->ledger_created->ledger_id.data};
        return check_start(rules, entry, &start, bytes);
    }
    case PLEDGED__V1__ENTRY__FACT_POLICY_ADOPTED:
        return check_policy(rules, entry, bytes);
    case PLEDGED__V1__ENTRY__FACT_ROSTER_ADOPTED:
        return check_roster(rules, entry, bytes);
    default:
        break;
    }
    ledger_decide_due(rules->ledger, entry->time_us, &rules->arena, &decision);
    if (keep_decision(rules, &decision) && is_next(rules, bytes))
        return NULL;
    return N_("the daemon recorded what no deadline and no command asked for");
}

static const char *check_origin(struct verify_rules *rules, const struct verify_entry *entry,
                                struct pl_slice bytes)
{
    if (rules->expected_at < rules->expected_count)
        return is_next(rules, bytes) ? NULL : N_("it is not what the command before it leads to");
    pl_arena_reset(&rules->arena);
    rules->expected_at = rules->expected_count = 0;
    if (entry->command != NULL)
        return check_command(rules, entry->message, entry->command, bytes);
    if (entry->message->request_id.len != 0)
        return N_("it belongs to a command that leads to no such entry");
    return check_own(rules, entry->message, bytes);
}

static uint32_t version_of(const Pledged__V1__PolicyAdopted *policy)
{
    return policy->rules != 0 ? policy->rules : RULES_FIRST;
}

uint64_t verify_rules_unjudged(const struct verify_rules *rules)
{
    return rules->unjudged + rules->partial.count;
}

/* What a daemon of another version decided by its own rules is not decided again: it has to be
 * possible, and the act of somebody who might. What starts and configures daemons is always known.
 */
static bool judged(const struct verify_rules *rules, const Pledged__V1__Entry *entry)
{
    return rules->version == LEDGER_RULES || rules->expected_at < rules->expected_count ||
           entry->fact_case == PLEDGED__V1__ENTRY__FACT_LEDGER_CREATED ||
           entry->fact_case == PLEDGED__V1__ENTRY__FACT_ROSTER_ADOPTED ||
           entry->fact_case == PLEDGED__V1__ENTRY__FACT_POLICY_ADOPTED;
}

static const char *judge(struct verify_rules *rules, const struct verify_entry *entry,
                         struct pl_slice bytes)
{
    if (judged(rules, entry->message))
        return check_origin(rules, entry, bytes);
    rules->unjudged++;
    return NULL;
}

static const char *take(struct verify_rules *rules, const struct verify_entry *entry,
                        struct pl_slice bytes)
{
    struct pl_status status = ledger_check(rules->ledger, entry->message);
    if (!pl_is_ok(status))
        return status.what;
    if (entry->command != NULL && entry->rules < rules->version && entry->rules < LEDGER_RULES)
        return VERIFY_NOT_ACCEPTED;
    const char *wrong = check_actor(rules, entry->message, entry->command);
    if (wrong == NULL)
        wrong = judge(rules, entry, bytes);
    if (wrong != NULL)
        return wrong;
    ledger_apply(rules->ledger, entry->message);
    if (entry->message->fact_case == PLEDGED__V1__ENTRY__FACT_POLICY_ADOPTED)
        rules->version = version_of(entry->message->policy_adopted);
    return wrong;
}

/* --- commands that go on behind their first entry --- */

#define TOO_LARGE N_("the command in it is larger than any may be")

static const char *keep_part(struct partial *partial, ProtobufCBinaryData part,
                             struct pl_slice bytes)
{
    uint8_t len[4];
    pl_put_le32(len, (uint32_t)bytes.len);
    if (!pl_is_ok(pl_buf_append(&partial->command, part.data, part.len)) ||
        !pl_is_ok(pl_buf_append(&partial->entries, len, sizeof(len))) ||
        !pl_is_ok(pl_buf_append(&partial->entries, bytes.data, bytes.len)) ||
        pl_buf_len(&partial->command) > partial->bytes)
        return TOO_LARGE;
    partial->count++;
    return NULL;
}

static void forget(struct partial *partial)
{
    pl_buf_clear(&partial->command);
    pl_buf_clear(&partial->entries);
    pl_arena_reset(&partial->arena);
    partial->count = partial->bytes = 0;
    partial->whole = (struct pl_slice){NULL, 0};
}

/* The next of the entries that waited, unpacked again. */
static const char *next_waiting(struct partial *partial, size_t *at, struct pl_slice *ret_bytes,
                                const Pledged__V1__Entry **ret)
{
    struct pl_slice all = pl_buf_slice(&partial->entries);
    ProtobufCMessage *message = NULL;
    *ret_bytes = pl_slice(all.data + *at + 4, pl_get_le32(all.data + *at));
    *at += 4 + ret_bytes->len;
    if (!pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor, *ret_bytes, &partial->arena,
                                    &message)))
        return TOO_LARGE;
    *ret = (const void *)message;
    return NULL;
}

static const char *take_whole(struct verify_rules *rules)
{
    struct partial *partial = &rules->partial;
    const char *wrong = NULL;
    size_t at = 0, count = partial->count;
    partial->whole = pl_buf_slice(&partial->command);
    for (size_t i = 0; i < count && wrong == NULL; i++) {
        struct verify_entry entry = {.message = NULL};
        struct pl_slice bytes;
        wrong = next_waiting(partial, &at, &bytes, &entry.message);
        if (wrong == NULL && i == 0)
            wrong = verify_block_command(&entry, partial->whole, &partial->arena);
        if (wrong == NULL)
            wrong = take(rules, &entry, bytes);
    }
    forget(partial);
    return wrong;
}

/* An entry whose command is not whole yet. */
static const char *take_part(struct verify_rules *rules, const Pledged__V1__Entry *entry,
                             struct pl_slice bytes)
{
    struct partial *partial = &rules->partial;
    bool first = partial->count == 0;
    if (!first && entry->fact_case != PLEDGED__V1__ENTRY__FACT_COMMAND_CONTINUED)
        return N_("it stands where the rest of a command should be");
    if (first)
        partial->bytes = entry->command_bytes;
    const char *wrong =
        keep_part(partial, first ? entry->command : entry->command_continued->bytes, bytes);
    return wrong == NULL && pl_buf_len(&partial->command) == partial->bytes ? take_whole(rules)
                                                                            : wrong;
}

const char *verify_rules_take(struct verify_rules *rules, const struct verify_entry *entry,
                              struct pl_slice bytes)
{
    if (entry->wrong != NULL)
        return entry->wrong;
    PL_ASSERT(entry->message != NULL);
    bool goes_on = entry->message->command.len != 0 && entry->message->command_bytes != 0;
    return goes_on || rules->partial.count != 0 ? take_part(rules, entry->message, bytes)
                                                : take(rules, entry, bytes);
}
