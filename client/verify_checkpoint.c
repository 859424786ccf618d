/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_checkpoint: C2SP signed-note and tlog-checkpoint, read from the specifications. A
 * checkpoint is three lines (origin, size, root) and signatures; a signature by one of our keys
 * must be right, those of keys that we do not know are passed over.
 */
#include "client/verify_checkpoint.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "client/options.h"
#include "client/text.h"
#include "common/check.h"
#include "common/json.h"

enum {
    ALG_ED25519 = 1,
    KEY_BYTES = 32,
    ID_BYTES = 4,
    SIGNATURE_BYTES = 64,
    SIGNATURES_MAX = 100,
    DECODE_BYTES = 256 << 10,
};

/* The next line of *rest without its end; false if no whole line is left. */
static bool next_line(struct pl_slice *rest, struct pl_slice *ret)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    if (end == NULL)
        return false;
    *ret = pl_slice(rest->data, (size_t)(end - rest->data));
    *rest = pl_slice(end + 1, rest->len - ret->len - 1);
    return true;
}

bool verify_decode(struct pl_slice text, struct pl_arena *arena, struct pl_slice *ret)
{
    struct pl_buf again PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&again, DECODE_BYTES);
    return pl_is_ok(pl_unbase64(text, arena, ret)) && pl_is_ok(pl_base64(&again, *ret, true)) &&
           pl_slice_eq(pl_buf_slice(&again), text);
}

static bool decode(struct pl_slice text, uint8_t *out, size_t out_len)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    struct pl_slice bytes;
    pl_arena_init(&arena, DECODE_BYTES);
    if (!verify_decode(text, &arena, &bytes) || bytes.len != out_len)
        return false;
    memcpy(out, bytes.data, out_len);
    return true;
}

/* --- keys --- */

struct key {
    struct pl_slice name; /* borrowed */
    uint8_t id[ID_BYTES];
    uint8_t public_key[KEY_BYTES];
};

/* "name+0dcf9afc+AepK...": false if it is no Ed25519 verifier key. */
static bool read_key(struct pl_slice line, struct key *ret)
{
    uint8_t blob[1 + KEY_BYTES], digest[PL_SHA256_BYTES];
    char hex[2 * ID_BYTES + 1] = "";
    const uint8_t *plus = line.len == 0 ? NULL : memchr(line.data, '+', line.len);
    size_t name = plus == NULL ? 0 : (size_t)(plus - line.data);
    if (name == 0 || line.len < name + 1 + 2 * ID_BYTES + 1 ||
        line.data[name + 1 + 2 * ID_BYTES] != '+')
        return false;
    memcpy(hex, plus + 1, 2 * ID_BYTES);
    struct pl_slice base64 = pl_slice(plus + 2 + 2 * ID_BYTES, line.len - name - 2 - 2 * ID_BYTES);
    if (!pl_is_ok(pl_unhex(hex, ret->id, ID_BYTES)) || !decode(base64, blob, sizeof(blob)) ||
        blob[0] != ALG_ED25519)
        return false;
    ret->name = pl_slice(line.data, name);
    memcpy(ret->public_key, blob + 1, KEY_BYTES);
    const struct pl_slice parts[] = {ret->name, pl_slice("\n\x01", 2),
                                     pl_slice(ret->public_key, KEY_BYTES)};
    pl_sha256_parts(parts, PL_COUNT(parts), digest);
    return memcmp(digest, ret->id, ID_BYTES) == 0;
}

static struct pl_slice trim(struct pl_slice line)
{
    while (line.len > 0 && (line.data[line.len - 1] == '\r' || line.data[line.len - 1] == ' '))
        line.len--;
    return line;
}

static bool next_key(struct pl_slice *keys, struct key *ret, const char **wrong)
{
    struct pl_slice line;
    while (keys->len > 0) {
        if (!next_line(keys, &line)) {
            line = *keys;
            *keys = pl_slice(NULL, 0);
        }
        line = trim(line);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (read_key(line, ret))
            return true;
        *wrong = N_("the key is no verifier key (name+hash+base64, as 'pledge status' shows it)");
        return false;
    }
    return false;
}

/* --- signatures --- */

static void free_pkey(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_digest(EVP_MD_CTX **context)
{
    EVP_MD_CTX_free(*context);
}

static bool signature_holds(const struct key *key, struct pl_slice text,
                            const uint8_t signature[SIGNATURE_BYTES])
{
    EVP_PKEY *public_key PL_CLEANUP(free_pkey) =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->public_key, KEY_BYTES);
    EVP_MD_CTX *context PL_CLEANUP(free_digest) = EVP_MD_CTX_new();
    return public_key != NULL && context != NULL &&
           EVP_DigestVerifyInit(context, NULL, NULL, NULL, public_key) == 1 &&
           EVP_DigestVerify(context, signature, SIGNATURE_BYTES, text.data, text.len) == 1;
}

