/* SPDX-License-Identifier: Apache-2.0
 *
 * money: the table. Source: ISO 4217, list one (current currencies and their minor units); kept are
 * the currencies of countries and of currency unions, and the two indexed units with four decimals
 * (CLF, UYW). Left out are the other fund codes, metals, units without a minor unit, and test
 * codes.
 *
 * Decimals are read in one pass by the characters alone: no locale, no floating point. Pure
 * functions, any thread.
 */
#include "common/money.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/check.h"

static const struct currency {
    char code[4];
    int8_t exponent;
} currencies[] = {
    {"AED", 2}, {"AFN", 2}, {"ALL", 2}, {"AMD", 2}, {"AOA", 2}, {"ARS", 2}, {"AUD", 2}, {"AWG", 2},
    {"AZN", 2}, {"BAM", 2}, {"BBD", 2}, {"BDT", 2}, {"BHD", 3}, {"BIF", 0}, {"BMD", 2}, {"BND", 2},
    {"BOB", 2}, {"BRL", 2}, {"BSD", 2}, {"BTN", 2}, {"BWP", 2}, {"BYN", 2}, {"BZD", 2}, {"CAD", 2},
    {"CDF", 2}, {"CHF", 2}, {"CLF", 4}, {"CLP", 0}, {"CNY", 2}, {"COP", 2}, {"CRC", 2}, {"CUP", 2},
    {"CVE", 2}, {"CZK", 2}, {"DJF", 0}, {"DKK", 2}, {"DOP", 2}, {"DZD", 2}, {"EGP", 2}, {"ERN", 2},
    {"ETB", 2}, {"EUR", 2}, {"FJD", 2}, {"FKP", 2}, {"GBP", 2}, {"GEL", 2}, {"GHS", 2}, {"GIP", 2},
    {"GMD", 2}, {"GNF", 0}, {"GTQ", 2}, {"GYD", 2}, {"HKD", 2}, {"HNL", 2}, {"HTG", 2}, {"HUF", 2},
    {"IDR", 2}, {"ILS", 2}, {"INR", 2}, {"IQD", 3}, {"IRR", 2}, {"ISK", 0}, {"JMD", 2}, {"JOD", 3},
    {"JPY", 0}, {"KES", 2}, {"KGS", 2}, {"KHR", 2}, {"KMF", 0}, {"KPW", 2}, {"KRW", 0}, {"KWD", 3},
    {"KYD", 2}, {"KZT", 2}, {"LAK", 2}, {"LBP", 2}, {"LKR", 2}, {"LRD", 2}, {"LSL", 2}, {"LYD", 3},
    {"MAD", 2}, {"MDL", 2}, {"MGA", 2}, {"MKD", 2}, {"MMK", 2}, {"MNT", 2}, {"MOP", 2}, {"MRU", 2},
    {"MUR", 2}, {"MVR", 2}, {"MWK", 2}, {"MXN", 2}, {"MYR", 2}, {"MZN", 2}, {"NAD", 2}, {"NGN", 2},
    {"NIO", 2}, {"NOK", 2}, {"NPR", 2}, {"NZD", 2}, {"OMR", 3}, {"PAB", 2}, {"PEN", 2}, {"PGK", 2},
    {"PHP", 2}, {"PKR", 2}, {"PLN", 2}, {"PYG", 0}, {"QAR", 2}, {"RON", 2}, {"RSD", 2}, {"RUB", 2},
    {"RWF", 0}, {"SAR", 2}, {"SBD", 2}, {"SCR", 2}, {"SDG", 2}, {"SEK", 2}, {"SGD", 2}, {"SHP", 2},
    {"SLE", 2}, {"SOS", 2}, {"SRD", 2}, {"SSP", 2}, {"STN", 2}, {"SVC", 2}, {"SYP", 2}, {"SZL", 2},
    {"THB", 2}, {"TJS", 2}, {"TMT", 2}, {"TND", 3}, {"TOP", 2}, {"TRY", 2}, {"TTD", 2}, {"TWD", 2},
    {"TZS", 2}, {"UAH", 2}, {"UGX", 0}, {"USD", 2}, {"UYU", 2}, {"UYW", 4}, {"UZS", 2}, {"VED", 2},
    {"VES", 2}, {"VND", 0}, {"VUV", 0}, {"WST", 2}, {"XAF", 0}, {"XCD", 2}, {"XCG", 2}, {"XOF", 0},
    {"XPF", 0}, {"YER", 2}, {"ZAR", 2}, {"ZMW", 2}, {"ZWG", 2},
};

