/* SPDX-License-Identifier: Apache-2.0
 *
 * input: parsers that explain. The daemon judges everything again; what is judged here is only what
 * must be understood to make the request at all.
 */
#include "client/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/text.h"
#include "client/when.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/ids.h"
#include "common/money.h"

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

char *input_lend(const char *text)
{
    return (char *)(uintptr_t)(text == NULL ? "" : text);
}

char *input_id(struct cli *cli, const char *text, char prefix)
{
    char canonical[24];
    uint64_t number = text == NULL ? 0 : pl_id_parse_loose(text, prefix);
    char *kept =
        number == 0 ? NULL : pl_arena_strdup(&cli->arena, pl_id_format(prefix, number, canonical));
    return kept == NULL ? input_lend(text) : kept;
}

/* --- money --- */

/* What an ambiguous amount consists of: "1,234.50" has 2 marks of which the last differs. */
struct marks {
    char digits[40];
    size_t len, after; /* digits in all, digits behind the last mark */
    size_t count;      /* points and commas */
    bool differ;       /* the last mark is not the first one */
};

static struct marks marks_of(const char *amount)
{
    struct marks marks = {.len = 0};
    char first = '\0';
    for (const char *p = amount; *p != '\0' && marks.len + 1 < sizeof(marks.digits); p++) {
        if (*p >= '0' && *p <= '9') {
            marks.digits[marks.len++] = *p;
            marks.after++;
        } else if (*p == ',' || *p == '.') {
            first = first == '\0' ? *p : first;
            marks.differ = *p != first;
            marks.after = 0;
            marks.count++;
        }
    }
    return marks;
}

/* The digits with a point before the last `after` of them, and zeros up to the exponent. */
static const char *reading(struct cli *cli, const struct marks *marks, size_t after, int exponent)
{
    static const char zeros[] = "0000";
    size_t whole = marks->len - after;
    size_t missing = (size_t)exponent > after ? (size_t)exponent - after : 0;
    PL_ASSERT(missing < sizeof(zeros));
    return pl_arena_printf(&cli->arena, "%.*s%s%s%.*s", (int)whole, marks->digits,
                           after + missing == 0 ? "" : ".", marks->digits + whole, (int)missing,
                           zeros);
}

/* "1,500" or "1.500": the same digits, once read as thousands and once as a fraction. */
static struct pl_status ambiguous(struct cli *cli, const char *amount, const char *currency,
                                  int exponent, const char *field)
{
    struct marks marks = marks_of(amount);
    Pledged__V1__Reason reason = strchr(amount, ',') == NULL
                                     ? PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION
                                     : PLEDGED__V1__REASON__REASON_FIELD_INVALID;
    size_t last = marks.differ && marks.after <= (size_t)exponent ? marks.after : 0;
    if (marks.len == 0 || marks.len > 17 || (marks.differ && last == 0))
        return failure_set(&cli->failure, PL_E_INVALID, reason, field,
                           _("the amount '%s' can be read in two ways: write it without grouping, "
                             "for example 150000.00"),
                           amount);
    const char *first = reading(cli, &marks, last, exponent);
    if (marks.count > 1)
        return failure_set(&cli->failure, PL_E_INVALID, reason, field,
                           _("the amount '%s' has points or commas between its digits that may "
                             "mean anything; type %s if that is meant"),
                           amount, first);
    while (marks.after > (size_t)exponent && marks.digits[marks.len - 1] == '0') {
        marks.after--; /* zeros that the currency has no place for */
        marks.digits[--marks.len] = '\0';
    }
    const char *second = reading(cli, &marks, marks.after, exponent);
    if (marks.after <= (size_t)exponent)
        return failure_set(&cli->failure, PL_E_INVALID, reason, field,
                           _("the amount '%s' can be read in two ways: type %s or %s"), amount,
                           first, second);
    return failure_set(&cli->failure, PL_E_INVALID, reason, field,
                       _("the amount '%s' can be read in two ways, as %s and as %s: type %s if the "
                         "first is meant; the second has more digits after the point than %s has "
                         "(%d)"),
                       amount, first, second, first, currency, exponent);
}

