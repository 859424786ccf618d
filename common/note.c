/* SPDX-License-Identifier: Apache-2.0
 *
 * note: see note.h. Ed25519 by OpenSSL's raw key functions.
 */
#include "common/note.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/rng.h"
#include "common/scan.h"

enum {
    SEED_BYTES = 32,
    PUBLIC_BYTES = 32,
    ID_BYTES = 4,
    TIME_BYTES = 8,
    ED25519_BYTES = 64,
    BLOB_MAX = ID_BYTES + TIME_BYTES + ED25519_BYTES,
    COSIGNED_HEAD_MAX = 64
};

static const char secret_prefix[] = "PRIVATE+KEY+";
/* an em dash and a blank */
static const char line_prefix[] = "\xE2\x80\x94 ";
enum { LINE_PREFIX_BYTES = sizeof(line_prefix) - 1 };

struct pl_note_signer {
    EVP_PKEY *pkey; /* owns */
    struct pl_note_key key;
};

static void free_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_md(EVP_MD_CTX **md)
{
    EVP_MD_CTX_free(*md);
}

static void wipe_blob(uint8_t (*blob)[1 + SEED_BYTES])
{
    OPENSSL_cleanse(*blob, sizeof(*blob));
}

/* --- names and keys --- */

/* A blank of Unicode at `p`? Well-formed UTF-8 ends with a NUL or with `left`. */
static bool is_blank(const uint8_t *p, size_t left)
{
    if (p[0] <= 0x20)
        return true; /* control bytes are no part of a note either */
    if (left >= 2 && p[0] == 0xC2)
        return p[1] == 0x85 || p[1] == 0xA0;
    if (left < 3)
        return false;
    uint32_t three = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    return three == 0xE19A80 || (three >= 0xE28080 && three <= 0xE2808A) || three == 0xE280A8 ||
           three == 0xE280A9 || three == 0xE280AF || three == 0xE2819F || three == 0xE38080;
}

static bool name_valid(struct pl_slice name)
{
    if (name.len == 0 || name.len >= PL_NOTE_NAME_MAX || !pl_utf8_valid(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '+' || is_blank(name.data + i, name.len - i))
            return false;
    }
    return true;
}

static bool kind_known(unsigned kind)
{
    return kind == PL_NOTE_ED25519 || kind == PL_NOTE_COSIGNATURE;
}

static struct pl_status public_of(const uint8_t *seed, uint8_t ret_public[PUBLIC_BYTES])
{
    EVP_PKEY *key PL_CLEANUP(free_pkey) =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED_BYTES);
    size_t len = PUBLIC_BYTES;
    if (key == NULL || EVP_PKEY_get_raw_public_key(key, ret_public, &len) != 1 ||
        len != PUBLIC_BYTES)
        return pl_fail(INTERNAL, "derive an Ed25519 public key");
    return pl_ok();
}

static uint32_t key_id(const struct pl_note_key *key)
{
    const uint8_t mark[2] = {0x0A, (uint8_t)key->kind};
    const struct pl_slice parts[] = {pl_slice_str(key->name), pl_slice(mark, 2),
                                     pl_slice(key->public_key, PUBLIC_BYTES)};
    uint8_t digest[PL_SHA256_BYTES];
    pl_sha256_parts(parts, PL_COUNT(parts), digest);
    return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
           digest[3];
}

static struct pl_status key_from_seed(struct pl_slice name, const uint8_t blob[1 + SEED_BYTES],
                                      struct pl_note_key *ret)
{
    if (!name_valid(name) || !kind_known(blob[0]))
        return pl_fail(INVALID, "a key's name or kind is not possible");
    *ret = (struct pl_note_key){.kind = (enum pl_note_kind)blob[0]};
    memcpy(ret->name, name.data, name.len);
    PL_TRY(public_of(blob + 1, ret->public_key));
    ret->id = key_id(ret);
    return pl_ok();
}

