/* SPDX-License-Identifier: Apache-2.0
 *
 * payer: see payer.h. Likeness compares pairs of neighbouring letters within words.
 */
#include "client/payer.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "common/check.h"
#include "common/hash.h"
#include "common/pack.h"
#include "common/scan.h"

enum { NAME_MAX_ = 600, ACCOUNT_MAX = 64, TEXT_MAX = 3000, READ_MAX = 256, PAIRS_MAX = 512 };
enum { PART_NAME = 1, PART_ACCOUNT = 2, PART_WORDS = 4 };

/* --- records --- */

struct pl_status payers_init(struct payers *payers, struct pl_slice file, size_t most,
                             struct pl_arena *arena)
{
    static const char purpose[] = "pledge: salts of who paid";
    *payers = (struct payers){.cap = most};
    payers->record = pl_arena_alloc(arena, (most + 1) * sizeof(*payers->record));
    payers->parts = pl_arena_alloc(arena, (most + 1) * sizeof(*payers->parts));
    pl_hmac_sha256(pl_slice(purpose, sizeof(purpose) - 1), file, payers->key);
    return payers->record != NULL && payers->parts != NULL ? pl_ok() : text_no_memory();
}

/* Without control characters, and no more than so many bytes, cut between characters. */
static char *plain(const char *text, size_t most, struct pl_arena *arena)
{
    char *copy = pl_arena_strdup(arena, text);
    if (copy == NULL)
        return NULL;
    for (char *at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = ' ';
    }
    size_t len = strlen(copy);
    if (len > most) {
        len = most;
        while (len > 0 && ((unsigned char)copy[len] & 0xC0) == 0x80)
            len--;
        copy[len] = '\0';
    }
    return copy;
}

struct pl_status payers_add(struct payers *payers, const struct camt_movement *from,
                            struct pl_arena *arena)
{
    Pledged__V1__PayerDetail detail = PLEDGED__V1__PAYER_DETAIL__INIT;
    PL_ASSERT(payers->count < payers->cap);
    payers->parts[payers->count] = (from->payer[0] != '\0' ? PART_NAME : 0) |
                                   (from->payer_iban[0] != '\0' ? PART_ACCOUNT : 0) |
                                   (from->text[0] != '\0' ? PART_WORDS : 0);
    struct pl_slice *record = &payers->record[payers->count++];
    *record = pl_slice(NULL, 0);
    if (from->payer[0] == '\0' && from->payer_iban[0] == '\0' && from->text[0] == '\0')
        return pl_ok();
    detail.name = plain(from->payer, NAME_MAX_, arena);
    detail.account = plain(from->payer_iban, ACCOUNT_MAX, arena);
    detail.text = plain(from->text, TEXT_MAX, arena);
    if (detail.name == NULL || detail.account == NULL || detail.text == NULL)
        return text_no_memory();
    *record = pl_pack(&detail.base, arena);
    return record->data != NULL ? pl_ok() : text_no_memory();
}

static Pledged__V1__PrivateRecord *private_record(const struct payers *payers, size_t index,
                                                  const uint8_t request_id[16],
                                                  struct pl_arena *arena)
{
    Pledged__V1__PrivateRecord *made = pl_arena_alloc(arena, sizeof(*made));
    uint8_t *bytes = pl_arena_alloc(arena, (size_t)2 * PL_SHA256_BYTES), about[20];
    struct pl_slice record = payers->record[index];
    if (made == NULL || bytes == NULL)
        return NULL;
    memcpy(about, request_id, 16);
    for (int i = 0; i < 4; i++)
        about[16 + i] = (uint8_t)(index >> (8 * i));
    uint8_t *salt = bytes, *commitment = bytes + PL_SHA256_BYTES;
    pl_hmac_sha256(pl_slice(payers->key, sizeof(payers->key)), pl_slice(about, sizeof(about)),
                   salt);
    pl_hmac_sha256(pl_slice(salt, PL_SHA256_BYTES), record, commitment);
    pledged__v1__private_record__init(made);
    made->salt = (ProtobufCBinaryData){PL_SHA256_BYTES, salt};
    made->commitment = (ProtobufCBinaryData){PL_SHA256_BYTES, commitment};
    made->record = (ProtobufCBinaryData){record.len, (uint8_t *)(uintptr_t)record.data};
    return made;
}

