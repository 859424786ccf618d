/* SPDX-License-Identifier: Apache-2.0
 *
 * hash: SHA-256 (OpenSSL, one fetched EVP_MD for the process, one reused context a thread) for
 * everything that is evidence; XXH3-64 for checksums against accidents; hex.
 */
#ifndef PL_HASH_H
#define PL_HASH_H

#include "common/slice.h"
#include "common/status.h"

#define PL_SHA256_BYTES 32

void pl_sha256(struct pl_slice data, uint8_t out[PL_SHA256_BYTES]);
/* Hash of the concatenation of `count` parts. */
void pl_sha256_parts(const struct pl_slice *parts, size_t count, uint8_t out[PL_SHA256_BYTES]);

/* HMAC-SHA-256 (RFC 2104). */
void pl_hmac_sha256(struct pl_slice key, struct pl_slice data, uint8_t out[PL_SHA256_BYTES]);

/* incremental, for files; one object one thread */
struct pl_sha256_stream;
struct pl_sha256_stream *pl_sha256_new(void);
void pl_sha256_update(struct pl_sha256_stream *stream, struct pl_slice data);
void pl_sha256_final(struct pl_sha256_stream *stream, uint8_t out[PL_SHA256_BYTES]);
void pl_sha256_free(struct pl_sha256_stream *stream);

uint64_t pl_xxh3(struct pl_slice data, uint64_t seed);

void pl_hex(struct pl_slice data, char *out); /* writes 2 * len + 1 bytes */
/* Exactly out_len bytes of hex digits, either case. */
PL_MUST_CHECK struct pl_status pl_unhex(const char *text, uint8_t *out, size_t out_len);

#endif