static struct pl_status write_key(const char *prefix, const struct pl_note_key *key,
                                  const uint8_t *blob, char ret[PL_NOTE_KEY_MAX])
{
    struct pl_buf base64 PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&base64, 128);
    PL_TRY(pl_base64(&base64, pl_slice(blob, 1 + SEED_BYTES), true));
    struct pl_slice text = pl_buf_slice(&base64);
    int len = snprintf(ret, PL_NOTE_KEY_MAX, "%s%s+%08x+%.*s", prefix, key->name, key->id,
                       (int)text.len, (const char *)text.data);
    OPENSSL_cleanse(base64.data, base64.cap);
    return len > 0 && len < PL_NOTE_KEY_MAX ? pl_ok()
                                            : pl_fail(INVALID, "the key's name is too long");
}

struct pl_status pl_note_key_print(const struct pl_note_key *key, char ret_vkey[PL_NOTE_KEY_MAX])
{
    uint8_t blob[1 + PUBLIC_BYTES] = {(uint8_t)key->kind};
    memcpy(blob + 1, key->public_key, PUBLIC_BYTES);
    return write_key("", key, blob, ret_vkey);
}

struct pl_status pl_note_keygen_kind(enum pl_note_kind kind, const char *name,
                                     char ret_secret[PL_NOTE_KEY_MAX],
                                     char ret_vkey[PL_NOTE_KEY_MAX])
{
    uint8_t blob[1 + SEED_BYTES] PL_CLEANUP(wipe_blob) = {(uint8_t)kind};
    struct pl_note_key key;
    pl_rng_bytes(blob + 1, SEED_BYTES);
    PL_TRY(key_from_seed(pl_slice_str(name), blob, &key));
    PL_TRY(write_key(secret_prefix, &key, blob, ret_secret));
    return pl_note_key_print(&key, ret_vkey);
}

struct pl_status pl_note_keygen(const char *name, char ret_secret[PL_NOTE_KEY_MAX],
                                char ret_vkey[PL_NOTE_KEY_MAX])
{
    return pl_note_keygen_kind(PL_NOTE_ED25519, name, ret_secret, ret_vkey);
}

/* <name>+<8 hex digits>+<base64 of 33 bytes>; the name may not hold a plus sign, base64 may. */
static struct pl_status split_key(struct pl_slice text, struct pl_slice *ret_name, uint32_t *ret_id,
                                  uint8_t ret_blob[1 + SEED_BYTES])
{
    const uint8_t *plus = text.len == 0 ? NULL : memchr(text.data, '+', text.len);
    size_t at = plus == NULL ? 0 : (size_t)(plus - text.data);
    if (plus == NULL || text.len - at < 10 || text.data[at + 9] != '+' ||
        !name_valid(pl_slice(text.data, at)))
        return pl_fail(INVALID, "not a key of a signed note");
    char hex[9];
    uint8_t id[ID_BYTES];
    size_t len = 0;
    memcpy(hex, plus + 1, 8);
    hex[8] = '\0';
    PL_TRY(pl_unhex(hex, id, sizeof(id)));
    struct pl_slice base64 = pl_slice(plus + 10, text.len - at - 10);
    PL_TRY(pl_unbase64_strict(base64, ret_blob, 1 + SEED_BYTES, &len));
    if (len != 1 + SEED_BYTES || !kind_known(ret_blob[0]))
        return pl_fail(INVALID, "not a key of a kind that is known here");
    *ret_name = pl_slice(text.data, at);
    *ret_id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    return pl_ok();
}

static struct pl_status as_invalid(struct pl_status status)
{
    return pl_is_ok(status) ? status : pl_fail(INVALID, "not a key of a signed note");
}

static struct pl_status split_secret(const char *secret, uint8_t ret_blob[1 + SEED_BYTES],
                                     struct pl_note_key *ret)
{
    if (strncmp(secret, secret_prefix, sizeof(secret_prefix) - 1) != 0)
        return pl_fail(INVALID, "not a signing key of a signed note");
    struct pl_slice text = pl_slice_str(secret + sizeof(secret_prefix) - 1), name;
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    uint32_t id = 0;
    PL_TRY(as_invalid(split_key(text, &name, &id, ret_blob)));
    PL_TRY(key_from_seed(name, ret_blob, ret));
    return id == ret->id ? pl_ok() : pl_fail(INVALID, "the signing key's id does not fit it");
}