struct pl_status payers_commit(const struct payers *payers, const uint8_t request_id[16],
                               Pledged__V1__ImportStatement *import, struct pl_arena *arena,
                               Pledged__V1__PrivateRecord ***ret, size_t *ret_count)
{
    Pledged__V1__PrivateRecord **list = pl_arena_alloc(arena, (payers->count + 1) * sizeof(*list));
    size_t at = 0;
    if (list == NULL)
        return text_no_memory();
    *ret_count = 0;
    for (size_t i = 0; i < import->n_statement; i++) {
        for (size_t k = 0; k < import->statement[i]->n_movement; k++, at++) {
            PL_ASSERT(at < payers->count);
            if (payers->record[at].len == 0)
                continue;
            Pledged__V1__PrivateRecord *made = private_record(payers, at, request_id, arena);
            if (made == NULL)
                return text_no_memory();
            import->statement[i]->movement[k]->detail_commitment = made->commitment;
            import->statement[i]->movement[k]->detail_parts = payers->parts[at];
            list[(*ret_count)++] = made;
        }
    }
    *ret = list;
    return pl_ok();
}

/* --- reading them back --- */

static const Pledged__V1__PayerDetail *find(const Pledged__V1__GetPrivateRecordsResponse *records,
                                            ProtobufCBinaryData commitment, struct pl_arena *arena)
{
    for (size_t i = 0; i < records->n_record; i++) {
        const Pledged__V1__PrivateRecord *record = records->record[i];
        ProtobufCMessage *message = NULL;
        if (pl_slice_eq(pl_slice(commitment.data, commitment.len),
                        pl_slice(record->commitment.data, record->commitment.len)) &&
            pl_is_ok(pl_unpack_trusted(&pledged__v1__payer_detail__descriptor,
                                       pl_slice(record->record.data, record->record.len), arena,
                                       &message)))
            return (const void *)message;
    }
    return NULL;
}

/* All commitments of some bank entries, and what they stand for. */
struct asked {
    ProtobufCBinaryData *commitment;
    const Pledged__V1__PayerDetail **detail; /* NULL: it is not there */
    size_t count;
};

static size_t commitments_of(const Pledged__V1__BankEntryStatus *entry)
{
    bool there = entry->movement != NULL && entry->detail_erased_seq == 0 &&
                 entry->movement->detail_commitment.len != 0;
    return there ? 1 + entry->n_more_detail : 0;
}

static struct pl_status collect(Pledged__V1__BankEntryStatus **entry, size_t count,
                                struct asked *asked, struct pl_arena *arena)
{
    size_t most = 1;
    for (size_t i = 0; i < count; i++)
        most += commitments_of(entry[i]);
    asked->count = 0;
    asked->commitment = pl_arena_alloc(arena, most * sizeof(*asked->commitment));
    asked->detail = pl_arena_alloc(arena, most * sizeof(*asked->detail));
    if (asked->commitment == NULL || asked->detail == NULL)
        return text_no_memory();
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < commitments_of(entry[i]); k++)
            asked->commitment[asked->count++] =
                k == 0 ? entry[i]->movement->detail_commitment : entry[i]->more_detail[k - 1];
    }
    return pl_ok();
}

static struct pl_status read_some(struct cli *cli, struct asked *asked, size_t from, size_t count)
{
    Pledged__V1__GetPrivateRecordsRequest request = PLEDGED__V1__GET_PRIVATE_RECORDS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.commitment = asked->commitment + from;
    request.n_commitment = count;
    PL_TRY(cli_read(cli, "GetPrivateRecords", &request.base,
                    &pledged__v1__get_private_records_response__descriptor, &message));
    for (size_t i = from; i < from + count; i++)
        asked->detail[i] = find((const void *)message, asked->commitment[i], &cli->arena);
    return pl_ok();
}

static int fullness(const Pledged__V1__PayerDetail *detail)
{
    return 4 * (detail->name[0] != '\0') + 2 * (detail->account[0] != '\0') +
           (detail->text[0] != '\0');
}

/* Copies of one movement: the one that says most counts, whichever came first. */
static void fill(Pledged__V1__PayerDetail *into, const Pledged__V1__PayerDetail *other)
{
    const Pledged__V1__PayerDetail less = fullness(other) > fullness(into) ? *into : *other;
    if (fullness(other) > fullness(into))
        *into = *other;
    into->name = into->name[0] != '\0' ? into->name : less.name;
    into->account = into->account[0] != '\0' ? into->account : less.account;
    into->text = into->text[0] != '\0' ? into->text : less.text;
}

