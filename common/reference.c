/* SPDX-License-Identifier: Apache-2.0
 *
 * reference: see reference.h. Two checksums: modulo 97 over letters taken as 10 to 35 (ISO 7064),
 * and modulo 10 with carry along a table (QRR). The free text is taken apart into its letters and
 * digits, each with whether a word begins or ends there; a candidate has to begin and end with a
 * word, so that the words around it cannot become part of it. Only a reference of our own form is
 * also seen where a bank ran the words together.
 */
#include "common/reference.h"

#include <stdio.h>
#include <string.h>

#include "common/ids.h"

enum {
    SCOR_MIN = 5,
    SCOR_MAX = 25,
    QRR_LEN = 27,
    IBAN_MIN = 15,
    IBAN_MAX = 34,
    IBAN_SWISS = 21,
    OUR_DIGITS_MAX = 18,
    FREE_MAX = 4096, /* letters and digits of a free text that are looked at */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char capital(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Without blanks, in capitals; 0 if anything but letters and digits stands there, or too many. */
static size_t squeeze(const char *text, char *out, size_t most)
{
    size_t len = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        char c = capital(text[i]);
        if (is_blank(c))
            continue;
        if ((!is_digit(c) && !is_capital(c)) || len == most)
            return 0;
        out[len++] = c;
    }
    out[len] = '\0';
    return len;
}

static unsigned mod97(unsigned rest, const char *text, size_t len)
{
    uint64_t number = rest;
    for (size_t i = 0; i < len; i++) {
        unsigned value =
            is_digit(text[i]) ? (unsigned)(text[i] - '0') : (unsigned)(text[i] - 'A') + 10;
        if (number > UINT64_MAX / 1000) /* dividing only when it has to be is most of the time */
            number %= 97;
        number = number * (value > 9 ? 100 : 10) + value;
    }
    return (unsigned)(number % 97);
}

/* The first four move to the end; check digits 00, 01 and 99 are never minted. */
static bool iso7064(const char *text, size_t len)
{
    if (!is_capital(text[0]) || !is_capital(text[1]) || !is_digit(text[2]) || !is_digit(text[3]))
        return false;
    int check = (text[2] - '0') * 10 + (text[3] - '0');
    if (check < 2 || check > 98)
        return false;
    return mod97(mod97(0, text + 4, len - 4), text, 4) == 1;
}

static unsigned mod10(const char *digits, size_t len)
{
    static const unsigned char table[10] = {0, 9, 4, 6, 8, 2, 7, 1, 3, 5};
    unsigned carry = 0;
    for (size_t i = 0; i < len; i++)
        carry = table[(carry + (unsigned)(digits[i] - '0')) % 10];
    return (10 - carry) % 10;
}

static bool scor_fits(const char *text, size_t len)
{
    return len >= SCOR_MIN && len <= SCOR_MAX && text[0] == 'R' && text[1] == 'F' &&
           iso7064(text, len);
}

static bool qrr_fits(const char *text, size_t len)
{
    if (len != QRR_LEN || strspn(text, "0123456789") < QRR_LEN || strspn(text, "0") >= QRR_LEN)
        return false;
    return mod10(text, QRR_LEN - 1) == (unsigned)(text[QRR_LEN - 1] - '0');
}

static enum pl_reference_kind kind_of(const char *text, size_t len)
{
    if (scor_fits(text, len))
        return PL_REFERENCE_SCOR;
    return qrr_fits(text, len) ? PL_REFERENCE_QRR : PL_REFERENCE_NONE;
}

enum pl_reference_kind pl_reference_read(const char *text, char out[PL_REFERENCE_BYTES])
{
    enum pl_reference_kind kind = kind_of(out, squeeze(text, out, PL_REFERENCE_BYTES - 1));
    if (kind == PL_REFERENCE_NONE)
        out[0] = '\0';
    return kind;
}

bool pl_reference_valid(const char *text)
{
    char normal[PL_REFERENCE_BYTES];
    return pl_reference_read(text, normal) != PL_REFERENCE_NONE;
}

/* --- free text --- */

struct letters {
    char text[FREE_MAX + 1];
    bool begins[FREE_MAX + 1]; /* no letter or digit stands right before it */
    bool broken[FREE_MAX + 1]; /* something that is no blank stands between it and the one before */
    size_t count;
};

static void take_apart(const char *free_text, struct letters *ret)
{
    bool begins = true, broken = false;
    *ret = (struct letters){.count = 0};
    for (size_t i = 0; free_text[i] != '\0' && ret->count < FREE_MAX; i++) {
        char c = capital(free_text[i]);
        if (is_digit(c) || is_capital(c)) {
            ret->text[ret->count] = c;
            ret->begins[ret->count] = begins;
            ret->broken[ret->count++] = broken;
            begins = broken = false;
        } else {
            begins = true;
            broken = broken || !is_blank(c);
        }
    }
    ret->text[ret->count] = '\0';
    ret->begins[ret->count] = ret->broken[ret->count] = true;
}

struct found {
    char text[PL_REFERENCE_BYTES];
    bool any, ours, ambiguous;
};

static void offer(struct found *found, const char *text, size_t len)
{
    char normal[PL_REFERENCE_BYTES];
    memcpy(normal, text, len);
    normal[len] = '\0';
    bool ours = pl_reference_pledge(normal) != 0;
    if (found->any && (found->ours || !ours)) {
        bool weaker = found->ours && !ours;
        found->ambiguous = found->ambiguous || (!weaker && strcmp(found->text, normal) != 0);
        return;
    }
    memcpy(found->text, normal, len + 1);
    found->any = true;
    found->ours = ours;
    found->ambiguous = false;
}

/* Letters and digits from `at` that only blanks part, at most `most`. */
static size_t run(const struct letters *in, size_t at, size_t most)
{
    size_t len = 1;
    while (len < most && at + len < in->count && !in->broken[at + len])
        len++;
    return len;
}

/* How far a form of ours goes: RF, two digits, P and all digits behind it; 0: not of our form. */
static size_t our_form(const char *text)
{
    if (text[0] != 'R' || text[1] != 'F' || !is_digit(text[2]) || !is_digit(text[3]) ||
        text[4] != 'P')
        return 0;
    size_t len = 5 + strspn(text + 5, "0123456789");
    return len <= 5 + OUR_DIGITS_MAX ? len : 0;
}

/* The longest that is whole words and holds; shorter ones hold by chance one time in 97. 0: none.
 */
static size_t whole_words(const struct letters *in, size_t at, size_t most, bool ours)
{
    for (size_t len = most; in->begins[at] && len >= SCOR_MIN; len--) {
        char normal[PL_REFERENCE_BYTES];
        if (!in->begins[at + len] || !scor_fits(in->text + at, len))
            continue;
        (void)snprintf(normal, sizeof(normal), "%.*s", (int)len, in->text + at);
        if (!ours || pl_reference_pledge(normal) != 0)
            return len;
    }
    return 0;
}

static void look_for_scor(const struct letters *in, size_t at, struct found *found)
{
    if (strncmp(in->text + at, "RF", 2) != 0)
        return;
    size_t most = run(in, at, SCOR_MAX), len = whole_words(in, at, most, true);
    if (len == 0) {
        len = our_form(in->text + at);
        len = len <= most && scor_fits(in->text + at, len) ? len : 0;
    }
    if (len == 0)
        len = whole_words(in, at, most, false);
    if (len != 0)
        offer(found, in->text + at, len);
}

/* One digit of checksum is weak: the 27 digits have to stand alone. */
static void look_for_qrr(const struct letters *in, size_t at, struct found *found)
{
    bool first = in->begins[at] && (at == 0 || in->broken[at] || !is_digit(in->text[at - 1]));
    if (!first || strspn(in->text + at, "0123456789") < QRR_LEN || run(in, at, QRR_LEN) < QRR_LEN)
        return;
    size_t end = at + QRR_LEN;
    bool last = in->begins[end] && (in->broken[end] || !is_digit(in->text[end]));
    if (last && qrr_fits(in->text + at, QRR_LEN))
        offer(found, in->text + at, QRR_LEN);
}

bool pl_reference_find(const char *free_text, char out[PL_REFERENCE_BYTES])
{
    struct letters letters;
    struct found found = {0};
    take_apart(free_text, &letters);
    for (size_t at = 0; at < letters.count; at++) {
        look_for_scor(&letters, at, &found);
        look_for_qrr(&letters, at, &found);
    }
    bool one = found.any && !found.ambiguous;
    (void)snprintf(out, PL_REFERENCE_BYTES, "%s", one ? found.text : "");
    return one;
}

/* --- ours --- */

uint64_t pl_reference_pledge(const char *normalised)
{
    size_t len = strlen(normalised);
    if (scor_fits(normalised, len))
        return pl_id_parse(normalised + 4, 'P');
    if (!qrr_fits(normalised, len) ||
        strspn(normalised, "0") < QRR_LEN - 1 - (size_t)OUR_DIGITS_MAX)
        return 0;
    uint64_t number = 0;
    for (size_t i = 0; i < QRR_LEN - 1; i++)
        number = number * 10 + (uint64_t)(normalised[i] - '0');
    return number;
}

/* What stands before the body; by hand: it is made for each pledge. */
static void put_check(unsigned check, char out[PL_REFERENCE_BYTES])
{
    out[0] = 'R';
    out[1] = 'F';
    out[2] = (char)('0' + check / 10);
    out[3] = (char)('0' + check % 10);
}

/* As pl_reference_mint_scor of the id: its letter is a 25, and the rest after division by 97 comes
 * from the number itself. */
const char *pl_reference_scor(uint64_t pledge, char out[PL_REFERENCE_BYTES])
{
    enum { RF00 = 271500, LETTER = 'P' - 'A' + 10, BODY_AT = 4, DIGITS_LEAST = 6 };
    unsigned rest = LETTER * 1000000 % 97;
    const char *id = pl_id_format('P', pledge, out + BODY_AT);
    for (size_t i = 1 + DIGITS_LEAST; id[i] != '\0'; i++)
        rest = rest * 10 % 97;
    rest += (unsigned)(pledge % 97);
    put_check(98 - (rest * (1000000 % 97) + RF00) % 97, out);
    return out;
}

const char *pl_reference_qrr(uint64_t pledge, char out[PL_REFERENCE_BYTES])
{
    char id[24]; /* the number without its letter */
    if (!pl_reference_mint_qrr(pl_id_format('P', pledge, id) + 1, out))
        out[0] = '\0';
    return out;
}

bool pl_reference_mint_scor(const char *body, char out[PL_REFERENCE_BYTES])
{
    size_t len = strlen(body);
    if (len < 1 || len > SCOR_MAX - 4)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(body[i]) && !is_capital(body[i]))
            return false;
    }
    put_check(98 - mod97(mod97(0, body, len), "RF00", 4), out);
    memcpy(out + 4, body, len + 1);
    return true;
}

