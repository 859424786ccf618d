/* SPDX-License-Identifier: Apache-2.0
 *
 * encode: from the last field to the first, as common/pack does it. The sink is a value here, so
 * that the compiler keeps it in registers; what goes by the table borrows a copy. Texts and bytes
 * leave room behind them for all tags, lengths and numbers that an entry may have, so that these
 * are written without a look; where that room is not there, all of it goes by the table.
 */
#include "server/ledger/encode.h"

#include "common/check.h"
#include "common/pack.h"
#include "common/scan.h"

enum {
    DELIMITED = 2,      /* wire type; a number is 0 */
    OUTCOME = 11,       /* number of the field */
    REPEATED_MOST = 16, /* of them go without the table */
    /* fewer than 64 fields with a tag and a length or number of 12 bytes at most, three for each
     * warning, one for each reference */
    SMALL_BYTES = (64 + 4 * REPEATED_MOST) * 12,
};

static inline void put_varint(struct pl_sink *sink, uint64_t value)
{
    if (value < 0x80)
        *--sink->at = (uint8_t)value;
    else
        sink->at = pl_sink_long(sink->begin - SMALL_BYTES, sink->at, value);
}

/* Field numbers of up to 2047: one byte of tag, or two. */
static inline void put_tag(struct pl_sink *sink, uint32_t number, uint32_t wire_type)
{
    uint32_t tag = number << 3 | wire_type;
    if (tag >= 0x80)
        *--sink->at = (uint8_t)(tag >> 7);
    *--sink->at = (uint8_t)(tag < 0x80 ? tag : (tag | 0x80));
}

static inline void put_number(struct pl_sink *sink, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    put_varint(sink, value);
    put_tag(sink, number, 0);
}

/* An enum. */
static inline void put_choice(struct pl_sink *sink, uint32_t number, int32_t value)
{
    put_number(sink, number, (uint64_t)(int64_t)value);
}

static inline void put_delimited(struct pl_sink *sink, uint32_t number, const void *data,
                                 size_t len)
{
    if ((ptrdiff_t)len > sink->at - sink->begin) {
        sink->failed = true;
        return;
    }
    sink->at -= len;
    pl_copy(sink->at, data, len);
    put_varint(sink, len);
    put_tag(sink, number, DELIMITED);
}

static inline void put_text(struct pl_sink *sink, uint32_t number, const char *text)
{
    if (text != NULL && *text != '\0')
        put_delimited(sink, number, text, strlen(text));
}

static inline void put_bytes(struct pl_sink *sink, uint32_t number,
                             const ProtobufCBinaryData *bytes)
{
    if (bytes->len != 0)
        put_delimited(sink, number, bytes->data, bytes->len);
}

/* Ends the message that began when the sink was at `end`. */
static inline void put_end(struct pl_sink *sink, uint32_t number, const uint8_t *end)
{
    put_varint(sink, (uint64_t)(end - sink->at));
    put_tag(sink, number, DELIMITED);
}

static inline void put_by_table(struct pl_sink *sink, const ProtobufCMessage *message)
{
    struct pl_sink borrowed = *sink;
    if (sink->at < sink->begin) {
        sink->failed = true;
        return;
    }
    pl_pack_into(&borrowed, message);
    *sink = borrowed;
}

static inline void put_message(struct pl_sink *sink, uint32_t number,
                               const ProtobufCMessage *message)
{
    const uint8_t *end = sink->at;
    if (message == NULL)
        return;
    put_by_table(sink, message);
    put_end(sink, number, end);
}

static inline void put_money(struct pl_sink *sink, uint32_t number, const Pledged__V1__Money *money)
{
    const uint8_t *end = sink->at;
    if (money == NULL)
        return;
    put_text(sink, 2, money->currency);
    put_number(sink, 1, (uint64_t)money->minor);
    put_end(sink, number, end);
}

static inline void put_count(struct pl_sink *sink, uint32_t number, const Pledged__V1__Count *count)
{
    const uint8_t *end = sink->at;
    if (count == NULL)
        return;
    /* the member that was chosen is written even if it says nothing */
    if (count->value_case == PLEDGED__V1__COUNT__VALUE_COUNT) {
        put_varint(sink, (uint64_t)count->count);
        put_tag(sink, 1, 0);
    } else if (count->value_case == PLEDGED__V1__COUNT__VALUE_UNLIMITED) {
        put_varint(sink, count->unlimited != 0);
        put_tag(sink, 2, 0);
    }
    put_end(sink, number, end);
}

static inline void put_warning(struct pl_sink *sink, uint32_t number,
                               const Pledged__V1__Warning *warning)
{
    const uint8_t *end = sink->at;
    put_number(sink, 2, warning->seq);
    put_choice(sink, 1, warning->kind);
    put_end(sink, number, end);
}

/* --- outcome --- */

/* Nothing but what a pledge has. */
static bool outcome_is_plain(const Pledged__V1__Outcome *outcome)
{
    return outcome->n_warning <= REPEATED_MOST && outcome->bank_entry[0] == '\0' &&
           outcome->unallocated == NULL && outcome->catalogue_sha256.len == 0 &&
           outcome->document[0] == '\0' && outcome->refund[0] == '\0' &&
           outcome->n_statement == 0 && outcome->contact[0] == '\0' && outcome->n_erased == 0 &&
           outcome->benefit[0] == '\0' && outcome->benefit_quantity == 0 &&
           outcome->benefit_left == 0 && outcome->period[0] == '\0' && outcome->erased_left == 0;
}