struct pl_status pl_note_vkey(const char *secret, char ret_vkey[PL_NOTE_KEY_MAX])
{
    uint8_t blob[1 + SEED_BYTES] PL_CLEANUP(wipe_blob) = {0};
    struct pl_note_key key;
    PL_TRY(split_secret(secret, blob, &key));
    return pl_note_key_print(&key, ret_vkey);
}

struct pl_status pl_note_key_parse(struct pl_slice vkey, struct pl_note_key *ret)
{
    uint8_t blob[1 + PUBLIC_BYTES];
    struct pl_slice name;
    uint32_t id = 0;
    PL_TRY(as_invalid(split_key(vkey, &name, &id, blob)));
    *ret = (struct pl_note_key){.kind = (enum pl_note_kind)blob[0], .id = id};
    memcpy(ret->name, name.data, name.len);
    memcpy(ret->public_key, blob + 1, PUBLIC_BYTES);
    return id == key_id(ret) ? pl_ok() : pl_fail(INVALID, "the key's id does not fit it");
}

struct pl_status pl_note_signer_new(const char *secret, struct pl_note_signer **ret)
{
    uint8_t blob[1 + SEED_BYTES] PL_CLEANUP(wipe_blob) = {0};
    struct pl_note_key key;
    PL_TRY(split_secret(secret, blob, &key));
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, blob + 1, SEED_BYTES);
    if (pkey == NULL)
        return pl_fail(INTERNAL, "load an Ed25519 key");
    struct pl_note_signer *signer = calloc(1, sizeof(*signer));
    PL_ASSERT(signer != NULL);
    signer->pkey = pkey;
    signer->key = key;
    *ret = signer;
    return pl_ok();
}

void pl_note_signer_free(struct pl_note_signer *signer)
{
    if (signer == NULL)
        return;
    EVP_PKEY_free(signer->pkey);
    free(signer);
}

const struct pl_note_key *pl_note_signer_key(const struct pl_note_signer *signer)
{
    return &signer->key;
}

/* --- signing --- */

bool pl_note_text_valid(struct pl_slice text)
{
    if (text.len == 0 || text.len > PL_NOTE_BYTES_MAX || text.data[text.len - 1] != '\n' ||
        !pl_utf8_valid(text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 && text.data[i] != '\n')
            return false;
    }
    return true;
}

static void put_be(uint8_t *out, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get_be(const uint8_t *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

static struct pl_status write_line(const struct pl_note_key *key, struct pl_slice blob,
                                   struct pl_buf *out)
{
    struct pl_buf line PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&line, PL_NOTE_NAME_MAX + 256);
    PL_TRY(pl_buf_printf(&line, "%s%s ", line_prefix, key->name));
    PL_TRY(pl_base64(&line, blob, true));
    PL_TRY(pl_buf_append_str(&line, "\n"));
    struct pl_slice whole = pl_buf_slice(&line);
    return pl_buf_append(out, whole.data, whole.len);
}

static struct pl_status ed25519_sign(const struct pl_note_signer *signer, struct pl_slice message,
                                     uint8_t ret[ED25519_BYTES])
{
    EVP_MD_CTX *md PL_CLEANUP(free_md) = EVP_MD_CTX_new();
    size_t len = ED25519_BYTES;
    if (md == NULL || EVP_DigestSignInit(md, NULL, NULL, NULL, signer->pkey) != 1 ||
        EVP_DigestSign(md, ret, &len, message.data, message.len) != 1 || len != ED25519_BYTES)
        return pl_fail(INTERNAL, "sign with Ed25519");
    return pl_ok();
}

static bool ed25519_fits(const struct pl_note_key *key, struct pl_slice message,
                         const uint8_t signature[ED25519_BYTES])
{
    EVP_PKEY *pkey PL_CLEANUP(free_pkey) =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->public_key, PUBLIC_BYTES);
    EVP_MD_CTX *md PL_CLEANUP(free_md) = EVP_MD_CTX_new();
    return pkey != NULL && md != NULL && EVP_DigestVerifyInit(md, NULL, NULL, NULL, pkey) == 1 &&
           EVP_DigestVerify(md, signature, ED25519_BYTES, message.data, message.len) == 1;
}

