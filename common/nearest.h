/* SPDX-License-Identifier: Apache-2.0
 *
 * nearest: "did you mean ...?" for keys, commands and options that people mistyped.
 */
#ifndef PL_NEAREST_H
#define PL_NEAREST_H

#include <stddef.h>

/* The known word with the smallest edit distance to `word`, or NULL if none is near (more than a
 * third of the letters, and more than two, differ; of less than four letters more than one). A word
 * that `word` begins is as near as if one letter differed. Words longer than 64 bytes match
 * nothing. */
const char *pl_nearest(const char *word, const char *const *known, size_t count);

#endif
