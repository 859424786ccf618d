/* SPDX-License-Identifier: Apache-2.0
 *
 * nearest: edit distance (Levenshtein) over short words, two rows at a time.
 */
#include "common/nearest.h"

#include <stdbool.h>
#include <string.h>

enum { WORD_MAX = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[WORD_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *pl_nearest(const char *word, const char *const *known, size_t count)
{
    size_t len = strlen(word);
    if (len == 0 || len > WORD_MAX)
        return NULL;
    const char *best = NULL;
    size_t best_distance = len < 4 ? 1 : len / 3 > 2 ? len / 3 : 2;
    for (size_t i = 0; i < count; i++) {
        size_t known_len = strlen(known[i]);
        if (known_len > WORD_MAX)
            continue;
        bool begun = len > 1 && strncmp(word, known[i], len) == 0 && known_len > len;
        size_t d = begun ? 1 : distance(word, len, known[i], known_len);
        if (d < best_distance || (d == best_distance && best == NULL)) {
            best = known[i];
            best_distance = d;
        }
    }
    return best;
}
