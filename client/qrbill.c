/* SPDX-License-Identifier: Apache-2.0
 *
 * qrbill: see qrbill.h. Lengths are counted in letters, as banks count them. Happy path: check,
 * then 31 lines (more only where there is billing information). Failure: the first field that is
 * wrong is named and nothing is made.
 */
#include "client/qrbill.h"

#include <string.h>

#include "client/text.h"
#include "common/check.h"
#include "common/money.h"
#include "common/reference.h"

enum { NAME_MAX_ = 70, NUMBER_MAX = 16, TOWN_MAX = 35, MESSAGE_MAX = 140, FIELD_MAX = 64 };
static const int64_t MINOR_MAX = 99999999999; /* 999999999.99 */

static struct pl_status wrong(struct failure *failure, const char *field, const char *why)
{
    return failure_set(failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID, field,
                       _("no QR-bill can be made: %s (%s)"), why, field);
}

int32_t qrbill_letter(const char **text)
{
    const unsigned char *c = (const unsigned char *)*text;
    int32_t letter = c[0];
    int more = 0;
    if (letter == 0)
        return 0;
    if (letter >= 0xF0 && letter < 0xF8)
        more = 3;
    else if (letter >= 0xE0 && letter < 0xF0)
        more = 2;
    else if (letter >= 0xC2 && letter < 0xE0)
        more = 1;
    else if (letter >= 0x80)
        return -1;
    letter = more == 0 ? letter : letter & (0x3F >> more);
    for (int i = 1; i <= more; i++) {
        if ((c[i] & 0xC0) != 0x80)
            return -1;
        letter = letter << 6 | (c[i] & 0x3F);
    }
    *text += more + 1;
    return letter;
}

/* Latin as payments allow it since November 2025. */
static bool allowed(int32_t letter)
{
    return (letter >= 0x20 && letter <= 0x7E) || (letter >= 0xA0 && letter <= 0x17F) ||
           (letter >= 0x218 && letter <= 0x21B) || letter == 0x20AC;
}

/* -1: a letter that payments do not know. */
static int count_letters(const char *text)
{
    int count = 0;
    for (int32_t letter; (letter = qrbill_letter(&text)) != 0; count++) {
        if (letter < 0 || !allowed(letter))
            return -1;
    }
    return count;
}

static struct pl_status text_fits(struct failure *failure, const char *field, const char *text,
                                  int least, int most)
{
    int count = count_letters(text);
    if (count < 0)
        return wrong(failure, field, _("payments take Latin letters only"));
    if (count < least)
        return wrong(failure, field, _("it is needed"));
    return count <= most ? pl_ok() : wrong(failure, field, _("it is too long"));
}