/* What a cosignature is over. */
static struct pl_status cosigned(uint64_t time_s, struct pl_slice text, struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s));
    return pl_buf_append(out, text.data, text.len);
}

struct pl_status pl_note_sign(const struct pl_note_signer *signer, struct pl_slice text,
                              struct pl_buf *out)
{
    PL_ASSERT(signer->key.kind == PL_NOTE_ED25519);
    if (!pl_note_text_valid(text))
        return pl_fail(INVALID, "the text of a note cannot be like this");
    uint8_t blob[ID_BYTES + ED25519_BYTES];
    put_be(blob, ID_BYTES, signer->key.id);
    PL_TRY(ed25519_sign(signer, text, blob + ID_BYTES));
    return write_line(&signer->key, pl_slice(blob, sizeof(blob)), out);
}

struct pl_status pl_note_cosign(const struct pl_note_signer *signer, uint64_t time_s,
                                struct pl_slice text, struct pl_buf *out)
{
    PL_ASSERT(signer->key.kind == PL_NOTE_COSIGNATURE);
    if (!pl_note_text_valid(text))
        return pl_fail(INVALID, "the text of a note cannot be like this");
    struct pl_buf message PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&message, COSIGNED_HEAD_MAX + PL_NOTE_BYTES_MAX);
    PL_TRY(cosigned(time_s, text, &message));
    uint8_t blob[BLOB_MAX];
    put_be(blob, ID_BYTES, signer->key.id);
    put_be(blob + ID_BYTES, TIME_BYTES, time_s);
    PL_TRY(ed25519_sign(signer, pl_buf_slice(&message), blob + ID_BYTES + TIME_BYTES));
    return write_line(&signer->key, pl_slice(blob, sizeof(blob)), out);
}

/* --- parsing and verifying --- */

/* The id, if the whole is well-formed base64 of an id and at least one byte of signature. Kinds of
 * signatures that are not known here may be long. */
static struct pl_status parse_blob(struct pl_slice base64, uint32_t *ret_id)
{
    uint8_t piece[48];
    size_t len = 0;
    if (base64.len < 8)
        return pl_fail(INVALID, "a signature is too short");
    for (size_t at = 0; at < base64.len; at += 64) {
        size_t left = base64.len - at;
        struct pl_slice part = pl_slice(base64.data + at, left < 64 ? left : 64);
        PL_TRY(pl_unbase64_strict(part, piece, sizeof(piece), &len));
        if (left > 64 && len != sizeof(piece))
            return pl_fail(INVALID, "base64 that ends too early");
        if (at == 0) {
            if (len <= ID_BYTES)
                return pl_fail(INVALID, "a signature is too short");
            *ret_id = (uint32_t)get_be(piece, ID_BYTES);
        }
    }
    return pl_ok();
}

static struct pl_status parse_line(struct pl_slice line, struct pl_note_signature *ret)
{
    if (line.len < LINE_PREFIX_BYTES + 1 || memcmp(line.data, line_prefix, LINE_PREFIX_BYTES) != 0)
        return pl_fail(INVALID, "a signature line does not begin like one");
    struct pl_slice rest =
        pl_slice(line.data + LINE_PREFIX_BYTES, line.len - LINE_PREFIX_BYTES - 1);
    const uint8_t *blank = rest.len == 0 ? NULL : memchr(rest.data, ' ', rest.len);
    if (blank == NULL)
        return pl_fail(INVALID, "a signature line has no signature");
    ret->line = line;
    ret->name = pl_slice(rest.data, (size_t)(blank - rest.data));
    ret->base64 = pl_slice(blank + 1, rest.len - ret->name.len - 1);
    if (!name_valid(ret->name))
        return pl_fail(INVALID, "a signature line has an impossible name");
    return parse_blob(ret->base64, &ret->id);
}

