/* SPDX-License-Identifier: Apache-2.0
 *
 * pair: see pair.h. The rounds are those of FIPS 180-4, four at a time, by the SHA instructions of
 * x86; their state is kept as these want it, words A B E F and C D G H. A processor without them
 * hashes one message after the other.
 */
#include "common/pair.h"

#include <string.h>

#include "common/check.h"

enum { BLOCK_BYTES = 64, LENGTH_BYTES = 8 };

bool pl_pair_put(struct pl_pair_message *message, const struct pl_slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > sizeof(message->bytes) - 1 - LENGTH_BYTES - len)
            return false;
        if (parts[i].len != 0)
            memcpy(message->bytes + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    size_t end = (len + 1 + LENGTH_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    message->len = len;
    message->blocks = end / BLOCK_BYTES;
    message->bytes[len] = 0x80;
    memset(message->bytes + len + 1, 0, end - len - 1);
    message->bytes[end - 2] = (uint8_t)(len * 8 >> 8); /* fewer than 2^16 bits */
    message->bytes[end - 1] = (uint8_t)(len * 8);
    return true;
}

static void one_by_one(const struct pl_pair_message *a, const struct pl_pair_message *b,
                       uint8_t out_a[PL_SHA256_BYTES], uint8_t out_b[PL_SHA256_BYTES])
{
    pl_sha256(pl_slice(a->bytes, a->len), out_a);
    pl_sha256(pl_slice(b->bytes, b->len), out_b);
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define SHA    __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE static inline __attribute__((always_inline)) SHA

struct lane {
    __m128i abef, cdgh;
    __m128i word[4]; /* the last sixteen of the schedule */
};

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

INLINE void start(struct lane *lane)
{
    lane->abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85, 0x510e527f, (int)0x9b05688c);
    lane->cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
}

INLINE void load(struct lane *lane, const uint8_t *block)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    for (size_t i = 0; i < 4; i++)
        lane->word[i] = _mm_shuffle_epi8(
            _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i)), big_endian);
}

/* The next four words, in the place of those of sixteen rounds ago. */
INLINE void schedule(struct lane *lane, unsigned i)
{
    const __m128i newest = lane->word[(i + 3) % 4];
    __m128i next = _mm_sha256msg1_epu32(lane->word[i], lane->word[(i + 1) % 4]);
    next = _mm_add_epi32(next, _mm_alignr_epi8(newest, lane->word[(i + 2) % 4], 4));
    lane->word[i] = _mm_sha256msg2_epu32(next, newest);
}

INLINE void four_rounds(struct lane *lane, unsigned i, const uint32_t *constant)
{
    const __m128i added =
        _mm_add_epi32(lane->word[i], _mm_loadu_si128((const __m128i *)(const void *)constant));
    lane->cdgh = _mm_sha256rnds2_epu32(lane->cdgh, lane->abef, added);
    lane->abef = _mm_sha256rnds2_epu32(lane->abef, lane->cdgh, _mm_shuffle_epi32(added, 0x0E));
}

INLINE void four_of_both(struct lane *a, struct lane *b, unsigned i, const uint32_t *constant)
{
    four_rounds(a, i, constant);
    four_rounds(b, i, constant);
}

INLINE void next_of_both(struct lane *a, struct lane *b, unsigned i, const uint32_t *constant)
{
    schedule(a, i);
    schedule(b, i);
    four_of_both(a, b, i, constant);
}

SHA static void hash_blocks(struct lane *a, const uint8_t *block_a, struct lane *b,
                            const uint8_t *block_b, size_t blocks)
{
    struct lane x = *a, y = *b; /* in registers */
    for (; blocks > 0; blocks--, block_a += BLOCK_BYTES, block_b += BLOCK_BYTES) {
        const struct lane from_x = x, from_y = y;
        load(&x, block_a);
        load(&y, block_b);
        four_of_both(&x, &y, 0, constants);
        four_of_both(&x, &y, 1, constants + 4);
        four_of_both(&x, &y, 2, constants + 8);
        four_of_both(&x, &y, 3, constants + 12);
        for (size_t at = 16; at < 64; at += 16) {
            next_of_both(&x, &y, 0, constants + at);
            next_of_both(&x, &y, 1, constants + at + 4);
            next_of_both(&x, &y, 2, constants + at + 8);
            next_of_both(&x, &y, 3, constants + at + 12);
        }
        x.abef = _mm_add_epi32(x.abef, from_x.abef);
        x.cdgh = _mm_add_epi32(x.cdgh, from_x.cdgh);
        y.abef = _mm_add_epi32(y.abef, from_y.abef);
        y.cdgh = _mm_add_epi32(y.cdgh, from_y.cdgh);
    }
    *a = x;
    *b = y;
}

INLINE void end(const struct lane *lane, uint8_t out[PL_SHA256_BYTES])
{
    uint32_t abef[4], cdgh[4]; /* the last word first */
    memcpy(abef, &lane->abef, sizeof(abef));
    memcpy(cdgh, &lane->cdgh, sizeof(cdgh));
    const uint32_t words[8] = {abef[3], abef[2], cdgh[3], cdgh[2],
                               abef[1], abef[0], cdgh[1], cdgh[0]};
    for (size_t i = 0; i < PL_COUNT(words); i++) {
        const uint32_t word = __builtin_bswap32(words[i]);
        memcpy(out + 4 * i, &word, sizeof(word));
    }
}

SHA static void hash_pair(const struct pl_pair_message *a, const struct pl_pair_message *b,
                          uint8_t out_a[PL_SHA256_BYTES], uint8_t out_b[PL_SHA256_BYTES])
{
    struct lane x, y, nobody = {.abef = _mm_setzero_si128()};
    size_t both = a->blocks < b->blocks ? a->blocks : b->blocks, done = both * BLOCK_BYTES;
    start(&x);
    start(&y);
    hash_blocks(&x, a->bytes, &y, b->bytes, both);
    hash_blocks(&x, a->bytes + done, &nobody, a->bytes + done, a->blocks - both);
    hash_blocks(&y, b->bytes + done, &nobody, b->bytes + done, b->blocks - both);
    end(&x, out_a);
    end(&y, out_b);
}

static bool has_sha;

/* Before there are threads. */
__attribute__((constructor)) static void look_at_processor(void)
{
    enum { SSSE3 = 1u << 9, SSE41 = 1u << 19, SHA_INSTRUCTIONS = 1u << 29 };
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & SSSE3) == 0 || (c & SSE41) == 0)
        return;
    has_sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & SHA_INSTRUCTIONS) != 0;
}

void pl_pair_hash(const struct pl_pair_message *a, const struct pl_pair_message *b,
                  uint8_t out_a[PL_SHA256_BYTES], uint8_t out_b[PL_SHA256_BYTES])
{
    if (has_sha)
        hash_pair(a, b, out_a, out_b);
    else
        one_by_one(a, b, out_a, out_b);
}
#else
void pl_pair_hash(const struct pl_pair_message *a, const struct pl_pair_message *b,
                  uint8_t out_a[PL_SHA256_BYTES], uint8_t out_b[PL_SHA256_BYTES])
{
    one_by_one(a, b, out_a, out_b);
}
#endif