int pl_currency_count(void)
{
    return (int)PL_COUNT(currencies);
}

/* Three capitals as a number, in their order. */
static inline int code_number(const char *code)
{
    return (uint8_t)code[0] << 16 | (uint8_t)code[1] << 8 | (uint8_t)code[2];
}

int pl_currency_index(const char *code)
{
    int low = 0, high = pl_currency_count() - 1;
    /* mostly the one that was asked for before, whoever asked */
    static _Thread_local int last;
    const char *known = currencies[last].code;
    if (code[0] == known[0] && code[1] == known[1] && code[2] == known[2] && code[3] == '\0')
        return last;
    if (code[0] == '\0' || code[1] == '\0' || code[2] == '\0' || code[3] != '\0')
        return -1;
    int wanted = code_number(code);
    while (low <= high) {
        int middle = (low + high) / 2, found = code_number(currencies[middle].code);
        if (wanted == found) {
            last = middle;
            return middle;
        }
        if (wanted < found)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return -1;
}

const char *pl_currency_code(int index)
{
    PL_ASSERT(index >= 0 && index < pl_currency_count());
    return currencies[index].code;
}

int pl_currency_exponent(const char *code)
{
    int index = pl_currency_index(code);
    return index >= 0 ? currencies[index].exponent : -1;
}

/* Length of a grouping mark at `text`: apostrophe, typographic apostrophe, blank, no-break space
 * (U+00A0), thin space (U+2009), narrow no-break space (U+202F); 0 if there is none. */
static size_t grouping(const char *text)
{
    static const char *const marks[] = {"'",        "\xE2\x80\x99", " ",
                                        "\xC2\xA0", "\xE2\x80\x89", "\xE2\x80\xAF"};
    for (size_t i = 0; i < PL_COUNT(marks); i++) {
        size_t len = strlen(marks[i]);
        if (strncmp(text, marks[i], len) == 0)
            return len;
    }
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct decimal {
    char digits[40]; /* whole part, without grouping */
    size_t whole;
    const char *fraction;
    size_t fraction_len;
    bool comma;   /* before the fraction, as French has it */
    bool grouped; /* the whole part */
};

/* Groups, once begun, must have three digits each. */
static enum pl_decimal_problem split(const char *text, struct decimal *ret)
{
    size_t since_group = 0;
    bool grouped = false;
    for (;;) {
        size_t mark = grouping(text);
        if (is_digit(*text)) {
            if (ret->whole == sizeof(ret->digits))
                return PL_DECIMAL_OVERFLOW;
            ret->digits[ret->whole++] = *text++;
            since_group++;
        } else if (mark != 0 && ret->whole != 0 && is_digit(text[mark])) {
            if (grouped ? since_group != 3 : since_group > 3)
                return PL_DECIMAL_SYNTAX;
            grouped = true;
            since_group = 0;
            text += mark;
        } else {
            break;
        }
    }
    ret->grouped = grouped;
    if (ret->whole == 0 || (grouped && since_group != 3))
        return PL_DECIMAL_SYNTAX;
    if (*text == '.' || *text == ',') {
        ret->comma = *text == ',';
        ret->fraction = ++text;
        while (is_digit(*text))
            text++;
        ret->fraction_len = (size_t)(text - ret->fraction);
        if (ret->fraction_len == 0)
            return PL_DECIMAL_SYNTAX;
        if (*text == '.' || *text == ',')
            return PL_DECIMAL_AMBIGUOUS;
    }
    return *text == '\0' ? PL_DECIMAL_OK : PL_DECIMAL_SYNTAX;
}

static bool shift_in(int64_t *value, char digit)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, digit - '0', value);
}