static inline void put_plain_outcome(struct pl_sink *sink, const Pledged__V1__Outcome *outcome)
{
    put_number(sink, 13, outcome->proposal_seq);
    for (size_t i = outcome->n_warning; i > 0; i--)
        put_warning(sink, 12, outcome->warning[i - 1]);
    put_number(sink, 10, outcome->waiting_position);
    put_number(sink, 9, (uint64_t)outcome->expires_us);
    put_choice(sink, 8, (int32_t)outcome->stage);
    put_money(sink, 6, outcome->balance);
    put_count(sink, 5, outcome->remaining);
    put_text(sink, 4, outcome->tier);
    put_text(sink, 2, outcome->pledge);
    put_text(sink, 1, outcome->contributor);
}

static inline struct pl_slice put_outcome(struct pl_sink *sink, const Pledged__V1__Outcome *outcome)
{
    const uint8_t *end = sink->at;
    if (outcome == NULL)
        return pl_slice(NULL, 0);
    if (outcome_is_plain(outcome))
        put_plain_outcome(sink, outcome);
    else
        put_by_table(sink, &outcome->base);
    struct pl_slice value = pl_slice(sink->at, (size_t)(end - sink->at));
    put_end(sink, OUTCOME, end);
    return value;
}

/* --- facts --- */

static inline void put_pledge_made(struct pl_sink *sink, const Pledged__V1__PledgeMade *fact)
{
    put_message(sink, 15, fact->valuation == NULL ? NULL : &fact->valuation->base);
    put_text(sink, 14, fact->reference);
    put_text(sink, 13, fact->converted_from);
    put_number(sink, 12, fact->from_hold != 0);
    for (size_t i = fact->n_external_ref; i > 0; i--)
        put_message(sink, 11, &fact->external_ref[i - 1]->base);
    put_choice(sink, 10, (int32_t)fact->publish);
    put_text(sink, 9, fact->agreement_ref);
    put_text(sink, 8, fact->campaign);
    put_choice(sink, 7, (int32_t)fact->purpose);
    put_choice(sink, 6, (int32_t)fact->kind);
    put_money(sink, 5, fact->amount);
    put_text(sink, 4, fact->tier);
    put_text(sink, 3, fact->catalogue);
    put_text(sink, 2, fact->contributor);
    put_text(sink, 1, fact->pledge);
}

static inline void put_fact(struct pl_sink *sink, const Pledged__V1__Entry *entry)
{
    const uint8_t *end = sink->at;
    /* every member of the union is a pointer to a message: any of them is the fact's address */
    const void *fact = entry->ledger_created;
    if (entry->fact_case == PLEDGED__V1__ENTRY__FACT__NOT_SET || fact == NULL)
        return;
    if (entry->fact_case == PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE &&
        entry->pledge_made->n_external_ref <= REPEATED_MOST)
        put_pledge_made(sink, entry->pledge_made);
    else
        put_by_table(sink, fact);
    put_end(sink, (uint32_t)entry->fact_case, end);
}

/* --- the entry --- */

static inline void put_actor(struct pl_sink *sink, const Pledged__V1__Actor *actor)
{
    const uint8_t *end = sink->at;
    if (actor == NULL)
        return;
    put_text(sink, 4, actor->issuer);
    put_text(sink, 3, actor->identity);
    put_choice(sink, 2, (int32_t)actor->role);
    put_text(sink, 1, actor->person);
    put_end(sink, 3, end);
}

/* False: there was not room enough to write it without looking. */
static bool write_entry(const Pledged__V1__Entry *entry, uint8_t *into, size_t room,
                        struct pl_slice *ret, struct pl_slice *ret_outcome)
{
    if (room < SMALL_BYTES)
        return false;
    struct pl_sink sink = {.begin = into + SMALL_BYTES, .at = into + room};
    put_fact(&sink, entry);
    put_number(&sink, 15, entry->command_bytes);
    put_text(&sink, 14, entry->posting_date);
    put_text(&sink, 13, entry->maker);
    put_number(&sink, 12, entry->proposal_seq);
    *ret_outcome = put_outcome(&sink, entry->outcome);
    put_text(&sink, 10, entry->effective_date);
    put_number(&sink, 9, entry->prev_seq);
    put_number(&sink, 8, entry->cause_seq);
    put_message(&sink, 7, entry->signature == NULL ? NULL : &entry->signature->base);
    put_bytes(&sink, 6, &entry->command);
    put_bytes(&sink, 5, &entry->command_digest);
    put_bytes(&sink, 4, &entry->request_id);
    put_actor(&sink, entry->actor);
    put_number(&sink, 2, (uint64_t)entry->time_us);
    put_number(&sink, 1, entry->seq);
    PL_ASSERT(sink.at >= into); /* SMALL_BYTES are enough */
    *ret = pl_slice(sink.at, (size_t)(into + room - sink.at));
    return !sink.failed;
}

struct pl_slice encode_entry(const Pledged__V1__Entry *entry, uint8_t *into, size_t room,
                             struct pl_slice *ret_outcome)
{
    struct pl_slice bytes;
    size_t cursor = 0;
    if (write_entry(entry, into, room, &bytes, ret_outcome))
        return bytes;
    bytes = pl_pack_backward(&entry->base, into, room);
    if (bytes.data == NULL || !pl_wire_next(bytes, OUTCOME, &cursor, ret_outcome))
        *ret_outcome = pl_slice(NULL, 0);
    return bytes;
}