/* Zeros too many change nothing of the amount: it is said how it is typed. */
static struct pl_status too_precise(struct cli *cli, const char *amount, const char *currency,
                                    int exponent, const char *field)
{
    size_t point = strcspn(amount, ".,"), len = point + (size_t)(exponent > 0 ? exponent + 1 : 0);
    const char *more = amount + point + 1 + exponent; /* there is more: that is the problem */
    if (more[strspn(more, "0")] == '\0')
        return failure_set(
            &cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION, field,
            _("'%s' has more digits after the point than %s has (%d); type %.*s if that is meant"),
            amount, currency, exponent, (int)len, amount);
    return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION,
                       field, _("'%s' has more digits after the point than %s has (%d)"), amount,
                       currency, exponent);
}

static struct pl_status no_currency(struct cli *cli, const char *currency, const char *field)
{
    char upper[4] = "";
    for (size_t i = 0; i < 3 && currency[i] != '\0'; i++)
        upper[i] = (char)(currency[i] >= 'a' && currency[i] <= 'z' ? currency[i] - 'a' + 'A'
                                                                   : currency[i]);
    if (strlen(currency) == 3 && pl_currency_index(upper) >= 0)
        return failure_set(
            &cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN, field,
            _("the code of a currency is in capitals: type %s, not %s"), upper, currency);
    return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN,
                       field, _("%s: %s"), currency,
                       text_reason(PLEDGED__V1__REASON__REASON_CURRENCY_UNKNOWN));
}

struct pl_status input_money(struct cli *cli, const char *amount, const char *currency,
                             const char *field, Pledged__V1__Money **ret)
{
    int exponent = pl_currency_exponent(currency);
    if (exponent < 0)
        return no_currency(cli, currency, field);
    int64_t minor = 0;
    switch (pl_decimal_parse(amount, exponent, &minor)) {
    case PL_DECIMAL_OK:
        break;
    case PL_DECIMAL_SYNTAX:
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID,
                           field, _("'%s' is not an amount; type it like 150000.00"), amount);
    case PL_DECIMAL_AMBIGUOUS:
        return ambiguous(cli, amount, currency, exponent, field);
    case PL_DECIMAL_PRECISION:
        return too_precise(cli, amount, currency, exponent, field);
    case PL_DECIMAL_OVERFLOW:
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_AMOUNT_OVERFLOW,
                           field, _("%s: %s"), amount,
                           text_reason(PLEDGED__V1__REASON__REASON_AMOUNT_OVERFLOW));
    }
    Pledged__V1__Money *money = pl_arena_alloc(&cli->arena, sizeof(*money));
    if (money == NULL)
        return text_no_memory();
    pledged__v1__money__init(money);
    money->minor = minor;
    money->currency = input_lend(currency);
    *ret = money;
    return pl_ok();
}

struct pl_status input_money_options(struct cli *cli, const char *field, Pledged__V1__Money **ret)
{
    const char *amount = options_get(&cli->options, OPTION_AMOUNT);
    const char *currency = options_get(&cli->options, OPTION_CURRENCY);
    *ret = NULL;
    if (amount == NULL && currency == NULL)
        return pl_ok();
    if (amount == NULL || currency == NULL)
        return failure_usage(&cli->failure, "%s", _("--amount and --currency go together"));
    return input_money(cli, amount, currency, field, ret);
}

struct pl_status input_money_option(struct cli *cli, enum option option, const char *field,
                                    Pledged__V1__Money **ret)
{
    const char *text = options_get(&cli->options, option);
    *ret = NULL;
    if (text == NULL)
        return pl_ok();
    const char *blank = strrchr(text, ' ');
    size_t len = blank == NULL ? 0 : (size_t)(blank - text);
    if (len == 0 || strlen(blank + 1) != 3)
        return failure_usage(&cli->failure,
                             _("--%s %s: an amount and a currency are needed, as "
                               "'150000.00 CHF'"),
                             options_rule(option)->name, text);
    const char *amount = pl_arena_printf(&cli->arena, "%.*s", (int)len, text);
    return amount == NULL ? text_no_memory() : input_money(cli, amount, blank + 1, field, ret);
}

/* --- words, numbers, times --- */

