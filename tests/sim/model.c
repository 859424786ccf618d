/* SPDX-License-Identifier: Apache-2.0
 *
 * model: see model.h.
 */
#include "tests/sim/model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACT_CASE(name_) PLEDGED__V1__ENTRY__FACT_##name_
#define STAGE_IS(name_)  PLEDGED__V1__STAGE__STAGE_##name_
#define EXPIRY_SLACK_US  1000 /* entries of one turn are a microsecond apart */

static const char *const tier_code[MODEL_TIERS] = {"top", "duo", "many", "ask"};
static const int capacity[MODEL_TIERS] = {1, 2, -1, -1};

bool model_wrong(struct model *model, const char *format, ...)
{
    if (model->error[0] != '\0')
        return false;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(model->error, sizeof(model->error), format, args);
    va_end(args);
    return false;
}

void *model_grow(void *list, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return list;
    *cap = *cap != 0 ? *cap * 2 : 64;
    void *grown = reallocarray(list, *cap, size);
    if (grown == NULL)
        abort();
    return grown;
}

void model_init(struct model *model)
{
    memset(model, 0, sizeof(*model));
}

void model_fini(struct model *model)
{
    for (size_t i = 0; i < model->entries; i++)
        free(model->entry[i].bytes);
    for (size_t i = 0; i < model->tolds; i++)
        free(model->told[i].verdict);
    free(model->entry);
    free(model->pledge);
    free(model->asked);
    free(model->told);
    books_fini(&model->books);
    memset(model, 0, sizeof(*model));
}

static int tier_of(const char *code)
{
    for (int i = 0; i < MODEL_TIERS; i++) {
        if (strcmp(tier_code[i], code) == 0)
            return i;
    }
    return -1;
}

size_t model_number(const char *id, char letter)
{
    size_t number = 0;
    if (id[0] != letter)
        return SIZE_MAX;
    for (const char *at = id + 1; *at != '\0'; at++)
        number = number * 10 + (size_t)(*at - '0');
    return number - 1;
}

static int stage_of(const struct model_pledge *pledge)
{
    return pledge->steps == 0 ? 0 : pledge->course[pledge->steps - 1].stage;
}

static bool is_live(int stage)
{
    return stage == STAGE_IS(HELD) || stage == STAGE_IS(PLEDGED) || stage == STAGE_IS(COMMITTED) ||
           stage == STAGE_IS(CLOSED);
}

static bool go_to(struct model *model, struct model_pledge *pledge, uint64_t seq, int stage)
{
    if (pledge->steps == MODEL_STEPS)
        return model_wrong(model, "entry %" PRIu64 ": a pledge with too long a life", seq);
    pledge->course[pledge->steps++] = (struct model_stage){seq, stage};
    return true;
}

static struct model_pledge *known(struct model *model, uint64_t seq, const char *id)
{
    size_t number = model_number(id, 'P');
    if (number < model->pledges)
        return &model->pledge[number];
    (void)model_wrong(model, "entry %" PRIu64 ": nobody knows pledge %s", seq, id);
    return NULL;
}

static struct model_pledge *made(struct model *model, uint64_t seq, const char *id,
                                 const char *contributor, const char *tier)
{
    if (model_number(id, 'P') != model->pledges ||
        model_number(contributor, 'C') >= model->contributors) {
        (void)model_wrong(model, "entry %" PRIu64 ": pledge %s by %s is out of order", seq, id,
                          contributor);
        return NULL;
    }
    model->pledge =
        model_grow(model->pledge, model->pledges, &model->pledge_cap, sizeof(*model->pledge));
    struct model_pledge *pledge = &model->pledge[model->pledges++];
    memset(pledge, 0, sizeof(*pledge));
    pledge->tier = tier[0] == '\0' ? -1 : tier_of(tier);
    (void)snprintf(pledge->contributor, sizeof(pledge->contributor), "%s", contributor);
    return pledge;
}

/* --- fact by fact --- */

