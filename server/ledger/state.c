/* SPDX-License-Identifier: Apache-2.0
 *
 * state: memory of the ledger: growth, strings, the heap of deadlines, the queues, the counters of
 * tiers. Nothing here decides anything; only apply calls what changes state.
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/ids.h"
#include "common/money.h"
#include "server/ledger/change.h"
#include "server/ledger/proposal.h"

struct ledger *ledger_new(void)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));
    PL_ASSERT(ledger != NULL);
    ledger->catalogue_in_force = STATE_NONE;
    pl_map_init(&ledger->requests, LEDGER_REQUEST_ID_BYTES, sizeof(uint64_t), 0);
    pl_map_init(&ledger->names, 16, sizeof(uint32_t), 0);
    pl_map_init(&ledger->folded, 16, sizeof(uint32_t), 0);
    pl_map_init(&ledger->bank_refs, 16, sizeof(uint32_t), 0);
    pl_map_init(&ledger->statements, 16, sizeof(uint32_t), 0);
    pl_map_init(&ledger->movements, 16, sizeof(uint32_t), 0);
    pl_map_init(&ledger->batches, 16, sizeof(uint32_t), 0);
    pl_map_init(&ledger->slots, sizeof(struct state_slot_key), sizeof(uint32_t), 0);
    pl_map_init(&ledger->scheduled, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&ledger->waived, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&ledger->waits, sizeof(struct state_slot_key), sizeof(uint32_t), 0);
    pl_map_init(&ledger->fulfilments, sizeof(uint32_t), sizeof(uint32_t), 0);
    pl_map_init(&ledger->pledge_rates, sizeof(uint32_t), sizeof(struct state_valued), 0);
    pl_map_init(&ledger->entry_rates, sizeof(uint32_t), sizeof(struct state_valued), 0);
    pl_map_init(&ledger->pledge_since, sizeof(uint32_t), sizeof(struct state_valued), 0);
    pl_map_init(&ledger->pledge_days, sizeof(uint32_t), sizeof(struct state_days), 0);
    pl_map_init(&ledger->frozen, sizeof(uint32_t), sizeof(uint64_t), 0);
    pl_map_init(&ledger->commitments, LEDGER_COMMITMENT_BYTES, sizeof(uint32_t), 0);
    pl_map_init(&ledger->reversible, sizeof(uint64_t), sizeof(uint32_t), 0);
    ledger->closed_through = -1;
    (void)state_add_text(ledger, "");
    proposal_init(ledger);
    return ledger;
}

static void free_versions(struct state_catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->older_count; i++)
        catalogue_unref(catalogue->older[i]);
    free(catalogue->older);
    catalogue_unref(catalogue->current);
}

void ledger_free(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    for (size_t i = 0; i < ledger->catalogue_count; i++)
        free_versions(&ledger->catalogue[i]);
    for (size_t i = 0; i < STATE_DIMENSIONS; i++)
        free(ledger->tally[i].line);
    proposal_fini(ledger);
    pl_map_fini(&ledger->requests);
    pl_map_fini(&ledger->names);
    pl_map_fini(&ledger->folded);
    pl_map_fini(&ledger->bank_refs);
    pl_map_fini(&ledger->statements);
    pl_map_fini(&ledger->movements);
    pl_map_fini(&ledger->batches);
    pl_map_fini(&ledger->slots);
    pl_map_fini(&ledger->scheduled);
    pl_map_fini(&ledger->waived);
    pl_map_fini(&ledger->waits);
    pl_map_fini(&ledger->fulfilments);
    pl_map_fini(&ledger->pledge_rates);
    pl_map_fini(&ledger->entry_rates);
    pl_map_fini(&ledger->pledge_since);
    pl_map_fini(&ledger->pledge_days);
    pl_map_fini(&ledger->frozen);
    pl_map_fini(&ledger->commitments);
    pl_map_fini(&ledger->reversible);
    free(ledger->catalogue);
    free(ledger->tier);
    free(ledger->contributor);
    free(ledger->fulfilment);
    free(ledger->benefit_sum);
    free(ledger->erasable);
    free(ledger->contact);
    free(ledger->pledge);
    free(ledger->bank_entry);
    free(ledger->waiver);
    for (size_t i = 0; i < ledger->schedule_count; i++)
        free(ledger->schedule[i].part);
    free(ledger->schedule);
    free(ledger->refund);
    free(ledger->deed);
    free(ledger->allocation);
    free(ledger->period);
    free(ledger->rate);
    for (size_t i = 0; i < STATE_DOCUMENT_KINDS; i++)
        free(ledger->document[i].row);
    free(ledger->statement);
    free(ledger->movement);
    free(ledger->account);
    free(ledger->due);
    free(ledger->text);
    free(ledger);
}

/* Room for one more element; amortised. Memory exhaustion is fatal: the state has no half-applied
 * form. */
