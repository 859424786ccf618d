/* SPDX-License-Identifier: Apache-2.0
 *
 * note: signed notes (c2sp.org/signed-note) with Ed25519 keys, and the timestamped cosignatures of
 * witnesses (c2sp.org/tlog-cosignature, v1): keys as text, signing, parsing, verifying.
 *
 * A note is a text whose last byte is a newline, an empty line, and lines
 * "— <key name> <base64 of be32 key id and signature>". The secret key's text is
 * PRIVATE+KEY+<name>+<id in hex>+<base64 of the kind and the seed>; the public verifier key (vkey)
 * is <name>+<id>+<base64 of the kind and the public key>; id = first 4 bytes of
 * SHA-256(name, 0x0A, kind, public key). A name has no blanks and no plus sign.
 * No state, no thread of its own; everything parsed is borrowed from the bytes given.
 */
#ifndef PL_NOTE_H
#define PL_NOTE_H

#include <stddef.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

#define PL_NOTE_KEY_MAX 512
/* Bytes of a key's name, with its NUL. */
#define PL_NOTE_NAME_MAX 256
/* Signature lines of one note; notes with more are refused. */
#define PL_NOTE_SIGNATURES_MAX 100
/* Bytes of a note as a whole. */
#define PL_NOTE_BYTES_MAX (1u << 20)

/* What a key signs; the number is part of the formats. */
enum pl_note_kind {
    PL_NOTE_ED25519 = 1,     /* a log: the text */
    PL_NOTE_COSIGNATURE = 4, /* a witness: the text and a time */
};

/* --- keys --- */

/* A new key pair as text, of kind PL_NOTE_ED25519. The secret must go to a file that only its owner
 * reads. */
PL_MUST_CHECK struct pl_status pl_note_keygen(const char *name, char ret_secret[PL_NOTE_KEY_MAX],
                                              char ret_vkey[PL_NOTE_KEY_MAX]);
/* The same for a given kind. */
PL_MUST_CHECK struct pl_status pl_note_keygen_kind(enum pl_note_kind kind, const char *name,
                                                   char ret_secret[PL_NOTE_KEY_MAX],
                                                   char ret_vkey[PL_NOTE_KEY_MAX]);
/* The verifier key that belongs to a secret key text. INVALID if it is not one. */
PL_MUST_CHECK struct pl_status pl_note_vkey(const char *secret, char ret_vkey[PL_NOTE_KEY_MAX]);

/* A public key. */
struct pl_note_key {
    char name[PL_NOTE_NAME_MAX];
    enum pl_note_kind kind;
    uint32_t id;
    uint8_t public_key[32];
};
/* INVALID unless it is a well-formed vkey of a kind we know whose id fits; blanks around it (a
 * file's newline) are none of it and must be cut off before. */
PL_MUST_CHECK struct pl_status pl_note_key_parse(struct pl_slice vkey, struct pl_note_key *ret);
PL_MUST_CHECK struct pl_status pl_note_key_print(const struct pl_note_key *key,
                                                 char ret_vkey[PL_NOTE_KEY_MAX]);

/* A secret key in use; one thread at a time. */
struct pl_note_signer;
/* From the text of a secret key, without a newline. */
PL_MUST_CHECK struct pl_status pl_note_signer_new(const char *secret, struct pl_note_signer **ret);
void pl_note_signer_free(struct pl_note_signer *signer); /* NULL is fine */
const struct pl_note_key *pl_note_signer_key(const struct pl_note_signer *signer);

/* --- signing --- */

/* The text of a note as it may be signed: UTF-8, last byte a newline, no other control byte. */
bool pl_note_text_valid(struct pl_slice text);
/* Appends one signature line over the text (a kind PL_NOTE_ED25519 key). A whole note is
 * the text, "\n", and such lines. */
PL_MUST_CHECK struct pl_status pl_note_sign(const struct pl_note_signer *signer,
                                            struct pl_slice text, struct pl_buf *out);
/* Appends one cosignature line: "largest tree of this log that I saw as of time_s" (a kind
 * PL_NOTE_COSIGNATURE key). */
PL_MUST_CHECK struct pl_status pl_note_cosign(const struct pl_note_signer *signer, uint64_t time_s,
                                              struct pl_slice text, struct pl_buf *out);

/* --- parsing and verifying --- */

struct pl_note_signature {
    struct pl_slice line; /* with its newline */
    struct pl_slice name;
    struct pl_slice base64; /* of id and signature; well-formed */
    uint32_t id;
};
struct pl_note {
    struct pl_slice text; /* with its last newline: what is signed */
    size_t count;
    struct pl_note_signature signature[PL_NOTE_SIGNATURES_MAX];
};
/* Form only. The note borrows `bytes`. INVALID; TOO_BIG past the limits above. */
PL_MUST_CHECK struct pl_status pl_note_parse(struct pl_slice bytes, struct pl_note *ret);
/* Signature lines alone (what a witness answers); `text` is what they are of. */
PL_MUST_CHECK struct pl_status pl_note_parse_lines(struct pl_slice lines, struct pl_slice text,
                                                   struct pl_note *ret);
/* What verifying found out about one key. */
struct pl_note_seen {
    bool verified;
    uint64_t time_s; /* of a cosignature: the newest time it states */
};
/* Checks every signature whose name and id are one of `key`; others are ignored. One that is wrong
 * makes the whole note INVALID; a note without any that is right is NOT_FOUND. ret_seen: one a key,
 * filled unless INVALID; may be NULL. */
PL_MUST_CHECK struct pl_status pl_note_verify(const struct pl_note *note,
                                              const struct pl_note_key *key, size_t key_count,
                                              struct pl_note_seen *ret_seen);

#endif