static bool see_hold(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__HoldPlaced *fact = e->hold_placed;
    size_t number = model_number(fact->pledge, 'P');
    struct model_pledge *pledge = number < model->pledges ? &model->pledge[number] : NULL;
    if (pledge != NULL && stage_of(pledge) != STAGE_IS(WAITING))
        return model_wrong(model, "entry %" PRIu64 ": %s is held twice", e->seq, fact->pledge);
    if (pledge == NULL)
        pledge = made(model, e->seq, fact->pledge, fact->contributor, fact->tier);
    if (pledge == NULL)
        return false;
    pledge->expires_us = fact->expires_us;
    return go_to(model, pledge, e->seq, STAGE_IS(HELD));
}

static bool see_wait(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__WaitAdded *fact = e->wait_added;
    struct model_pledge *pledge = made(model, e->seq, fact->pledge, fact->contributor, fact->tier);
    return pledge != NULL && go_to(model, pledge, e->seq, STAGE_IS(WAITING));
}

static bool see_expired(struct model *model, const Pledged__V1__Entry *e)
{
    struct model_pledge *pledge = known(model, e->seq, e->hold_expired->pledge);
    if (pledge == NULL)
        return false;
    if (stage_of(pledge) != STAGE_IS(HELD) || e->time_us < pledge->expires_us)
        return model_wrong(model, "entry %" PRIu64 ": %s expires %" PRId64 " us too early", e->seq,
                           e->hold_expired->pledge, pledge->expires_us - e->time_us);
    return go_to(model, pledge, e->seq, STAGE_IS(EXPIRED));
}

static bool see_pledge(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__PledgeMade *fact = e->pledge_made;
    struct model_pledge *pledge =
        fact->from_hold ? known(model, e->seq, fact->pledge)
                        : made(model, e->seq, fact->pledge, fact->contributor, fact->tier);
    if (pledge == NULL)
        return false;
    if (fact->from_hold && stage_of(pledge) != STAGE_IS(HELD))
        return model_wrong(model, "entry %" PRIu64 ": %s was not held", e->seq, fact->pledge);
    pledge->amount = fact->amount->minor;
    return go_to(model, pledge, e->seq, STAGE_IS(PLEDGED));
}

static bool see_end(struct model *model, const Pledged__V1__Entry *e, const char *id, int stage)
{
    struct model_pledge *pledge = known(model, e->seq, id);
    if (pledge == NULL)
        return false;
    int now = stage_of(pledge);
    bool fits = stage == STAGE_IS(CANCELLED) || stage == STAGE_IS(CLOSED)
                    ? now == STAGE_IS(COMMITTED)
                : stage == STAGE_IS(COMMITTED)
                    ? now == STAGE_IS(PLEDGED)
                    : now == STAGE_IS(HELD) || now == STAGE_IS(PLEDGED) || now == STAGE_IS(WAITING);
    if (!fits)
        return model_wrong(model, "entry %" PRIu64 ": %s goes from stage %d to %d", e->seq, id, now,
                           stage);
    return go_to(model, pledge, e->seq, stage);
}

/* What takes back a closing names nothing but the pledge; it is a commitment again, for now. */
static bool see_reopened(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__Reversed *fact = e->reversed;
    struct model_pledge *pledge = known(model, e->seq, fact->pledge);
    if (pledge == NULL)
        return false;
    const struct model_stage *last = &pledge->course[pledge->steps - 1];
    if (pledge->steps == 0 || last->stage != STAGE_IS(CLOSED) || last->seq != fact->target_seq)
        return model_wrong(model, "entry %" PRIu64 ": %s is opened that is not closed", e->seq,
                           fact->pledge);
    return go_to(model, pledge, e->seq, STAGE_IS(COMMITTED));
}

static bool see_roster(struct model *model, const Pledged__V1__Entry *e);