bool pl_reference_mint_qrr(const char *digits, char out[PL_REFERENCE_BYTES])
{
    size_t len = strlen(digits);
    if (len < 1 || len > QRR_LEN - 1 || strspn(digits, "0123456789") != len ||
        strspn(digits, "0") == len)
        return false;
    memset(out, '0', QRR_LEN);
    memcpy(out + QRR_LEN - 1 - len, digits, len);
    out[QRR_LEN - 1] = (char)('0' + mod10(out, QRR_LEN - 1));
    out[QRR_LEN] = '\0';
    return true;
}

/* Groups of `group`, the first one of `head`. */
static void groups(const char *text, size_t head, size_t group, char *out)
{
    size_t put = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (i == head || (i > head && (i - head) % group == 0))
            out[put++] = ' ';
        out[put++] = text[i];
    }
    out[put] = '\0';
}

const char *pl_reference_print(const char *normalised, char out[PL_REFERENCE_PRINT_BYTES])
{
    enum pl_reference_kind kind = kind_of(normalised, strlen(normalised));
    out[0] = '\0';
    if (kind == PL_REFERENCE_SCOR)
        groups(normalised, 4, 4, out);
    else if (kind == PL_REFERENCE_QRR)
        groups(normalised, 2, 5, out);
    return out;
}

/* --- accounts --- */

bool pl_iban_read(const char *text, char out[PL_IBAN_BYTES])
{
    size_t len = squeeze(text, out, IBAN_MAX);
    bool fits = len >= IBAN_MIN && iso7064(out, len) &&
                (strncmp(out, "RF", 2) != 0) && /* a reference is no account */
                ((strncmp(out, "CH", 2) != 0 && strncmp(out, "LI", 2) != 0) ||
                 (len == IBAN_SWISS && strspn(out + 4, "0123456789") >= 5));
    if (!fits)
        out[0] = '\0';
    return fits;
}

bool pl_iban_swiss(const char *normalised)
{
    return strncmp(normalised, "CH", 2) == 0 || strncmp(normalised, "LI", 2) == 0;
}

bool pl_iban_qr(const char *normalised)
{
    return pl_iban_swiss(normalised) && strlen(normalised) == IBAN_SWISS && normalised[4] == '3' &&
           (normalised[5] == '0' || normalised[5] == '1');
}

const char *pl_iban_print(const char *normalised, char out[PL_IBAN_PRINT_BYTES])
{
    out[0] = '\0';
    if (strlen(normalised) <= IBAN_MAX)
        groups(normalised, 4, 4, out);
    return out;
}