struct pl_status input_code(struct cli *cli, enum option option, enum text_list list, int *ret)
{
    const char *code = options_get(&cli->options, option);
    if (code == NULL || text_parse(list, code, ret))
        return pl_ok();
    return failure_usage(&cli->failure, _("--%s %s: one of these is needed: %s"),
                         options_rule(option)->name, code, text_codes(list, &cli->arena));
}

struct pl_status input_day(struct cli *cli, enum option option, const char *text)
{
    const char *why = pl_date_wrong(text);
    return why == NULL ? pl_ok()
                       : failure_usage(&cli->failure, _("--%s %s: %s"), options_rule(option)->name,
                                       text, gettext(why));
}

struct pl_status input_end(struct cli *cli, enum option option, const char *field, int64_t *ret)
{
    const char *text = options_get(&cli->options, option), *name = options_rule(option)->name;
    if (pl_date_valid(text))
        PL_TRY(cli_zone(cli));
    struct pl_status status = when_end_of(text, ret);
    if (pl_is_ok(status))
        return status;
    if (status.code == PL_E_CONFIG)
        return failure_set(
            &cli->failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
            _("--%s %s: this daemon is of an older version and does not say in which "
              "time zone a day ends; give a moment like 2026-03-31T18:00:00+02:00"),
            name, text);
    if (pl_date_formed(text))
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_DATE_INVALID,
                           field, _("--%s %s: %s"), name, text, gettext(pl_date_wrong(text)));
    return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_DATE_INVALID, field,
                       _("--%s %s: a day like 2026-03-31 is needed, or a moment like "
                         "2026-03-31T18:00:00+02:00"),
                       name, text);
}

struct pl_status input_until(struct cli *cli, int *ret_which, int64_t *ret)
{
    const char *length = options_get(&cli->options, OPTION_FOR);
    const char *until = options_get(&cli->options, OPTION_UNTIL);
    *ret_which = 0;
    if (length != NULL && until != NULL)
        return failure_usage(&cli->failure, "%s", _("give --for or --until, not both"));
    if (length != NULL) {
        if (!pl_is_ok(pl_duration_parse(length, ret)))
            return failure_set(
                &cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID, "for_s",
                _("--for %s: a time like 90s, 15m, 36h, 14d or 2w is needed"), length);
        *ret_which = 1;
    }
    if (until != NULL) {
        PL_TRY(input_end(cli, OPTION_UNTIL, "until_us", ret));
        *ret_which = 2;
    }
    return pl_ok();
}

struct pl_status input_seq(struct cli *cli, const char *text, uint64_t *ret)
{
    int64_t number = 0;
    if (!options_parse_number(text, 1, INT64_MAX, &number))
        return failure_usage(&cli->failure, _("'%s' is not the number of an entry"), text);
    *ret = (uint64_t)number;
    return pl_ok();
}

struct pl_status input_refs(struct cli *cli, Pledged__V1__ExternalRef ***ret, size_t *ret_count)
{
    size_t count = cli->options.value[OPTION_REF].count;
    *ret_count = 0;
    if (count == 0)
        return pl_ok();
    Pledged__V1__ExternalRef **refs =
        pl_arena_alloc(&cli->arena, count * sizeof(Pledged__V1__ExternalRef *));
    for (size_t i = 0; i < count; i++) {
        const char *text = cli->options.value[OPTION_REF].text[i];
        const char *colon = strchr(text, ':');
        if (colon == NULL || colon == text || colon[1] == '\0')
            return failure_usage(&cli->failure, _("--ref %s: SYSTEM:ID is needed"), text);
        Pledged__V1__ExternalRef *ref = pl_arena_alloc(&cli->arena, sizeof(*ref));
        char *system = pl_arena_printf(&cli->arena, "%.*s", (int)(colon - text), text);
        if (refs == NULL || ref == NULL || system == NULL)
            return text_no_memory();
        pledged__v1__external_ref__init(ref);
        ref->system = system;
        ref->id = input_lend(colon + 1);
        refs[i] = ref;
    }
    *ret = refs;
    *ret_count = count;
    return pl_ok();
}

/* --- files --- */