struct pl_status pl_note_parse_lines(struct pl_slice lines, struct pl_slice text,
                                     struct pl_note *ret)
{
    ret->text = text;
    ret->count = 0;
    if (lines.len > PL_NOTE_BYTES_MAX)
        return pl_fail(TOO_BIG, "the signatures are too long");
    if (lines.len == 0 || lines.data[lines.len - 1] != '\n')
        return pl_fail(INVALID, "the signatures do not end with a newline");
    for (size_t at = 0; at < lines.len;) {
        const uint8_t *newline = memchr(lines.data + at, '\n', lines.len - at);
        PL_ASSERT(newline != NULL);
        size_t len = (size_t)(newline - (lines.data + at)) + 1;
        if (ret->count == PL_NOTE_SIGNATURES_MAX)
            return pl_fail(TOO_BIG, "the note has too many signatures");
        PL_TRY(parse_line(pl_slice(lines.data + at, len), &ret->signature[ret->count]));
        ret->count++;
        at += len;
    }
    return pl_ok();
}

struct pl_status pl_note_parse(struct pl_slice bytes, struct pl_note *ret)
{
    ret->count = 0;
    if (bytes.len > PL_NOTE_BYTES_MAX)
        return pl_fail(TOO_BIG, "the note is too long");
    if (!pl_note_text_valid(bytes))
        return pl_fail(INVALID, "not the text of a note");
    size_t split = bytes.len;
    while (split >= 2 && memcmp(bytes.data + split - 2, "\n\n", 2) != 0)
        split--;
    if (split < 2)
        return pl_fail(INVALID, "the note has no signatures");
    return pl_note_parse_lines(pl_slice(bytes.data + split, bytes.len - split),
                               pl_slice(bytes.data, split - 1), ret);
}

static bool fits_key(const struct pl_note_signature *signature, const struct pl_note_key *key)
{
    return signature->id == key->id && pl_slice_eq_str(signature->name, key->name);
}

static struct pl_status verify_one(const struct pl_note *note,
                                   const struct pl_note_signature *signature,
                                   const struct pl_note_key *key, uint64_t *ret_time_s)
{
    uint8_t blob[BLOB_MAX];
    size_t len = 0;
    struct pl_status status = pl_unbase64_strict(signature->base64, blob, sizeof(blob), &len);
    bool cosignature = key->kind == PL_NOTE_COSIGNATURE;
    size_t head = ID_BYTES + (cosignature ? (size_t)TIME_BYTES : 0);
    if (!pl_is_ok(status) || len != head + ED25519_BYTES)
        return pl_fail(INVALID, "a signature of a known key has the wrong length");
    *ret_time_s = 0;
    bool fits;
    if (cosignature) {
        struct pl_buf message PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&message, COSIGNED_HEAD_MAX + PL_NOTE_BYTES_MAX);
        *ret_time_s = get_be(blob + ID_BYTES, TIME_BYTES);
        PL_TRY(cosigned(*ret_time_s, note->text, &message));
        fits = ed25519_fits(key, pl_buf_slice(&message), blob + head);
    } else {
        fits = ed25519_fits(key, note->text, blob + head);
    }
    return fits ? pl_ok() : pl_fail(INVALID, "a signature of a known key is wrong");
}

struct pl_status pl_note_verify(const struct pl_note *note, const struct pl_note_key *key,
                                size_t key_count, struct pl_note_seen *ret_seen)
{
    bool any = false;
    for (size_t k = 0; ret_seen != NULL && k < key_count; k++)
        ret_seen[k] = (struct pl_note_seen){0};
    for (size_t i = 0; i < note->count; i++) {
        for (size_t k = 0; k < key_count; k++) {
            uint64_t time_s = 0;
            if (!fits_key(&note->signature[i], &key[k]))
                continue;
            PL_TRY(verify_one(note, &note->signature[i], &key[k], &time_s));
            any = true;
            if (ret_seen == NULL)
                continue;
            ret_seen[k].verified = true;
            if (time_s > ret_seen[k].time_s)
                ret_seen[k].time_s = time_s;
        }
    }
    return any ? pl_ok() : pl_fail(NOT_FOUND, "the note has no signature of a known key");
}