void *state_grow(void *array, size_t count, size_t *cap, size_t element)
{
    if (count < *cap)
        return array;
    size_t larger = *cap != 0 ? *cap + *cap / 2 + 1 : 16;
    void *grown = reallocarray(array, larger, element);
    PL_ASSERT(grown != NULL);
    *cap = larger;
    return grown;
}

uint32_t state_add_text(struct ledger *ledger, const char *text)
{
    size_t len = strlen(text) + 1;
    if (ledger->text_len != 0 && len == 1)
        return 0;
    while (ledger->text_len + len > ledger->text_cap) {
        ledger->text_cap = ledger->text_cap != 0 ? ledger->text_cap * 2 : 4096;
        ledger->text = realloc(ledger->text, ledger->text_cap);
        PL_ASSERT(ledger->text != NULL);
    }
    PL_ASSERT(ledger->text_len + len <= UINT32_MAX);
    uint32_t offset = (uint32_t)ledger->text_len;
    memcpy(ledger->text + offset, text, len);
    ledger->text_len += len;
    return offset;
}

/* --- keys --- */

void state_key_of_text(const char *text, uint8_t key[16])
{
    uint8_t digest[PL_SHA256_BYTES];
    pl_sha256(pl_slice_str(text), digest);
    memcpy(key, digest, 16);
}