static bool join_text(char **into, const char *other, struct pl_arena *arena)
{
    if (other[0] == '\0')
        return true;
    *into = pl_arena_printf(arena, "%s%s%s", *into, (*into)[0] != '\0' ? "; " : "", other);
    return *into != NULL;
}

/* Parts of a batch, each paid by somebody. */
static bool join(Pledged__V1__PayerDetail *into, const Pledged__V1__PayerDetail *other,
                 struct pl_arena *arena)
{
    return join_text(&into->name, other->name, arena) &&
           join_text(&into->account, other->account, arena) &&
           join_text(&into->text, other->text, arena);
}

static struct pl_status merge(const Pledged__V1__BankEntryStatus *entry,
                              const Pledged__V1__PayerDetail *const *detail, size_t count,
                              struct pl_arena *arena, const Pledged__V1__PayerDetail **ret)
{
    Pledged__V1__PayerDetail *made = NULL;
    bool batch = entry->movement != NULL &&
                 (entry->movement->batch_count > 1 ||
                  entry->movement->kind == PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_BATCH);
    for (size_t i = 0; i < count; i++) {
        if (detail[i] == NULL)
            continue;
        bool first = made == NULL;
        made = first ? pl_arena_memdup(arena, detail[i], sizeof(*made)) : made;
        if (made != NULL && !first && !batch)
            fill(made, detail[i]);
        if (made == NULL || (!first && batch && !join(made, detail[i], arena)))
            return text_no_memory();
    }
    *ret = made;
    return pl_ok();
}

struct pl_status payers_read(struct cli *cli, Pledged__V1__BankEntryStatus **entry, size_t count,
                             const Pledged__V1__PayerDetail ***ret)
{
    struct asked asked;
    *ret = pl_arena_alloc(&cli->arena, (count + 1) * sizeof(**ret));
    if (*ret == NULL)
        return text_no_memory();
    PL_TRY(collect(entry, count, &asked, &cli->arena));
    for (size_t at = 0; at < asked.count; at += READ_MAX)
        PL_TRY(
            read_some(cli, &asked, at, asked.count - at < READ_MAX ? asked.count - at : READ_MAX));
    for (size_t i = 0, at = 0; i < count; at += commitments_of(entry[i]), i++)
        PL_TRY(
            merge(entry[i], asked.detail + at, commitments_of(entry[i]), &cli->arena, &(*ret)[i]));
    return pl_ok();
}

/* --- likeness --- */

struct pairs {
    uint64_t pair[PAIRS_MAX];
    size_t count;
};

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Small letters without accents; everything else parts words. */
static void read_pairs(const char *name, struct pairs *ret)
{
    size_t len = 0;
    uint8_t *folded =
        u8_casefold((const uint8_t *)name, strlen(name), NULL, UNINORM_NFKD, NULL, &len);
    ucs4_t before = 0;
    ret->count = 0;
    for (size_t at = 0; folded != NULL && at < len && ret->count < PAIRS_MAX;) {
        ucs4_t letter;
        at += (size_t)u8_mbtouc(&letter, folded + at, len - at);
        if (uc_combining_class(letter) != 0)
            continue;
        letter = uc_is_alnum(letter) ? letter : 0;
        if (letter != 0) /* a word of one letter counts as well: it begins with nothing */
            ret->pair[ret->count++] = (uint64_t)before << 32 | letter;
        before = letter;
    }
    free(folded);
    qsort(ret->pair, ret->count, sizeof(ret->pair[0]), by_value);
}

static size_t in_common(const struct pairs *left, const struct pairs *right)
{
    size_t i = 0, k = 0, count = 0;
    while (i < left->count && k < right->count) {
        if (left->pair[i] == right->pair[k]) {
            count++;
            i++;
            k++;
        } else if (left->pair[i] < right->pair[k]) {
            i++;
        } else {
            k++;
        }
    }
    return count;
}

int payer_likeness(const char *left, const char *right, struct pl_arena *arena)
{
    struct pairs *of = pl_arena_alloc(arena, 2 * sizeof(*of));
    if (of == NULL)
        return 0;
    read_pairs(left, &of[0]);
    read_pairs(right, &of[1]);
    size_t less = of[0].count < of[1].count ? of[0].count : of[1].count;
    if (less == 0)
        return 0;
    size_t common = in_common(&of[0], &of[1]);
    /* half of it asks whether the shorter one is in the longer one: banks add towns and forms */
    return (int)(100 * common / (of[0].count + of[1].count) + 50 * common / less);
}
