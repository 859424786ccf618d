/* SPDX-License-Identifier: Apache-2.0
 *
 * fold: see fold.h. Memory exhaustion is fatal: whoever asks has no other answer.
 */
#include "common/fold.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "common/check.h"

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text >= 0x80)
            return false;
    }
    return true;
}

/* In place. */
static size_t without_marks(uint8_t *text, size_t len)
{
    size_t used = 0;
    for (size_t at = 0; at < len;) {
        ucs4_t letter;
        int bytes = u8_mbtouc(&letter, text + at, len - at);
        PL_ASSERT(bytes > 0);
        if (!uc_is_general_category(letter, UC_CATEGORY_Mn)) {
            memmove(text + used, text + at, (size_t)bytes);
            used += (size_t)bytes;
        }
        at += (size_t)bytes;
    }
    return used;
}

char *pl_fold(const char *text)
{
    size_t len = strlen(text);
    if (is_ascii(text) || u8_check((const uint8_t *)text, len) != NULL)
        return NULL;
    uint8_t *folded = u8_casefold((const uint8_t *)text, len, NULL, UNINORM_NFKD, NULL, &len);
    PL_ASSERT(folded != NULL);
    len = without_marks(folded, len);
    char *out = realloc(folded, len + 1);
    PL_ASSERT(out != NULL);
    out[len] = '\0';
    return out;
}
