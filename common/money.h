/* SPDX-License-Identifier: Apache-2.0
 *
 * money: ISO 4217 currencies with their exponents, checked 64-bit arithmetic, and decimals as
 * people type them. No floating point anywhere (G6, G8).
 */
#ifndef PL_MONEY_H
#define PL_MONEY_H

#include "common/slice.h"
#include "common/status.h"

/* Index of a currency in the shipped table (ascending by code, stable within a release only), or
 * -1. The table holds the active ISO 4217 currencies that have a minor unit (no metals, no test
 * codes). */
int pl_currency_index(const char *code);
const char *pl_currency_code(int index);
int pl_currency_exponent(const char *code); /* 0, 2, 3 or 4; -1 if unknown */
int pl_currency_count(void);

/* *ret = a + b; false on overflow (ret untouched). */
static inline bool pl_add64(int64_t a, int64_t b, int64_t *ret)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret = sum;
    return true;
}

enum pl_decimal_problem {
    PL_DECIMAL_OK,
    PL_DECIMAL_SYNTAX,
    PL_DECIMAL_AMBIGUOUS, /* "1.500" or "1,500": thousands or thousandths? */
    PL_DECIMAL_PRECISION, /* more digits than the currency has */
    PL_DECIMAL_OVERFLOW,
};
/* "150000", "150000.00", "150'000.00", "150 000,00" (also with no-break and narrow no-break
 * spaces), to minor units. Point and comma both stand before the fraction. AMBIGUOUS: one of them
 * followed by exactly three digits ("12,345"), except a point where the currency has three, and a
 * whole part that begins with zero; and more than one of them. Negative amounts are SYNTAX. */
enum pl_decimal_problem pl_decimal_parse(const char *text, int exponent, int64_t *ret_minor);
/* "150000.00"; with negative sign where needed. `out` of at least 32 bytes. Returns out. */
const char *pl_decimal_format(int64_t minor, int exponent, char *out);
/* For people: groups of three with `group` ("'" or U+202F), e.g. "150'000.00". out >= 64 bytes. */
const char *pl_decimal_format_grouped(int64_t minor, int exponent, const char *group, char *out);

/* A rate of exchange: "0.8850" or "0,8850" is mantissa 8850, scale 4. Digits, and a point or comma
 * with digits behind it; no sign, no grouping. Zero parses. AMBIGUOUS: "1,234"; PRECISION: more
 * than scale_max digits after the point; OVERFLOW: more than 15 in all. */
enum { PL_RATE_DIGITS_MAX = 15 };
enum pl_decimal_problem pl_rate_parse(const char *text, uint32_t scale_max, int64_t *ret_mantissa,
                                      uint32_t *ret_scale);

#endif
