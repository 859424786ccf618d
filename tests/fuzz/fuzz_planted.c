/* SPDX-License-Identifier: Apache-2.0
 *
 * planted: no decoder, but a bug behind three bytes, so that the test can see that bugs are found.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    PL_ASSERT(copy != NULL);
    memcpy(copy, data, len);
    bool deep = len >= 3 && copy[0] == 'b' && copy[1] == 'u' && copy[2] == 'g';
    volatile uint8_t last = copy[deep ? len + 1 : 0]; /* past the end */
    (void)last;
    free(copy);
    return 0;
}