/* Trimmed, ASCII letters in lower case, runs of blanks as one: what makes two names the same. */
void state_key_of_name(const char *name, uint8_t key[16])
{
    /* a name of 200 bytes, folded: no letter grows more than eleven times (U+FDFA) */
    char folded[4096];
    size_t used = 0;
    bool blank = true; /* swallows leading blanks */
    for (const char *c = name; *c != '\0' && used + 2 < sizeof(folded); c++) {
        bool is_blank = *c == ' ' || *c == '\t';
        if (is_blank && blank)
            continue;
        blank = is_blank;
        folded[used++] = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    if (used > 0 && blank)
        used--;
    folded[used] = '\0';
    state_key_of_text(folded, key);
}

struct state_slot_key state_slot_key(uint32_t contributor, uint32_t catalogue)
{
    struct state_slot_key key;
    pl_put_le32(key.contributor, contributor);
    pl_put_le32(key.catalogue, catalogue);
    return key;
}

uint32_t state_slot_of(const struct ledger *ledger, uint32_t contributor, uint32_t catalogue)
{
    struct state_slot_key key = state_slot_key(contributor, catalogue);
    const uint32_t *found = pl_map_get(&ledger->slots, &key);
    return found != NULL ? *found : STATE_NONE;
}

uint32_t state_wait_of(const struct ledger *ledger, uint32_t contributor, uint32_t tier)
{
    struct state_slot_key key = state_slot_key(contributor, tier);
    const uint32_t *found = pl_map_get(&ledger->waits, &key);
    return found != NULL ? *found : STATE_NONE;
}

uint32_t state_slot_beside(const struct ledger *ledger, uint32_t contributor, uint32_t catalogue,
                           uint32_t own)
{
    uint32_t slot = state_slot_of(ledger, contributor, catalogue);
    return slot != STATE_NONE && slot == own ? ledger->pledge[slot].slot_next : slot;
}

/* --- finding --- */

struct state_pledge *state_pledge_of(const struct ledger *ledger, uint64_t number)
{
    return number == 0 || number > ledger->pledge_count ? NULL : &ledger->pledge[number - 1];
}

struct state_pledge *state_pledge(const struct ledger *ledger, const char *id)
{
    return state_pledge_of(ledger, pl_id_parse(id, 'P'));
}

bool state_money_is(const Pledged__V1__Money *money, int64_t minor, int currency)
{
    return money != NULL && money->minor == minor && pl_currency_index(money->currency) == currency;
}

struct state_contributor *state_contributor(const struct ledger *ledger, const char *id)
{
    uint64_t number = pl_id_parse(id, 'C');
    return number == 0 || number > ledger->contributor_count ? NULL
                                                             : &ledger->contributor[number - 1];
}

struct state_bank_entry *state_bank_entry(const struct ledger *ledger, const char *id)
{
    uint64_t number = pl_id_parse(id, 'B');
    return number == 0 || number > ledger->bank_entry_count ? NULL
                                                            : &ledger->bank_entry[number - 1];
}

/* What a decision just took from here is compared by where it stands. */
static bool same(const char *known, const char *code)
{
    return known == code || (known[0] == code[0] && strcmp(known, code) == 0);
}

int state_catalogue(const struct ledger *ledger, const char *code)
{
    for (size_t i = 0; i < ledger->catalogue_count; i++) {
        if (same(ledger->catalogue[i].current->msg->code, code))
            return (int)i;
    }
    return -1;
}

int state_tier(const struct ledger *ledger, const char *catalogue, const char *code)
{
    int index = state_catalogue(ledger, catalogue);
    for (size_t i = 0; index >= 0 && i < ledger->tier_count; i++) {
        const struct state_tier *tier = &ledger->tier[i];
        if (tier->catalogue == (uint32_t)index && same(tier->code, code))
            return (int)i;
    }
    return -1;
}

Pledged__V1__MoneyState state_money(const struct state_pledge *pledge)
{
    bool open = pledge->stage == STAGE(PLEDGED) || pledge->stage == STAGE(COMMITTED) ||
                pledge->stage == STAGE(CLOSED);
    if (!open)
        return pledge->received > 0 ? PLEDGED__V1__MONEY_STATE__MONEY_STATE_REFUND_DUE
                                    : PLEDGED__V1__MONEY_STATE__MONEY_STATE_NONE;
    if (pledge->received > pledge->amount - state_forgiven(pledge))
        return PLEDGED__V1__MONEY_STATE__MONEY_STATE_OVER;
    if (state_settled(pledge) == pledge->amount && pledge->amount > 0)
        return PLEDGED__V1__MONEY_STATE__MONEY_STATE_PAID;
    return pledge->received > 0 || pledge->allocated > 0
               ? PLEDGED__V1__MONEY_STATE__MONEY_STATE_PART
               : PLEDGED__V1__MONEY_STATE__MONEY_STATE_NONE;
}

/* --- the heap of deadlines: by (expires_us, index) --- */

static bool sooner(const struct ledger *ledger, uint32_t a, uint32_t b)
{
    int64_t left = ledger->pledge[a].expires_us, right = ledger->pledge[b].expires_us;
    return left < right || (left == right && a < b);
}

static void heap_put(struct ledger *ledger, size_t place, uint32_t pledge)
{
    ledger->due[place] = pledge;
    ledger->pledge[pledge].heap_place = (uint32_t)place;
}

static void heap_up(struct ledger *ledger, size_t place)
{
    uint32_t pledge = ledger->due[place];
    while (place > 0 && sooner(ledger, pledge, ledger->due[(place - 1) / 2])) {
        heap_put(ledger, place, ledger->due[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    heap_put(ledger, place, pledge);
}

static void heap_down(struct ledger *ledger, size_t place)
{
    uint32_t pledge = ledger->due[place];
    for (;;) {
        size_t child = 2 * place + 1;
        if (child >= ledger->due_count)
            break;
        if (child + 1 < ledger->due_count &&
            sooner(ledger, ledger->due[child + 1], ledger->due[child]))
            child++;
        if (!sooner(ledger, ledger->due[child], pledge))
            break;
        heap_put(ledger, place, ledger->due[child]);
        place = child;
    }
    heap_put(ledger, place, pledge);
}

void state_due_add(struct ledger *ledger, uint32_t pledge)
{
    ledger->due =
        state_grow(ledger->due, ledger->due_count, &ledger->due_cap, sizeof(*ledger->due));
    heap_put(ledger, ledger->due_count++, pledge);
    heap_up(ledger, ledger->due_count - 1);
}

static void due_remove(struct ledger *ledger, uint32_t pledge)
{
    size_t place = ledger->pledge[pledge].heap_place;
    PL_ASSERT(place < ledger->due_count && ledger->due[place] == pledge);
    uint32_t moved = ledger->due[--ledger->due_count];
    ledger->pledge[pledge].heap_place = STATE_NONE;
    if (moved == pledge)
        return;
    heap_put(ledger, place, moved);
    heap_up(ledger, place);
    heap_down(ledger, ledger->pledge[moved].heap_place);
}

void state_due_move(struct ledger *ledger, uint32_t pledge, int64_t expires_us)
{
    ledger->pledge[pledge].expires_us = expires_us;
    heap_up(ledger, ledger->pledge[pledge].heap_place);
    heap_down(ledger, ledger->pledge[pledge].heap_place);
}

/* --- queues --- */

void state_queue_push(struct ledger *ledger, uint32_t index)
{
    struct state_pledge *pledge = &ledger->pledge[index];
    struct state_tier *tier = &ledger->tier[pledge->tier];
    struct state_slot_key key = state_slot_key(pledge->contributor, pledge->tier);
    pledge->wait_next = STATE_NONE;
    pledge->wait_prev = tier->wait_last;
    if (tier->wait_last != STATE_NONE)
        ledger->pledge[tier->wait_last].wait_next = index;
    else
        tier->wait_first = index;
    tier->wait_last = index;
    pl_map_put(&ledger->waits, &key, &index);
}

static void queue_remove(struct ledger *ledger, uint32_t index)
{
    struct state_pledge *pledge = &ledger->pledge[index];
    struct state_tier *tier = &ledger->tier[pledge->tier];
    struct state_slot_key key = state_slot_key(pledge->contributor, pledge->tier);
    uint32_t before = pledge->wait_prev, after = pledge->wait_next;
    if (before == STATE_NONE)
        tier->wait_first = after;
    else
        ledger->pledge[before].wait_next = after;
    if (after == STATE_NONE)
        tier->wait_last = before;
    else
        ledger->pledge[after].wait_prev = before;
    pledge->wait_next = pledge->wait_prev = STATE_NONE;
    (void)pl_map_remove(&ledger->waits, &key);
}

/* --- slots of a contributor in a catalogue, by descending index --- */

static void slot_add(struct ledger *ledger, uint32_t index)
{
    struct state_pledge *pledge = &ledger->pledge[index];
    struct state_slot_key key =
        state_slot_key(pledge->contributor, ledger->tier[pledge->tier].catalogue);
    const uint32_t *first = pl_map_get(&ledger->slots, &key);
    uint32_t before = STATE_NONE, after = first != NULL ? *first : STATE_NONE;
    /* a new pledge has the highest index; only one that waited has to look for its place */
    for (; after != STATE_NONE && after > index; after = ledger->pledge[after].slot_next)
        before = after;
    pledge->slot_prev = before;
    pledge->slot_next = after;
    if (after != STATE_NONE)
        ledger->pledge[after].slot_prev = index;
    if (before != STATE_NONE)
        ledger->pledge[before].slot_next = index;
    else
        pl_map_put(&ledger->slots, &key, &index);
}

static void slot_remove(struct ledger *ledger, uint32_t index)
{
    struct state_pledge *pledge = &ledger->pledge[index];
    struct state_slot_key key =
        state_slot_key(pledge->contributor, ledger->tier[pledge->tier].catalogue);
    uint32_t before = pledge->slot_prev, after = pledge->slot_next;
    if (after != STATE_NONE)
        ledger->pledge[after].slot_prev = before;
    if (before != STATE_NONE)
        ledger->pledge[before].slot_next = after;
    else if (after != STATE_NONE)
        pl_map_put(&ledger->slots, &key, &after);
    else
        (void)pl_map_remove(&ledger->slots, &key);
    pledge->slot_next = pledge->slot_prev = STATE_NONE;
}

/* --- stages --- */

static uint32_t *counter(struct state_tier *tier, uint8_t stage)
{
    switch ((Pledged__V1__Stage)stage) {
    case STAGE(WAITING):
        return &tier->waiting;
    case STAGE(HELD):
        return &tier->held;
    case STAGE(PLEDGED):
        return &tier->pledged;
    case STAGE(COMMITTED):
        return &tier->committed;
    case STAGE(CLOSED):
        return &tier->closed;
    case STAGE(UNSPECIFIED):
    case STAGE(EXPIRED):
    case STAGE(WITHDRAWN):
    case STAGE(CANCELLED):
    case _PLEDGED__V1__STAGE_IS_INT_SIZE:
        break;
    }
    return NULL;
}

static void leave(struct ledger *ledger, uint32_t index)
{
    struct state_pledge *pledge = &ledger->pledge[index];
    if (pledge->stage == STAGE(HELD))
        due_remove(ledger, index);
    if (state_stage_live(pledge->stage))
        ledger->contributor[pledge->contributor].live_pledges--;
    if (pledge->tier == STATE_TIER_FREE)
        return;
    PL_ASSERT(ledger->tier != NULL);
    uint32_t *count = counter(&ledger->tier[pledge->tier], pledge->stage);
    if (count != NULL)
        (*count)--;
    if (pledge->stage == STAGE(WAITING))
        queue_remove(ledger, index);
    if (state_stage_live(pledge->stage))
        slot_remove(ledger, index);
}

static void enter(struct ledger *ledger, uint32_t index, uint64_t seq, bool new_slot)
{
    struct state_pledge *pledge = &ledger->pledge[index];
    if (pledge->stage == STAGE(HELD))
        state_due_add(ledger, index);
    if (state_stage_live(pledge->stage))
        ledger->contributor[pledge->contributor].live_pledges++;
    if (pledge->tier == STATE_TIER_FREE)
        return;
    PL_ASSERT(ledger->tier != NULL);
    struct state_tier *tier = &ledger->tier[pledge->tier];
    uint32_t *count = counter(tier, pledge->stage);
    if (count != NULL)
        (*count)++;
    if (pledge->stage == STAGE(WAITING))
        state_queue_push(ledger, index);
    if (!state_stage_live(pledge->stage))
        return;
    slot_add(ledger, index);
    if (new_slot)
        tier->taken_seq = seq;
    PL_ASSERT(tier->capacity < 0 || state_tier_taken(tier) <= (uint64_t)tier->capacity); /* I1 */
}

void state_move(struct ledger *ledger, uint32_t index, uint8_t stage, uint16_t tier, uint64_t seq)
{
    struct state_pledge *pledge = &ledger->pledge[index];
    bool had_slot = state_stage_live(pledge->stage) && pledge->tier == tier;
    leave(ledger, index);
    if (pledge->stage == STAGE(HELD) && stage != STAGE(HELD))
        pledge->forgiven = 0; /* it was the end of the hold */
    pledge->stage = stage;
    pledge->tier = tier;
    enter(ledger, index, seq, !had_slot);
}

uint32_t state_add_pledge(struct ledger *ledger, uint32_t contributor, uint16_t tier, uint64_t seq,
                          int64_t time_us)
{
    ledger->pledge = state_grow(ledger->pledge, ledger->pledge_count, &ledger->pledge_cap,
                                sizeof(*ledger->pledge));
    uint32_t index = (uint32_t)ledger->pledge_count++;
    ledger->pledge[index] = (struct state_pledge){
        .made_us = time_us,
        .first_seq = seq,
        .contributor = contributor,
        .wait_next = STATE_NONE,
        .wait_prev = STATE_NONE,
        .bank_first = STATE_NONE,
        .bank_last = STATE_NONE,
        .heap_place = STATE_NONE,
        .tier = tier,
        .currency = -1,
        .category = ledger->contributor[contributor].kind,
    };
    return index;
}
