/* SPDX-License-Identifier: Apache-2.0
 *
 * records: see records.h.
 */
#include "tests/sim/records.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "pledged/v1/types.pb-c.h"
#include "tests/sim/disk.h"

#define FACT(name_) PLEDGED__V1__ENTRY__FACT_##name_
#define DATABASE    "/d/persons.db"

enum { RECORDS_MAX = 1500, AGAIN_MOST = 40 };

static struct {
    struct dice *dice;
    bool on, many;
    struct record record[RECORDS_MAX];
    size_t count;
    size_t contact[AGAIN_MOST], contacts; /* those that may be brought again */
    uint64_t known, erased;
    unsigned excuses;
    char what[300];
} r;

void records_begin(struct dice *dice, bool on)
{
    r.dice = dice;
    r.on = on;
    r.many = on && dice_below(dice, 3) == 0;
    r.count = r.contacts = 0;
    r.known = r.erased = 0;
    r.excuses = 0;
}

bool records_on(void)
{
    return r.on;
}

bool records_wanted(void)
{
    return r.on && (r.many ? dice_below(r.dice, 5) != 0 : dice_below(r.dice, 6) == 0);
}

const struct record *records_at(size_t number)
{
    PL_ASSERT(number < r.count);
    return &r.record[number];
}

uint64_t records_contacts(void)
{
    return r.known;
}

uint64_t records_erased(void)
{
    return r.erased;
}

void records_ask(size_t number)
{
    r.record[number].asked++;
}

void records_excuse(struct pl_status status)
{
    (void)status.code;
    r.excuses++;
}

void records_start(void)
{
    r.excuses = 0;
}

bool records_unexcused(void)
{
    return r.excuses == 0;
}

__attribute__((format(printf, 2, 3))) static bool wrong(const char **ret_what, const char *format,
                                                        ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r.what, sizeof(r.what), format, args);
    va_end(args);
    *ret_what = r.what;
    return false;
}

/* --- making --- */

static struct record *add(char *words, size_t most)
{
    PL_ASSERT(r.count < RECORDS_MAX);
    struct record *made = &r.record[r.count++];
    memset(made, 0, sizeof(*made));
    (void)snprintf(made->word, sizeof(made->word), "unmistakable%012" PRIx64,
                   dice_roll(r.dice) >> 16);
    for (size_t i = 0; i < RECORD_KEY; i++)
        made->salt[i] = (uint8_t)dice_roll(r.dice);
    memset(words, 'w', most);
    words[dice_below(r.dice, most)] = '\0';
    return made;
}

static size_t finish(struct record *made, const ProtobufCMessage *message)
{
    PL_ASSERT(protobuf_c_message_get_packed_size(message) <= sizeof(made->bytes));
    made->len = protobuf_c_message_pack(message, made->bytes);
    pl_hmac_sha256(pl_slice(made->salt, RECORD_KEY), pl_slice(made->bytes, made->len),
                   made->commitment);
    return (size_t)(made - r.record);
}