/* Three digits behind one mark may be a group of thousands, unless nothing but zero is before it,
 * or more than three digits, which nobody groups so. A point is believed where the currency has
 * three digits; a comma means both in English and French.
 */
static bool may_be_thousands(const struct decimal *decimal, int exponent)
{
    return decimal->fraction_len == 3 && decimal->digits[0] != '0' &&
           (decimal->grouped || decimal->whole <= 3) && (decimal->comma || exponent != 3);
}

enum pl_decimal_problem pl_decimal_parse(const char *text, int exponent, int64_t *ret_minor)
{
    struct decimal decimal = {.whole = 0};
    enum pl_decimal_problem problem = split(text, &decimal);
    if (problem != PL_DECIMAL_OK)
        return problem;
    if (may_be_thousands(&decimal, exponent))
        return PL_DECIMAL_AMBIGUOUS;
    if (decimal.fraction_len > (size_t)exponent)
        return PL_DECIMAL_PRECISION;
    int64_t minor = 0;
    for (size_t i = 0; i < decimal.whole; i++) {
        if (!shift_in(&minor, decimal.digits[i]))
            return PL_DECIMAL_OVERFLOW;
    }
    for (size_t i = 0; i < (size_t)exponent; i++) {
        if (!shift_in(&minor, i < decimal.fraction_len ? decimal.fraction[i] : '0'))
            return PL_DECIMAL_OVERFLOW;
    }
    *ret_minor = minor;
    return PL_DECIMAL_OK;
}

/* The digits of |minor|, at least exponent + 1 of them. */
static size_t all_digits(int64_t minor, int exponent, char *out)
{
    uint64_t magnitude = minor < 0 ? ~(uint64_t)minor + 1 : (uint64_t)minor;
    return (size_t)snprintf(out, 24, "%0*" PRIu64, exponent + 1, magnitude);
}

const char *pl_decimal_format_grouped(int64_t minor, int exponent, const char *group, char *out)
{
    char digits[24];
    size_t len = all_digits(minor, exponent, digits), whole = len - (size_t)exponent, used = 0;
    if (minor < 0)
        out[used++] = '-';
    for (size_t i = 0; i < whole; i++) {
        if (i != 0 && (whole - i) % 3 == 0) {
            memcpy(out + used, group, strlen(group));
            used += strlen(group);
        }
        out[used++] = digits[i];
    }
    if (exponent > 0)
        out[used++] = '.';
    memcpy(out + used, digits + whole, (size_t)exponent);
    out[used + (size_t)exponent] = '\0';
    return out;
}

const char *pl_decimal_format(int64_t minor, int exponent, char *out)
{
    return pl_decimal_format_grouped(minor, exponent, "", out);
}

enum pl_decimal_problem pl_rate_parse(const char *text, uint32_t scale_max, int64_t *ret_mantissa,
                                      uint32_t *ret_scale)
{
    size_t whole = strspn(text, "0123456789"), behind = 0, digits = 0;
    int64_t mantissa = 0;
    if (whole == 0)
        return PL_DECIMAL_SYNTAX;
    if (text[whole] == '.' || text[whole] == ',')
        behind = strspn(text + whole + 1, "0123456789");
    if (text[whole + (behind != 0 ? behind + 1 : 0)] != '\0')
        return PL_DECIMAL_SYNTAX;
    if (text[whole] == ',' && behind == 3 && text[0] != '0')
        return PL_DECIMAL_AMBIGUOUS;
    if (behind > scale_max)
        return PL_DECIMAL_PRECISION;
    for (size_t i = 0; i < whole + behind; i++) {
        char digit = text[i < whole ? i : i + 1];
        digits += digits != 0 || digit != '0';
        if (digits > PL_RATE_DIGITS_MAX)
            return PL_DECIMAL_OVERFLOW;
        mantissa = mantissa * 10 + (digit - '0');
    }
    *ret_mantissa = mantissa;
    *ret_scale = (uint32_t)behind;
    return PL_DECIMAL_OK;
}