static bool see_fact(struct model *model, const Pledged__V1__Entry *e)
{
    switch ((int)e->fact_case) {
    case FACT_CASE(CONTRIBUTOR_ADDED):
        if (model_number(e->contributor_added->contributor, 'C') != model->contributors)
            return model_wrong(model, "entry %" PRIu64 ": a contributor out of order", e->seq);
        model->contributors++;
        return true;
    case FACT_CASE(CATALOGUE_ADOPTED):
        model->catalogue = true;
        return true;
    case FACT_CASE(HOLD_PLACED):
        return see_hold(model, e);
    case FACT_CASE(WAIT_ADDED):
        return see_wait(model, e);
    case FACT_CASE(HOLD_EXPIRED):
        return see_expired(model, e);
    case FACT_CASE(PLEDGE_MADE):
        return see_pledge(model, e);
    case FACT_CASE(COMMITMENT_SIGNED):
        return see_end(model, e, e->commitment_signed->pledge, STAGE_IS(COMMITTED));
    case FACT_CASE(WITHDRAWN):
        return see_end(model, e, e->withdrawn->pledge, STAGE_IS(WITHDRAWN));
    case FACT_CASE(CANCELLED):
        return see_end(model, e, e->cancelled->pledge, STAGE_IS(CANCELLED));
    case FACT_CASE(PLEDGE_CLOSED):
        return see_end(model, e, e->pledge_closed->pledge, STAGE_IS(CLOSED));
    case FACT_CASE(ROSTER_ADOPTED):
        return see_roster(model, e);
    case FACT_CASE(REVERSED):
        return e->reversed->amount != NULL || e->reversed->benefit[0] != '\0' ||
               see_reopened(model, e);
    default:
        return true; /* says nothing about slots or money of ours */
    }
}

/* --- who may do what --- */

#define COMMAND(name_) PLEDGED__V1__COMMAND__COMMAND_##name_

unsigned model_roles(int command_case)
{
    switch (command_case) {
    case COMMAND(ADOPT_CATALOGUE):
    case COMMAND(ERASE_CONTACT):
        return ROLE(ADMIN);
    case COMMAND(SET_LEGAL_HOLD):
        return ROLE(APPROVER) | ROLE(ADMIN);
    case COMMAND(APPROVE):
    case COMMAND(CLOSE):
        return ROLE(APPROVER);
    case COMMAND(REJECT):
        return ROLE(CLERK) | ROLE(APPROVER) | ROLE(ADMIN);
    case COMMAND(COMMIT):
    case COMMAND(AMEND_PLEDGE):
    case COMMAND(CANCEL):
    case COMMAND(CLOSE_PERIOD):
    case COMMAND(REOPEN_PERIOD):
    case COMMAND(REVERSE):
    case COMMAND(REALLOCATE):
    case COMMAND(CONVERT):
    case COMMAND(REFUND):
    case COMMAND(CANCEL_REFUND):
    case COMMAND(WRITE_OFF):
    case COMMAND(ACCEPT_DIFFERENCE):
        return ROLE(CLERK) | ROLE(APPROVER);
    default:
        return ROLE(CLERK);
    }
}

static bool see_roster(struct model *model, const Pledged__V1__Entry *e)
{
    const Pledged__V1__RosterAdopted *fact = e->roster_adopted;
    if (fact->n_person > MODEL_PERSONS)
        return model_wrong(model, "entry %" PRIu64 ": a roster of strangers", e->seq);
    model->persons = fact->n_person;
    for (size_t i = 0; i < fact->n_person; i++) {
        struct model_person *person = &model->roster[i];
        (void)snprintf(person->name, sizeof(person->name), "%s", fact->person[i]->person);
        (void)snprintf(person->identity, sizeof(person->identity), "%s",
                       fact->person[i]->n_identity != 0 ? fact->person[i]->identity[0]->identity
                                                        : "");
        person->role = (int)fact->person[i]->role;
    }
    return true;
}

/* Where certificates are looked at, with one of theirs. */
static bool is_on_roster(const struct model *model, const Pledged__V1__Actor *actor)
{
    for (size_t i = 0; i < model->persons; i++) {
        const struct model_person *person = &model->roster[i];
        if (strcmp(person->name, actor->person) == 0)
            return person->role == (int)actor->role &&
                   (!model->roles || strcmp(person->identity, actor->identity) == 0);
    }
    return false;
}

/* They came by the door, with a certificate of theirs and the role for it. */
static bool came_rightly(struct model *model, const Pledged__V1__Entry *e)
{
    char identity[40];
    (void)snprintf(identity, sizeof(identity), "uri:sim:%.16s", e->actor->person);
    if (strcmp(e->actor->identity, identity) != 0 || strcmp(e->actor->issuer, "CN=ca") != 0)
        return model_wrong(model, "entry %" PRIu64 ": %s came as %s of %s", e->seq,
                           e->actor->person, e->actor->identity, e->actor->issuer);
    if (e->command.len == 0)
        return true;
    Pledged__V1__Command *command =
        pledged__v1__command__unpack(NULL, e->command.len, e->command.data);
    bool may =
        command != NULL && (model_roles((int)command->command_case) >> e->actor->role & 1) != 0;
    pledged__v1__command__free_unpacked(command, NULL);
    return may || model_wrong(model, "entry %" PRIu64 ": %s may not do that with role %d", e->seq,
                              e->actor->person, (int)e->actor->role);
}

