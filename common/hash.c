/* SPDX-License-Identifier: Apache-2.0
 *
 * hash: SHA-256 of what is at hand is done by the functions below EVP: EVP allocates, clears and
 * frees its state for each digest, which for a leaf or a node of the tree is more work than hashing
 * it. They are the same code underneath. Streams and HMAC go through EVP.
 */
/* SHA256_Init and its sisters are deprecated since 3.0, without another way that costs as little */
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include "common/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h> /* by the widest instructions that the processor has */
#else
#include <xxhash.h>
#endif

#include "common/check.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_md;

static void at_exit(void)
{
    EVP_MD_free(sha256_md);
    sha256_md = NULL;
}

/* One fetch for the process: OpenSSL 3 takes locks on every implicit one. */
static void setup(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    PL_ASSERT(sha256_md != NULL);
    int failed = atexit(at_exit);
    PL_ASSERT(failed == 0);
}

/* The library looks at the processor when it is called for the first time: before there are
 * threads. */
__attribute__((constructor)) static void look_at_processor(void)
{
    static const uint8_t nothing[512];
    (void)pl_xxh3(pl_slice(nothing, sizeof(nothing)), 1);
}

void pl_sha256_parts(const struct pl_slice *parts, size_t count, uint8_t out[PL_SHA256_BYTES])
{
    SHA256_CTX state;
    int fine = SHA256_Init(&state);
    for (size_t i = 0; i < count; i++)
        fine = fine && (parts[i].len == 0 || SHA256_Update(&state, parts[i].data, parts[i].len));
    fine = fine && SHA256_Final(out, &state);
    PL_ASSERT(fine == 1);
}

void pl_sha256(struct pl_slice data, uint8_t out[PL_SHA256_BYTES])
{
    pl_sha256_parts(&data, 1, out);
}

void pl_hmac_sha256(struct pl_slice key, struct pl_slice data, uint8_t out[PL_SHA256_BYTES])
{
    unsigned len = PL_SHA256_BYTES;
    (void)pthread_once(&once, setup);
    PL_ASSERT(key.len <= 4096);
    const uint8_t *made = HMAC(sha256_md, key.data, (int)key.len, data.data, data.len, out, &len);
    PL_ASSERT(made != NULL && len == PL_SHA256_BYTES);
}

struct pl_sha256_stream {
    EVP_MD_CTX *md;
};

struct pl_sha256_stream *pl_sha256_new(void)
{
    struct pl_sha256_stream *stream = calloc(1, sizeof(*stream));
    PL_ASSERT(stream != NULL);
    (void)pthread_once(&once, setup);
    stream->md = EVP_MD_CTX_new();
    PL_ASSERT(stream->md != NULL);
    int fine = EVP_DigestInit_ex2(stream->md, sha256_md, NULL);
    PL_ASSERT(fine == 1);
    return stream;
}

void pl_sha256_update(struct pl_sha256_stream *stream, struct pl_slice data)
{
    if (data.len == 0)
        return;
    int fine = EVP_DigestUpdate(stream->md, data.data, data.len);
    PL_ASSERT(fine == 1);
}

void pl_sha256_final(struct pl_sha256_stream *stream, uint8_t out[PL_SHA256_BYTES])
{
    int fine = EVP_DigestFinal_ex(stream->md, out, NULL);
    PL_ASSERT(fine == 1);
}

void pl_sha256_free(struct pl_sha256_stream *stream)
{
    if (stream == NULL)
        return;
    EVP_MD_CTX_free(stream->md);
    free(stream);
}

uint64_t pl_xxh3(struct pl_slice data, uint64_t seed)
{
    return XXH3_64bits_withSeed(data.data, data.len, seed);
}

void pl_hex(struct pl_slice data, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < data.len; i++) {
        out[2 * i] = digits[data.data[i] >> 4];
        out[2 * i + 1] = digits[data.data[i] & 15];
    }
    out[2 * data.len] = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

struct pl_status pl_unhex(const char *text, uint8_t *out, size_t out_len)
{
    if (strlen(text) != 2 * out_len)
        return pl_fail(INVALID, "hex digits of another length");
    for (size_t i = 0; i < out_len; i++) {
        int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return pl_fail(INVALID, "not a hex digit");
        out[i] = (uint8_t)(high << 4 | low);
    }
    return pl_ok();
}
