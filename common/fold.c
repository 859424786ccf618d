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

/* Unicode's Default_Ignorable_Code_Point and what annotates a text, without the marks that are Mn.
 * As a table of its own, since later versions of Unicode may say otherwise. */
static const struct {
    ucs4_t first, last;
} unseen[] = {{0x00AD, 0x00AD},   {0x061C, 0x061C},  {0x115F, 0x1160}, {0x180E, 0x180E},
              {0x200B, 0x200F},   {0x202A, 0x202E},  {0x2060, 0x206F}, {0x3164, 0x3164},
              {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},  {0xFFF0, 0xFFFB}, {0x1BCA0, 0x1BCA3},
              {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};

static bool is_seen(ucs4_t letter)
{
    for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++) {
        if (letter >= unseen[i].first && letter <= unseen[i].last)
            return false;
    }
    return !uc_is_general_category(letter, UC_CATEGORY_Mn);
}

/* What a keyboard, or a program that corrects while one types, puts for another character: the
 * apostrophe, the hyphen, the letters that French writes as one or as two. Spaces that have no
 * plain one to stand for them are Ogham's, and that of Braille without dots. None takes more bytes
 * than what it stands for. */
static const struct {
    ucs4_t first, last;
    char plain[3];
} stand_ins[] = {{0x00E6, 0x00E6, "ae"}, {0x0153, 0x0153, "oe"}, {0x02B9, 0x02B9, "'"},
                 {0x02BB, 0x02BC, "'"},  {0x1680, 0x1680, " "},  {0x2010, 0x2015, "-"},
                 {0x2018, 0x2019, "'"},  {0x201B, 0x201B, "'"},  {0x2032, 0x2032, "'"},
                 {0x2212, 0x2212, "-"},  {0x2800, 0x2800, " "}};

static const char *plain_of(ucs4_t letter)
{
    for (size_t i = 0; i < sizeof(stand_ins) / sizeof(stand_ins[0]); i++) {
        if (letter >= stand_ins[i].first && letter <= stand_ins[i].last)
            return stand_ins[i].plain;
    }
    return NULL;
}

/* In place. */
static size_t without_marks(uint8_t *text, size_t len)
{
    size_t used = 0;
    for (size_t at = 0; at < len;) {
        ucs4_t letter;
        int bytes = u8_mbtouc(&letter, text + at, len - at);
        PL_ASSERT(bytes > 0);
        const char *plain = plain_of(letter);
        if (plain != NULL) {
            for (; *plain != '\0'; plain++)
                text[used++] = (uint8_t)*plain;
        } else if (is_seen(letter)) {
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