/* Who did it was on the roster of that moment, with that role. */
static bool is_entitled(struct model *model, const Pledged__V1__Entry *e)
{
    if (e->request_id.len == 0)
        return true;
    if (e->actor == NULL || !is_on_roster(model, e->actor))
        return model_wrong(model, "entry %" PRIu64 ": %s (%s) with role %d is not on the roster",
                           e->seq, e->actor == NULL ? "nobody" : e->actor->person,
                           e->actor == NULL ? "" : e->actor->identity,
                           e->actor == NULL ? 0 : (int)e->actor->role);
    return !model->roles || came_rightly(model, e);
}

/* --- what holds after every entry --- */

static bool count_slots(struct model *model, uint64_t seq, int32_t taken[MODEL_TIERS])
{
    memset(taken, 0, sizeof(int32_t) * MODEL_TIERS);
    for (size_t i = 0; i < model->pledges; i++) {
        const struct model_pledge *pledge = &model->pledge[i];
        if (pledge->tier < 0 || !is_live(stage_of(pledge)))
            continue;
        taken[pledge->tier]++;
        for (size_t k = 0; k < i; k++) {
            const struct model_pledge *other = &model->pledge[k];
            if (other->tier >= 0 && is_live(stage_of(other)) &&
                strcmp(other->contributor, pledge->contributor) == 0)
                return model_wrong(model, "entry %" PRIu64 ": %s has two slots", seq,
                                   pledge->contributor);
        }
    }
    for (int i = 0; i < MODEL_TIERS; i++) {
        if (capacity[i] >= 0 && taken[i] > capacity[i])
            return model_wrong(model, "entry %" PRIu64 ": %d holders of %s, which has %d places",
                               seq, taken[i], tier_code[i], capacity[i]);
    }
    return true;
}

/* Holds whose end has come are expired before anything else is decided. */
static bool nothing_is_due(struct model *model, const Pledged__V1__Entry *e)
{
    if (model->clock_jumped || e->request_id.len == 0)
        return true;
    for (size_t i = 0; i < model->pledges; i++) {
        const struct model_pledge *pledge = &model->pledge[i];
        if (stage_of(pledge) == STAGE_IS(HELD) &&
            pledge->expires_us + EXPIRY_SLACK_US <= e->time_us)
            return model_wrong(model, "entry %" PRIu64 ": a hold is over since %" PRId64 " us",
                               e->seq, e->time_us - pledge->expires_us);
    }
    return books_nothing_is_due(model, e);
}

uint64_t model_find(const struct model *model, const uint8_t request[MODEL_ID])
{
    for (size_t i = 0; i < model->entries; i++) {
        if (model->entry[i].by_command && memcmp(model->entry[i].request, request, MODEL_ID) == 0)
            return i + 1;
    }
    return 0;
}

static bool is_asked(const struct model *model, const uint8_t request[MODEL_ID])
{
    for (size_t i = model->askeds; i > 0; i--) { /* the latest are asked for most */
        if (memcmp(model->asked[i - 1].request, request, MODEL_ID) == 0)
            return true;
    }
    return false;
}

void model_ask(struct model *model, const uint8_t request[MODEL_ID])
{
    if (is_asked(model, request))
        return;
    model->asked =
        model_grow(model->asked, model->askeds, &model->asked_cap, sizeof(*model->asked));
    memcpy(model->asked[model->askeds++].request, request, MODEL_ID);
}