static struct pl_status no_file(struct cli *cli, const char *path)
{
    return failure_set(&cli->failure, PL_E_NO_INPUT, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       _("%s: %s"), path, text_errno(errno));
}

static struct pl_status open_file(struct cli *cli, const char *path, int *ret_fd)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return no_file(cli, path);
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
        (void)close(fd);
        errno = EISDIR;
        return no_file(cli, path);
    }
    *ret_fd = fd;
    return pl_ok();
}

static struct pl_status hash_file(struct cli *cli, const char *path,
                                  uint8_t digest[PL_SHA256_BYTES], int64_t *ret_bytes)
{
    int fd PL_CLEANUP(close_fd) = -1;
    PL_TRY(open_file(cli, path, &fd));
    struct pl_sha256_stream *stream = pl_sha256_new();
    uint8_t bytes[16 << 10];
    int64_t total = 0;
    for (;;) {
        ssize_t got = read(fd, bytes, sizeof(bytes));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            pl_sha256_final(stream, digest);
            pl_sha256_free(stream);
            *ret_bytes = total;
            return got == 0 ? pl_ok() : no_file(cli, path);
        }
        pl_sha256_update(stream, pl_slice(bytes, (size_t)got));
        total += got;
    }
}

struct pl_status input_evidence(struct cli *cli, const char *kind_default,
                                Pledged__V1__Document ***ret, size_t *ret_count)
{
    size_t count = cli->options.value[OPTION_EVIDENCE].count;
    const char *kind = options_get(&cli->options, OPTION_EVIDENCE_KIND);
    *ret_count = 0;
    if (count == 0)
        return pl_ok();
    Pledged__V1__Document **documents =
        pl_arena_alloc(&cli->arena, count * sizeof(Pledged__V1__Document *));
    for (size_t i = 0; i < count; i++) {
        Pledged__V1__Document *document = pl_arena_alloc(&cli->arena, sizeof(*document));
        uint8_t *digest = pl_arena_alloc(&cli->arena, PL_SHA256_BYTES);
        if (documents == NULL || document == NULL || digest == NULL)
            return text_no_memory();
        pledged__v1__document__init(document);
        PL_TRY(
            hash_file(cli, cli->options.value[OPTION_EVIDENCE].text[i], digest, &document->bytes));
        document->sha256 = (ProtobufCBinaryData){PL_SHA256_BYTES, digest};
        document->kind = input_lend(kind == NULL ? kind_default : kind);
        document->filed_as = input_lend(options_get(&cli->options, OPTION_FILED_AS));
        documents[i] = document;
    }
    *ret = documents;
    *ret_count = count;
    return pl_ok();
}

struct pl_status input_file(struct cli *cli, const char *path, size_t bytes_max,
                            struct pl_slice *ret)
{
    int fd PL_CLEANUP(close_fd) = -1;
    struct pl_buf read PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&read, bytes_max + 1);
    PL_TRY(open_file(cli, path, &fd));
    struct pl_status status = pl_buf_read(&read, fd, bytes_max);
    if (status.code == PL_E_IO)
        return no_file(cli, path);
    PL_TRY(status);
    size_t len = pl_buf_len(&read);
    if (len > bytes_max)
        return failure_set(&cli->failure, PL_E_TOO_BIG, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                           _("%s is larger than %zu bytes"), path, bytes_max);
    /* no more of the arena than the file has: a call may bring hundreds of them */
    uint8_t *bytes = pl_arena_alloc(&cli->arena, len + 2);
    if (bytes == NULL)
        return text_no_memory();
    if (len > 0)
        memcpy(bytes, pl_buf_slice(&read).data, len);
    *ret = pl_slice(bytes, len);
    return pl_ok();
}

char *input_table(char *text, char *ret_part)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (strncmp(text, mark, sizeof(mark) - 1) == 0)
        text += sizeof(mark) - 1;
    *ret_part = ',';
    for (char *at = text; *at != '\0' && *at != ',' && *at != '\n'; at++) {
        if (*at != ';')
            continue;
        *ret_part = ';';
        *at = ',';
    }
    return text;
}

char *input_cell(char **line, char part)
{
    char *at = *line;
    char *end = strchrnul(at, part);
    *line = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return at;
}
