/* SPDX-License-Identifier: Apache-2.0
 *
 * note: see note.h. Ed25519 by OpenSSL's raw key functions.
 */
#include "common/note.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/rng.h"

enum { SEED_BYTES = 32, ALG_ED25519 = 1 };

static const char secret_prefix[] = "PRIVATE+KEY+";

static void free_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void wipe_seed(uint8_t (*seed)[1 + SEED_BYTES])
{
    OPENSSL_cleanse(*seed, sizeof(*seed));
}

static struct pl_status public_of(const uint8_t *seed, uint8_t ret_public[32])
{
    EVP_PKEY *key PL_CLEANUP(free_pkey) =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED_BYTES);
    size_t len = 32;
    if (key == NULL || EVP_PKEY_get_raw_public_key(key, ret_public, &len) != 1 || len != 32)
        return pl_fail(INTERNAL, "derive an Ed25519 public key");
    return pl_ok();
}

static uint32_t key_hash(const char *name, const uint8_t public_key[32])
{
    const uint8_t mark[2] = {0x0A, ALG_ED25519};
    const struct pl_slice parts[] = {pl_slice_str(name), pl_slice(mark, 2),
                                     pl_slice(public_key, 32)};
    uint8_t digest[PL_SHA256_BYTES];
    pl_sha256_parts(parts, PL_COUNT(parts), digest);
    return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
}

static struct pl_status write_key(const char *prefix, const char *name, uint32_t hash,
                                  const uint8_t *blob, char ret[PL_NOTE_KEY_MAX])
{
    struct pl_buf base64 PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&base64, 128);
    PL_TRY(pl_base64(&base64, pl_slice(blob, 1 + SEED_BYTES), true));
    struct pl_slice text = pl_buf_slice(&base64);
    int len = snprintf(ret, PL_NOTE_KEY_MAX, "%s%s+%08x+%.*s", prefix, name, hash, (int)text.len,
                       (const char *)text.data);
    OPENSSL_cleanse(base64.data, base64.cap);
    return len > 0 && len < PL_NOTE_KEY_MAX ? pl_ok()
                                            : pl_fail(INVALID, "the key's name is too long");
}

static struct pl_status write_vkey(const char *name, const uint8_t *seed,
                                   char ret_vkey[PL_NOTE_KEY_MAX])
{
    uint8_t blob[1 + 32] = {ALG_ED25519};
    PL_TRY(public_of(seed, blob + 1));
    return write_key("", name, key_hash(name, blob + 1), blob, ret_vkey);
}

struct pl_status pl_note_keygen(const char *name, char ret_secret[PL_NOTE_KEY_MAX],
                                char ret_vkey[PL_NOTE_KEY_MAX])
{
    uint8_t blob[1 + SEED_BYTES] PL_CLEANUP(wipe_seed) = {ALG_ED25519};
    uint8_t public_key[32];
    pl_rng_bytes(blob + 1, SEED_BYTES);
    PL_TRY(public_of(blob + 1, public_key));
    PL_TRY(write_key(secret_prefix, name, key_hash(name, public_key), blob, ret_secret));
    return write_vkey(name, blob + 1, ret_vkey);
}

/* name + hash + base64; the name may not hold a plus sign, base64 may */
static bool split(const char *secret, char *name, size_t name_size, const char **ret_base64,
                  size_t *ret_len)
{
    if (strncmp(secret, secret_prefix, sizeof(secret_prefix) - 1) != 0)
        return false;
    const char *start = secret + sizeof(secret_prefix) - 1;
    const char *plus = strchr(start, '+');
    if (plus == NULL || plus == start || (size_t)(plus - start) >= name_size)
        return false;
    memcpy(name, start, (size_t)(plus - start));
    name[plus - start] = '\0';
    const char *second = strchr(plus + 1, '+');
    if (second == NULL || second - plus != 9)
        return false;
    *ret_base64 = second + 1;
    *ret_len = strcspn(second + 1, "\r\n");
    return true;
}

static void wipe_arena(struct pl_arena *arena)
{
    pl_arena_fini(arena);
}

struct pl_status pl_note_vkey(const char *secret, char ret_vkey[PL_NOTE_KEY_MAX])
{
    char name[PL_NOTE_KEY_MAX];
    const char *base64 = NULL;
    size_t len = 0;
    if (!split(secret, name, sizeof(name), &base64, &len))
        return pl_fail(INVALID, "not a signing key of a signed note");
    struct pl_arena arena PL_CLEANUP(wipe_arena);
    pl_arena_init(&arena, 1024);
    struct pl_slice blob;
    PL_TRY(pl_unbase64(pl_slice(base64, len), &arena, &blob));
    if (blob.len != 1 + SEED_BYTES || blob.data[0] != ALG_ED25519)
        return pl_fail(INVALID, "not an Ed25519 signing key");
    return write_vkey(name, blob.data + 1, ret_vkey);
}