/* Its place, its time, its command. */
static bool see_frame(struct model *model, uint64_t seq, const Pledged__V1__Entry *e)
{
    const struct model_entry *last = model->entries != 0 ? &model->entry[model->entries - 1] : NULL;
    if (e->seq != seq)
        return model_wrong(model, "entry %" PRIu64 " says that it is %" PRIu64, seq, e->seq);
    if (last != NULL && e->time_us <= last->time_us)
        return model_wrong(model, "entry %" PRIu64 ": time goes back", seq);
    if (e->request_id.len == 0)
        return true;
    uint64_t first = e->request_id.len == MODEL_ID ? model_find(model, e->request_id.data) : 0;
    bool is_first = e->command.len != 0;
    if (is_first && (e->request_id.len != MODEL_ID || !is_asked(model, e->request_id.data)))
        return model_wrong(model, "entry %" PRIu64 ": nobody asked for it", seq);
    if (is_first && first != 0)
        return model_wrong(model, "entry %" PRIu64 ": done a second time, first in %" PRIu64, seq,
                           first);
    if (!is_first && (first == 0 || e->cause_seq != first))
        return model_wrong(model, "entry %" PRIu64 ": not the first of its command, nor its cause",
                           seq);
    return true;
}

static void keep_entry(struct model *model, const Pledged__V1__Entry *e, struct pl_slice bytes,
                       const int32_t taken[MODEL_TIERS])
{
    model->entry =
        model_grow(model->entry, model->entries, &model->entry_cap, sizeof(*model->entry));
    struct model_entry *kept = &model->entry[model->entries++];
    memset(kept, 0, sizeof(*kept));
    kept->bytes = malloc(bytes.len + 1);
    if (kept->bytes == NULL)
        abort();
    memcpy(kept->bytes, bytes.data, bytes.len);
    kept->len = bytes.len;
    kept->time_us = e->time_us;
    kept->by_command = e->request_id.len == MODEL_ID;
    if (kept->by_command)
        memcpy(kept->request, e->request_id.data, MODEL_ID);
    memcpy(kept->taken, taken, sizeof(kept->taken));
}

bool model_see(struct model *model, uint64_t seq, struct pl_slice bytes)
{
    if (seq <= model->entries) {
        const struct model_entry *kept = &model->entry[seq - 1];
        if (kept->len == bytes.len && memcmp(kept->bytes, bytes.data, bytes.len) == 0)
            return true;
        return model_wrong(model, "entry %" PRIu64 " is not what it was", seq);
    }
    if (seq != model->entries + 1)
        return model_wrong(model, "entry %" PRIu64 " comes after %zu", seq, model->entries);
    Pledged__V1__Entry *e = pledged__v1__entry__unpack(NULL, bytes.len, bytes.data);
    int32_t taken[MODEL_TIERS];
    if (e == NULL)
        return model_wrong(model, "entry %" PRIu64 " cannot be read", seq);
    bool fine = see_frame(model, seq, e) && is_entitled(model, e) && nothing_is_due(model, e) &&
                see_fact(model, e) && books_see(model, e) && count_slots(model, seq, taken);
    if (fine)
        keep_entry(model, e, bytes, taken);
    pledged__v1__entry__free_unpacked(e, NULL);
    return fine;
}

bool model_tell(struct model *model, const uint8_t request[MODEL_ID], uint64_t seq,
                struct pl_slice verdict, bool receipt)
{
    if (seq > model->told_max)
        model->told_max = seq;
    for (size_t i = 0; i < model->tolds; i++) {
        const struct model_told *told = &model->told[i];
        if (memcmp(told->request, request, MODEL_ID) != 0)
            continue;
        if (told->seq == seq && told->receipt == receipt && told->len == verdict.len &&
            memcmp(told->verdict, verdict.data, verdict.len) == 0)
            return true;
        return model_wrong(
            model, "a request was told entry %" PRIu64 ", and now entry %" PRIu64 " or other words",
            told->seq, seq);
    }
    model->told = model_grow(model->told, model->tolds, &model->told_cap, sizeof(*model->told));
    struct model_told *told = &model->told[model->tolds++];
    memcpy(told->request, request, MODEL_ID);
    told->seq = seq;
    told->receipt = receipt;
    told->len = verdict.len;
    told->verdict = malloc(verdict.len + 1);
    if (told->verdict == NULL)
        abort();
    memcpy(told->verdict, verdict.data, verdict.len);
    return true;
}

int model_stage_at(const struct model *model, size_t pledge, uint64_t seq)
{
    int stage = 0;
    const struct model_pledge *found = &model->pledge[pledge];
    for (int i = 0; i < found->steps && found->course[i].seq <= seq; i++)
        stage = found->course[i].stage;
    return stage;
}
