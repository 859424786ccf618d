/* SPDX-License-Identifier: Apache-2.0
 *
 * typed: what people and files write: ids, amounts, days, times, lengths of time. What was
 * understood is printed and understood again as the same.
 */
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "fuzz.h"

static void amounts(const char *text)
{
    for (int exponent = 0; exponent <= 4; exponent++) {
        int64_t minor = 0, again = 0;
        char out[64];
        if (pl_decimal_parse(text, exponent, &minor) != PL_DECIMAL_OK)
            continue;
        FUZZ_HOLDS(pl_decimal_parse(pl_decimal_format(minor, exponent, out), exponent, &again) ==
                       PL_DECIMAL_OK &&
                   again == minor);
        (void)pl_decimal_format_grouped(minor, exponent, "'", out);
    }
}

static void times(const char *text)
{
    int32_t days = 0, days_again = 0;
    int64_t us = 0, us_again = 0;
    char day[11], moment[28];
    if (pl_is_ok(pl_date_parse(text, &days)))
        FUZZ_HOLDS(strcmp(pl_date_format(days, day), text) == 0 &&
                   pl_is_ok(pl_date_parse(day, &days_again)) && days == days_again);
    if (pl_is_ok(pl_time_parse(text, &us)))
        FUZZ_HOLDS(pl_is_ok(pl_time_parse(pl_time_format(us, moment), &us_again)) &&
                   us == us_again);
    if (pl_is_ok(pl_duration_parse(text, &us)))
        FUZZ_HOLDS(us >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = fuzz_text(pl_slice(data, len));
    char id[24];
    uint64_t number = pl_id_parse(text, 'P');
    FUZZ_HOLDS(number == 0 || strcmp(pl_id_format('P', number, id), text) == 0);
    number = pl_id_parse_loose(text, 'P');
    FUZZ_HOLDS(number == 0 || pl_id_parse_loose(pl_id_format('P', number, id), 'P') == number);
    FUZZ_HOLDS(pl_currency_index(text) < pl_currency_count());
    amounts(text);
    times(text);
    free(text);
    return 0;
}
