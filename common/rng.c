/* SPDX-License-Identifier: Apache-2.0
 *
 * rng: getrandom and UUIDs.
 */
#include "common/rng.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "common/check.h"
#include "common/hash.h"

void pl_rng_bytes(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        PL_ASSERT(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

void pl_uuid_v7(int64_t wall_us, uint8_t out[16])
{
    uint64_t ms = (uint64_t)(wall_us / 1000);
    pl_rng_bytes(out, 16);
    for (int i = 0; i < 6; i++)
        out[i] = (uint8_t)(ms >> (40 - 8 * i));
    out[6] = (uint8_t)((out[6] & 0x0F) | 0x70);
    out[8] = (uint8_t)((out[8] & 0x3F) | 0x80);
}

const char *pl_uuid_format(const uint8_t id[16], char out[37])
{
    char hex[33];
    pl_hex(pl_slice(id, 16), hex);
    (void)snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
    return out;
}

struct pl_status pl_uuid_parse(const char *text, uint8_t ret[16])
{
    char hex[33];
    size_t len = strlen(text), used = 0;
    if (len != 36 && len != 32)
        return pl_fail(INVALID, "a UUID has 32 hex digits");
    for (size_t i = 0; i < len; i++) {
        bool dash = len == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
        if (dash != (text[i] == '-') || used == 32 + (size_t)dash)
            return pl_fail(INVALID, "a UUID has the form 8-4-4-4-12");
        if (!dash)
            hex[used++] = text[i];
    }
    hex[used] = '\0';
    uint8_t id[16];
    PL_TRY(pl_unhex(hex, id, sizeof(id)));
    memcpy(ret, id, sizeof(id));
    return pl_ok();
}