/* One line of a note's end: "<em dash> name base64". */
struct signature {
    struct pl_slice name, base64;
};

static bool read_signature(struct pl_slice line, struct signature *ret)
{
    static const char dash[] = "\xE2\x80\x94 ";
    size_t before = sizeof(dash) - 1;
    if (line.len <= before || memcmp(line.data, dash, before) != 0)
        return false;
    line = pl_slice(line.data + before, line.len - before);
    const uint8_t *blank = memchr(line.data, ' ', line.len);
    if (blank == NULL || blank == line.data)
        return false;
    ret->name = pl_slice(line.data, (size_t)(blank - line.data));
    ret->base64 = pl_slice(blank + 1, line.len - ret->name.len - 1);
    return true;
}

static bool is_by(const struct signature *signature, const struct key *key,
                  uint8_t blob[ID_BYTES + SIGNATURE_BYTES])
{
    return pl_slice_eq(signature->name, key->name) &&
           decode(signature->base64, blob, ID_BYTES + SIGNATURE_BYTES) &&
           memcmp(blob, key->id, ID_BYTES) == 0;
}

/* Every signature by a key that we have must hold, and there must be one. */
static const char *check_signatures(struct pl_slice text, struct pl_slice rest, const char *keys,
                                    struct pl_slice origin)
{
    struct pl_slice line;
    const char *wrong = NULL;
    size_t count = 0, good = 0;
    while (next_line(&rest, &line)) {
        struct signature signature;
        struct key key;
        uint8_t blob[ID_BYTES + SIGNATURE_BYTES];
        if (++count > SIGNATURES_MAX || !read_signature(line, &signature))
            return N_("the signatures of the checkpoint cannot be read");
        struct pl_slice list = pl_slice_str(keys);
        while (next_key(&list, &key, &wrong)) {
            if (!is_by(&signature, &key, blob))
                continue;
            if (!pl_slice_eq(key.name, origin))
                return N_("the key that signed the checkpoint is that of another ledger");
            if (!signature_holds(&key, text, blob + ID_BYTES))
                return N_("the signature of the checkpoint is wrong");
            good++;
        }
        if (wrong != NULL)
            return wrong;
    }
    if (rest.len > 0)
        return N_("the signatures of the checkpoint cannot be read");
    return good > 0 ? NULL : N_("no key that was given signed the checkpoint");
}

/* --- the body --- */

static bool read_size(struct pl_slice line, uint64_t *ret)
{
    char digits[24];
    int64_t number;
    if (line.len == 0 || line.len >= sizeof(digits) || (line.len > 1 && line.data[0] == '0'))
        return false;
    memcpy(digits, line.data, line.len);
    digits[line.len] = '\0';
    if (strspn(digits, "0123456789") != line.len ||
        !options_parse_number(digits, 0, INT64_MAX, &number))
        return false;
    *ret = (uint64_t)number;
    return true;
}

static bool read_body(struct pl_slice text, struct pl_slice *ret_origin,
                      struct verify_checkpoint *ret)
{
    struct pl_slice size, root;
    if (!next_line(&text, ret_origin) || !next_line(&text, &size) || !next_line(&text, &root))
        return false;
    if (ret_origin->len == 0 || ret_origin->len >= sizeof(ret->origin) ||
        memchr(ret_origin->data, '\0', ret_origin->len) != NULL)
        return false;
    (void)snprintf(ret->origin, sizeof(ret->origin), "%.*s", (int)ret_origin->len,
                   (const char *)ret_origin->data);
    return read_size(size, &ret->size) && decode(root, ret->root, sizeof(ret->root));
}

const char *verify_checkpoint_open(struct pl_slice text, const char *keys,
                                   struct verify_checkpoint *ret)
{
    struct pl_slice origin;
    const uint8_t *split = NULL;
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] == '\n' && text.data[i - 1] == '\n')
            split = text.data + i; /* the last one counts */
    }
    if (split == NULL)
        return N_("it is no signed checkpoint");
    struct pl_slice body = pl_slice(text.data, (size_t)(split - text.data));
    struct pl_slice signatures = pl_slice(split + 1, text.len - body.len - 1);
    if (!read_body(body, &origin, ret))
        return N_("it is no signed checkpoint");
    return check_signatures(body, signatures, keys, origin);
}