static struct pl_status party_fits(struct failure *failure, const char *who,
                                   const struct qrbill_party *party)
{
    const struct {
        const char *name, *text;
        int least, most;
    } parts[] = {
        {"name", party->name, 1, NAME_MAX_},
        {"street", party->street, 0, NAME_MAX_},
        {"number", party->number, 0, NUMBER_MAX},
        {"postal_code", party->postal_code, 1, NUMBER_MAX},
        {"town", party->town, 1, TOWN_MAX},
        {"country", party->country, 2, 2},
    };
    char field[FIELD_MAX];
    for (size_t i = 0; i < PL_COUNT(parts); i++) {
        (void)snprintf(field, sizeof(field), "%s.%s", who, parts[i].name);
        PL_TRY(text_fits(failure, field, parts[i].text, parts[i].least, parts[i].most));
    }
    if (strspn(party->country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2)
        return wrong(failure, field, _("a country has two capital letters"));
    return pl_ok();
}

static struct pl_status reference_fits(const struct qrbill *bill, struct failure *failure)
{
    char normal[PL_REFERENCE_BYTES];
    enum pl_reference_kind kind = pl_reference_read(bill->reference, normal);
    bool none = bill->reference[0] == '\0';
    if (!none && (kind == PL_REFERENCE_NONE || strcmp(normal, bill->reference) != 0))
        return wrong(failure, "reference", _("its checksum is wrong"));
    if (pl_iban_qr(bill->iban) != (kind == PL_REFERENCE_QRR))
        return wrong(failure, "reference",
                     _("an account with a QR-IBAN takes QR references, and no other takes them"));
    return pl_ok();
}

struct pl_status qrbill_check(const struct qrbill *bill, struct failure *failure)
{
    char normal[PL_IBAN_BYTES];
    if (!pl_iban_read(bill->iban, normal) || strcmp(normal, bill->iban) != 0)
        return wrong(failure, "iban", _("this is not an IBAN"));
    if (!pl_iban_swiss(bill->iban))
        return wrong(failure, "iban", _("the account has to be in Switzerland or Liechtenstein"));
    if (strcmp(bill->currency, "CHF") != 0 && strcmp(bill->currency, "EUR") != 0)
        return wrong(failure, "currency", _("only CHF and EUR are paid that way"));
    if (bill->minor < 0 || bill->minor > MINOR_MAX)
        return wrong(failure, "amount", _("it is from 0.01 to 999999999.99"));
    PL_TRY(party_fits(failure, "creditor", &bill->creditor));
    if (bill->debtor != NULL)
        PL_TRY(party_fits(failure, "debtor", bill->debtor));
    PL_TRY(reference_fits(bill, failure));
    PL_TRY(text_fits(failure, "message", bill->message, 0, MESSAGE_MAX));
    PL_TRY(text_fits(failure, "billing_info", bill->billing_info, 0,
                     MESSAGE_MAX - count_letters(bill->message)));
    if (bill->billing_info[0] != '\0' && strncmp(bill->billing_info, "//", 2) != 0)
        return wrong(failure, "billing_info", _("it begins with //"));
    return pl_ok();
}

static struct pl_status add_party(struct pl_buf *out, const struct qrbill_party *party)
{
    if (party == NULL)
        return pl_buf_append_str(out, "\n\n\n\n\n\n\n");
    return pl_buf_printf(out, "S\n%s\n%s\n%s\n%s\n%s\n%s\n", party->name, party->street,
                         party->number, party->postal_code, party->town, party->country);
}

struct pl_status qrbill_payload(const struct qrbill *bill, struct failure *failure,
                                struct pl_buf *out)
{
    char amount[32] = "";
    PL_TRY(qrbill_check(bill, failure));
    if (bill->minor != 0)
        (void)pl_decimal_format(bill->minor, 2, amount);
    char normal[PL_REFERENCE_BYTES];
    enum pl_reference_kind kind = pl_reference_read(bill->reference, normal);
    const char *type = kind == PL_REFERENCE_QRR    ? "QRR"
                       : kind == PL_REFERENCE_SCOR ? "SCOR"
                                                   : "NON";
    size_t before = pl_buf_len(out);
    PL_TRY(pl_buf_printf(out, "SPC\n0200\n1\n%s\n", bill->iban));
    PL_TRY(add_party(out, &bill->creditor));
    PL_TRY(add_party(out, NULL)); /* the ultimate creditor is for later */
    PL_TRY(pl_buf_printf(out, "%s\n%s\n", amount, bill->currency));
    PL_TRY(add_party(out, bill->debtor));
    PL_TRY(pl_buf_printf(out, "%s\n%s\n%s\nEPD", type, bill->reference, bill->message));
    if (bill->billing_info[0] != '\0')
        PL_TRY(pl_buf_printf(out, "\n%s", bill->billing_info));
    return pl_buf_len(out) - before <= QRBILL_PAYLOAD_MAX
               ? pl_ok()
               : wrong(failure, "message", _("it is too long"));
}

bool qrbill_party_parse(char *text, struct qrbill_party *ret)
{
    const char *part[6];
    for (size_t i = 0; i < PL_COUNT(part); i++) {
        part[i] = text;
        char *end = strchr(text, ';');
        if ((end == NULL) != (i + 1 == PL_COUNT(part)))
            return false;
        if (end != NULL) {
            *end = '\0';
            text = end + 1;
        }
    }
    *ret = (struct qrbill_party){part[0], part[1], part[2], part[3], part[4], part[5]};
    return true;
}
