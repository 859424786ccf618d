/* SPDX-License-Identifier: Apache-2.0
 *
 * ids: identifiers that people say on the phone: one capital letter and at least six digits,
 * "P000042". Numbers start at 1 and are never reused.
 */
#ifndef PL_IDS_H
#define PL_IDS_H

#include <stdint.h>

/* Number of a canonical id with this prefix letter, or 0 if the text is not one. */
uint64_t pl_id_parse(const char *text, char prefix);
/* Also accepts what people type: "p42", "P42". */
uint64_t pl_id_parse_loose(const char *text, char prefix);
const char *pl_id_format(char prefix, uint64_t number, char out[24]);

#endif