size_t records_contact(void)
{
    char words[200];
    if (r.contacts != 0 && dice_below(r.dice, 5) == 0)
        return r.contact[dice_below(r.dice, r.contacts)];
    struct record *made = add(words, sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    Pledged__V1__Contact contact = PLEDGED__V1__CONTACT__INIT;
    contact.name = made->word;
    contact.function = contact.email = words;
    size_t number = finish(made, &contact.base);
    if (r.contacts < AGAIN_MOST)
        r.contact[r.contacts++] = number;
    return number;
}

size_t records_payer(void)
{
    char words[1500];
    struct record *made = add(words, sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    Pledged__V1__PayerDetail payer = PLEDGED__V1__PAYER_DETAIL__INIT;
    payer.name = made->word;
    payer.text = words;
    return finish(made, &payer.base);
}

/* --- what entries say --- */

static struct record *find(const void *commitment, size_t len)
{
    for (size_t i = 0; i < r.count; i++) {
        if (len == RECORD_KEY && memcmp(r.record[i].commitment, commitment, RECORD_KEY) == 0)
            return &r.record[i];
    }
    return NULL;
}

static bool see_live(const Pledged__V1__Entry *entry, ProtobufCBinaryData commitment,
                     const char **ret_what)
{
    struct record *record = find(commitment.data, commitment.len);
    if (record == NULL || record->asked == 0 || record->live_seq != 0)
        return wrong(ret_what, "entry %" PRIu64 ": commits to what nobody brought, or once more",
                     entry->seq);
    record->live_seq = entry->seq;
    return true;
}

bool records_see(const Pledged__V1__Entry *entry, const char **ret_what)
{
    const Pledged__V1__Movement *movement = NULL;
    if (entry->fact_case == FACT(CONTACT_RECORDED)) {
        r.known++;
        return see_live(entry, entry->contact_recorded->commitment, ret_what);
    }
    if (entry->fact_case == FACT(BANK_ENTRY_RECORDED))
        movement = entry->bank_entry_recorded->movement;
    if (entry->fact_case == FACT(PAYMENT_CONFIRMED))
        movement = entry->payment_confirmed->movement;
    if (entry->fact_case == FACT(PAYER_LEARNED))
        return see_live(entry, entry->payer_learned->detail_commitment, ret_what);
    if (entry->fact_case == FACT(MOVEMENT_LEARNED))
        movement = entry->movement_learned->movement;
    if (movement != NULL && movement->detail_commitment.len != 0)
        return see_live(entry, movement->detail_commitment, ret_what);
    if (entry->fact_case != FACT(SUBJECT_ERASED))
        return true;
    for (size_t i = 0; i < entry->subject_erased->n_commitment; i++) {
        ProtobufCBinaryData commitment = entry->subject_erased->commitment[i];
        struct record *record = find(commitment.data, commitment.len);
        if (record == NULL || record->live_seq == 0 || record->erased_seq != 0)
            return wrong(ret_what, "entry %" PRIu64 ": erases what does not live", entry->seq);
        record->erased_seq = entry->seq;
        r.erased++;
    }
    return true;
}

/* --- what is in the file --- */

static bool lives(const struct record *record)
{
    return record->live_seq != 0 && record->erased_seq == 0;
}

static bool check_row(sqlite3_stmt *row, const char **ret_what)
{
    const struct record *record =
        find(sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0));
    if (record == NULL || !lives(record))
        return wrong(ret_what, "the file has a record that the ledger does not have: %s",
                     record == NULL            ? "of nobody"
                     : record->erased_seq != 0 ? "an erased one"
                                               : "one that was never recorded");
    if (sqlite3_column_bytes(row, 1) != RECORD_KEY ||
        memcmp(sqlite3_column_blob(row, 1), record->salt, RECORD_KEY) != 0 ||
        (size_t)sqlite3_column_bytes(row, 2) != record->len ||
        memcmp(sqlite3_column_blob(row, 2), record->bytes, record->len) != 0)
        return wrong(ret_what, "a record of entry %" PRIu64 " is not what was brought",
                     record->live_seq);
    if (sqlite3_column_int(row, 3) != 0)
        return wrong(ret_what, "the record of entry %" PRIu64 " may still go", record->live_seq);
    return true;
}

static bool check_rows(sqlite3 *file, const char **ret_what)
{
    sqlite3_stmt *row = NULL;
    size_t found = 0, wanted = 0;
    bool fine = true;
    int code = sqlite3_prepare_v2(file, "SELECT commitment, salt, record, pending FROM record", -1,
                                  &row, NULL);
    while (code == SQLITE_OK && fine && (code = sqlite3_step(row)) == SQLITE_ROW) {
        fine = check_row(row, ret_what);
        code = SQLITE_OK;
        found++;
    }
    (void)sqlite3_finalize(row);
    if (fine && code != SQLITE_DONE)
        return wrong(ret_what, "the file of persons cannot be read: %s", sqlite3_errmsg(file));
    for (size_t i = 0; i < r.count; i++)
        wanted += lives(&r.record[i]);
    if (fine && found != wanted)
        return wrong(ret_what, "the ledger has %zu records, the file of persons %zu", wanted,
                     found);
    return fine;
}

/* What is erased is nowhere, whatever became of the process that was at it. */
static bool check_bytes(const char **ret_what)
{
    for (size_t i = 0; i < r.count; i++) {
        const struct record *record = &r.record[i];
        if (record->asked != 0 && !lives(record) && disk_holds(DATABASE, record->word, RECORD_WORD))
            return wrong(ret_what, "bytes of a record that is %s are in the file of persons",
                         record->erased_seq != 0 ? "erased" : "not recorded");
    }
    return true;
}

bool records_check(const char **ret_what)
{
    sqlite3 *file = NULL;
    bool fine;
    if (sqlite3_open_v2(DATABASE, &file, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK)
        fine = check_rows(file, ret_what) && check_bytes(ret_what);
    else
        fine = wrong(ret_what, "the file of persons cannot be opened: %s", sqlite3_errmsg(file));
    (void)sqlite3_close(file);
    return fine;
}

bool records_is_gone(const uint8_t commitment[RECORD_KEY], const char **ret_what)
{
    const struct record *record = find(commitment, RECORD_KEY);
    if (record == NULL)
        return wrong(ret_what, "an answer erases what nobody brought");
    if (record->asked > 1 || r.excuses != 0 || !disk_holds(DATABASE, record->word, RECORD_WORD))
        return true;
    return wrong(ret_what, "bytes of a record that is %s are in the file of persons",
                 record->erased_seq != 0 ? "told to be erased" : "told not to be recorded");
}
