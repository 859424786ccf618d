/* SPDX-License-Identifier: Apache-2.0
 *
 * verdicts: see verdicts.h. A verdict is found by the SHA-256 of all certificates that the peer
 * shows, in their order: whatever else than the time a judgement depends on is in them or in the
 * context. DER says how long it is, so that one concatenation means one list.
 */
#include "server/net/verdicts.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"

enum {
    PLACES = 256,  /* persons and scripts of one fund are tens */
    SHOWN_MAX = 5, /* a longer list is judged each time */
};

enum { WORDS = sizeof(struct verdict) / sizeof(uint64_t) };
static_assert(sizeof(struct verdict) == WORDS * sizeof(uint64_t), "a verdict is whole words");

/* All workers look here at once, and nobody waits: the turn is odd while a place is written, and
 * another one afterwards. Whoever meets a writer judges for himself, or does not keep it. */
struct place {
    atomic_uint turn;
    _Atomic uint64_t words[WORDS];
};

struct verdicts {
    int64_t until_s;
    struct place places[PLACES];
};

struct verdicts *verdicts_new(int64_t until_s)
{
    struct verdicts *verdicts = calloc(1, sizeof(*verdicts));
    PL_ASSERT(verdicts != NULL);
    verdicts->until_s = until_s;
    return verdicts;
}

void verdicts_free(struct verdicts *verdicts)
{
    free(verdicts);
}

int64_t verdicts_time_s(const ASN1_TIME *time)
{
    struct tm tm;
    return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int64_t verdicts_expiry_s(const STACK_OF(X509) * chain)
{
    int64_t first_s = INT64_MAX;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t at_s = verdicts_time_s(X509_get0_notAfter(sk_X509_value(chain, i)));
        if (at_s < first_s)
            first_s = at_s;
    }
    return first_s;
}

static bool digest(const STACK_OF(X509) * shown, uint8_t out[PL_SHA256_BYTES])
{
    struct pl_slice parts[SHOWN_MAX];
    unsigned char *der[SHOWN_MAX];
    int count = sk_X509_num(shown), made = 0;
    if (count <= 0 || count > SHOWN_MAX)
        return false;
    for (int len = 0; made < count; made++) {
        der[made] = NULL;
        len = i2d_X509(sk_X509_value(shown, made), &der[made]);
        if (len <= 0)
            break;
        parts[made] = pl_slice(der[made], (size_t)len);
    }
    if (made == count)
        pl_sha256_parts(parts, (size_t)count, out);
    for (int i = 0; i < made; i++)
        OPENSSL_free(der[i]);
    return made == count;
}

static size_t index_of(const uint8_t *shown)
{
    return shown[0] % PLACES;
}

/* False: somebody was writing it. */
static bool read_place(const struct place *place, struct verdict *ret)
{
    uint64_t words[WORDS] = {0};
    unsigned turn = atomic_load_explicit(&place->turn, memory_order_acquire);
    for (size_t i = 0; i < WORDS; i++)
        words[i] = atomic_load_explicit(&place->words[i], memory_order_acquire);
    memcpy(ret, words, sizeof(words));
    return turn % 2 == 0 && atomic_load_explicit(&place->turn, memory_order_relaxed) == turn;
}

static void write_place(struct place *place, const struct verdict *verdict)
{
    uint64_t words[WORDS] = {0};
    memcpy(words, verdict, sizeof(words));
    unsigned turn = atomic_load_explicit(&place->turn, memory_order_relaxed);
    if (turn % 2 != 0 ||
        !atomic_compare_exchange_strong_explicit(&place->turn, &turn, turn + 1,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return;
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&place->words[i], words[i], memory_order_release);
    atomic_store_explicit(&place->turn, turn + 2, memory_order_release);
}

bool verdicts_find(const struct verdicts *verdicts, const uint8_t shown[PL_SHA256_BYTES],
                   int64_t now_s, int64_t *ret_expires_s)
{
    struct verdict found;
    if (!read_place(&verdicts->places[index_of(shown)], &found) ||
        memcmp(found.shown, shown, sizeof(found.shown)) != 0 || now_s < found.from_s ||
        now_s >= found.until_s)
        return false;
    *ret_expires_s = found.expires_s;
    return true;
}

void verdicts_keep(struct verdicts *verdicts, const struct verdict *verdict)
{
    write_place(&verdicts->places[index_of(verdict->shown)], verdict);
}

bool verdicts_judge(struct verdicts *verdicts, X509_STORE_CTX *ctx, int64_t now_s,
                    int64_t *ret_expires_s)
{
    struct verdict made = {.from_s = now_s};
    bool known = digest(X509_STORE_CTX_get0_untrusted(ctx), made.shown);
    if (known && verdicts_find(verdicts, made.shown, now_s, ret_expires_s)) {
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return true;
    }
    if (X509_verify_cert(ctx) != 1)
        return false;
    made.expires_s = verdicts_expiry_s(X509_STORE_CTX_get0_chain(ctx));
    made.until_s = made.expires_s < verdicts->until_s ? made.expires_s : verdicts->until_s;
    if (known)
        verdicts_keep(verdicts, &made);
    *ret_expires_s = made.expires_s;
    return true;
}
