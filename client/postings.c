/* SPDX-License-Identifier: Apache-2.0
 *
 * postings: see postings.h.
 */
#include "client/postings.h"

#include <stdlib.h>
#include <string.h>

#include "client/input.h"
#include "client/output.h"
#include "common/check.h"
#include "common/date.h"
#include "common/ids.h"
#include "common/money.h"
#include "common/scan.h"
#include "pledged/v1/command.pb-c.h"

struct postings_move {
    struct export_move move;
    uint64_t seq;
    int32_t day;
};
struct postings_pledge {
    char catalogue[40]; /* "": a free contribution */
};
struct postings_event {
    char code[40];
    int32_t ends;
};
struct postings_account {
    const char *event, *debit, *credit, *cost_centre;
};

static const char *const events[] = {
    [EXPORT_PLEDGED] = "pledge",           [EXPORT_COMMITTED] = "commitment",
    [EXPORT_RECEIVED] = "deposit",         [EXPORT_ALLOCATED] = "allocation",
    [EXPORT_ADVANCED] = "advance",         [EXPORT_SETTLED] = "settlement",
    [EXPORT_EXCHANGED] = "exchange",       [EXPORT_CONVERTED] = "conversion",
    [EXPORT_PREPAID] = "prepayment",       [EXPORT_REFUND_ORDERED] = "refund",
    [EXPORT_REFUND_PAID] = "refund-paid",  [EXPORT_WRITTEN_OFF] = "write-off",
    [EXPORT_DIFFERENCE] = "difference",    [EXPORT_DIFFERENCE_BEFORE] = "difference-before",
    [EXPORT_WITHDRAWN] = "debit",          [EXPORT_REFUND_MATCHED] = "refund-matched",
    [EXPORT_TAKEN_BACK] = "reversal",      [EXPORT_CHARGED] = "charge",
    [EXPORT_CHARGED_BACK] = "charge-back",
};

void postings_init(struct postings *postings, struct pl_arena *arena)
{
    *postings = (struct postings){.arena = arena};
    export_books_init(&postings->books);
}

void postings_fini(struct postings *postings)
{
    export_books_fini(&postings->books);
    free(postings->move);
    free(postings->pledge);
    free(postings->export);
    free(postings->event);
    free(postings->account);
}

static void *grow(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    *cap = *cap != 0 ? 2 * *cap : 64;
    void *more = reallocarray(array, *cap, size);
    PL_ASSERT(more != NULL);
    return more;
}

/* --- the table of accounts --- */

static bool plain(const char *text, bool needed)
{
    return (!needed || text[0] != '\0') && strlen(text) <= 64 && strpbrk(text, "\"\t\r") == NULL;
}

static struct pl_status table_line(struct postings *postings, char *line, char part)
{
    char *rest = line;
    struct postings_account *account = &postings->account[postings->accounts];
    *account = (struct postings_account){.event = input_cell(&rest, part)};
    account->debit = input_cell(&rest, part);
    account->credit = input_cell(&rest, part);
    account->cost_centre = input_cell(&rest, part);
    if (rest[0] != '\0' || !plain(account->event, true) || !plain(account->debit, true) ||
        !plain(account->credit, true) || !plain(account->cost_centre, false))
        return pl_fail(INVALID, "read the table of accounts");
    for (size_t i = 0; i < postings->accounts; i++) {
        if (strcmp(postings->account[i].event, account->event) == 0)
            return pl_fail(INVALID, "read the table of accounts: an event stands twice");
    }
    postings->accounts++;
    return pl_ok();
}

struct pl_status postings_table(struct postings *postings, char *text, size_t *ret_line)
{
    enum { LINES_MAX = 200 };
    char part;
    *ret_line = 0;
    postings->account = calloc(LINES_MAX, sizeof(*postings->account));
    PL_ASSERT(postings->account != NULL);
    for (char *line = input_table(text, &part); line[0] != '\0';) {
        char *end = line + strcspn(line, "\n");
        char *next = *end == '\n' ? end + 1 : end;
        *end = '\0';
        if (end > line && end[-1] == '\r')
            end[-1] = '\0';
        bool header = ++*ret_line == 1;
        if (header && strcmp(line, "event,debit,credit,cost_centre") != 0)
            return pl_fail(INVALID, "read the table of accounts: its first line");
        if (postings->accounts == LINES_MAX)
            return pl_fail(INVALID, "read the table of accounts: too many lines");
        if (!header && line[0] != '\0')
            PL_TRY(table_line(postings, line, part));
        line = next;
    }
    return postings->accounts != 0 ? pl_ok() : pl_fail(INVALID, "read the table of accounts");
}

/* --- taking entries --- */

static void keep_event(struct postings *postings, const Pledged__V1__Catalogue *catalogue)
{
    size_t i = 0;
    int32_t ends;
    if (catalogue->event == NULL || !pl_is_ok(pl_date_parse(catalogue->event->ends, &ends)))
        return;
    while (i < postings->events && strcmp(postings->event[i].code, catalogue->code) != 0)
        i++;
    if (i == postings->events) {
        postings->event = grow(postings->event, i, &postings->event_cap, sizeof(*postings->event));
        postings->event[i] = (struct postings_event){.ends = 0};
        (void)strncpy(postings->event[i].code, catalogue->code,
                      sizeof(postings->event[i].code) - 1);
        postings->events++;
    }
    postings->event[i].ends = ends;
}

static struct pl_status take_catalogue(struct postings *postings, const Pledged__V1__Entry *entry)
{
    ProtobufCMessage *message = NULL;
    if (entry->command.len == 0)
        return pl_ok();
    PL_TRY(pl_unpack_trusted(&pledged__v1__command__descriptor,
                             pl_slice(entry->command.data, entry->command.len), postings->arena,
                             &message));
    const Pledged__V1__Command *command = (const void *)message;
    if (command->command_case == PLEDGED__V1__COMMAND__COMMAND_ADOPT_CATALOGUE)
        keep_event(postings, command->adopt_catalogue->catalogue);
    return pl_ok();
}

static void take_pledge(struct postings *postings, const Pledged__V1__PledgeMade *fact)
{
    uint64_t number = pl_id_parse(fact->pledge, 'P');
    while (postings->pledges < number) {
        postings->pledge = grow(postings->pledge, postings->pledges, &postings->pledge_cap,
                                sizeof(*postings->pledge));
        postings->pledge[postings->pledges++] = (struct postings_pledge){.catalogue = ""};
    }
    if (number != 0)
        (void)strncpy(postings->pledge[number - 1].catalogue, fact->catalogue,
                      sizeof(postings->pledge[0].catalogue) - 1);
}

static struct pl_status take_export(struct postings *postings, const Pledged__V1__Entry *entry)
{
    const Pledged__V1__PostingsExported *fact = entry->postings_exported;
    if (fact->sha256.len != 32 || strlen(fact->period) != 7)
        return pl_fail(CORRUPT, "an export of another form");
    postings->export =
        grow(postings->export, postings->exports, &postings->export_cap, sizeof(*postings->export));
    struct postings_export *made = &postings->export[postings->exports++];
    *made = (struct postings_export){.seq = entry->seq, .to_seq = fact->to_seq};
    memcpy(made->period, fact->period, 7);
    memcpy(made->sha256, fact->sha256.data, 32);
    return pl_ok();
}

struct pl_status postings_take(struct postings *postings, const Pledged__V1__Entry *entry)
{
    int32_t day = 0;
    PL_TRY(export_books_take(&postings->books, entry));
    if (entry->fact_case == PLEDGED__V1__ENTRY__FACT_CATALOGUE_ADOPTED)
        PL_TRY(take_catalogue(postings, entry));
    else if (entry->fact_case == PLEDGED__V1__ENTRY__FACT_PLEDGE_MADE)
        take_pledge(postings, entry->pledge_made);
    else if (entry->fact_case == PLEDGED__V1__ENTRY__FACT_POSTINGS_EXPORTED)
        PL_TRY(take_export(postings, entry));
    if (postings->books.moves != 0)
        PL_TRY(pl_date_parse(postings->books.date, &day));
    for (size_t i = 0; i < postings->books.moves; i++) {
        postings->move =
            grow(postings->move, postings->moves, &postings->move_cap, sizeof(*postings->move));
        postings->move[postings->moves++] =
            (struct postings_move){.move = postings->books.move[i], .seq = entry->seq, .day = day};
    }
    return pl_ok();
}

const struct postings_export *postings_find(const struct postings *postings, const char *period)
{
    for (size_t i = 0; i < postings->exports; i++) {
        if (strcmp(postings->export[i].period, period) == 0)
            return &postings->export[i];
    }
    return NULL;
}

const struct postings_export *postings_past(const struct postings *postings, const char *period)
{
    for (size_t i = 0; i < postings->exports; i++) {
        if (strcmp(postings->export[i].period, period) >= 0)
            return &postings->export[i];
    }
    return NULL;
}

/* --- printing --- */

struct printing {
    struct postings *postings;
    struct pl_buf *out;
    enum postings_form form;
    const char *period;
    int month; /* of it */
    uint64_t to_seq;
};

static bool month_of(const char *period, int *ret)
{
    char day[11];
    int32_t days;
    if (strlen(period) != 7)
        return false;
    memcpy(day, period, 7);
    memcpy(day + 7, "-01", 4);
    if (!pl_is_ok(pl_date_parse(day, &days)))
        return false;
    *ret = pl_date_month(days);
    return true;
}

/* Is the movement in an export before this one? */
static bool is_earlier(const struct printing *p, const struct postings_move *move)
{
    for (size_t i = 0; i < p->postings->exports; i++) {
        const struct postings_export *export = &p->postings->export[i];
        int month = 0;
        if (month_of(export->period, &month) && month < p->month && move->seq <= export->to_seq &&
            pl_date_month(move->day) <= month)
            return true;
    }
    return false;
}

static struct pl_status count_posting(struct postings *postings, int currency, int64_t minor)
{
    size_t i = 0;
    while (i < postings->totals && postings->total[i].currency != currency)
        i++;
    if (i == POSTINGS_TOTALS_MAX)
        return pl_fail(TOO_BIG, "too many currencies");
    if (i == postings->totals)
        postings->total[postings->totals++] = (struct postings_total){.currency = currency};
    postings->total[i].count++;
    postings->count++;
    return pl_add64(postings->total[i].minor, minor, &postings->total[i].minor)
               ? pl_ok()
               : pl_fail(TOO_BIG, "a control total leaves 64 bits");
}

static struct pl_status print_line(struct printing *p, const char *event, int32_t day, uint64_t seq,
                                   const struct export_move *move, int64_t minor)
{
    struct postings *postings = p->postings;
    char date[11], amount[32], pledge[24] = "", bank_entry[24] = "";
    const struct postings_account *account = NULL;
    for (size_t i = 0; i < postings->accounts && account == NULL; i++) {
        if (strcmp(postings->account[i].event, event) == 0)
            account = &postings->account[i];
    }
    if (account == NULL) {
        postings->missing = event;
        return pl_fail(INVALID, "find the accounts of an event");
    }
    bool back = minor < 0;
    int64_t size = back ? -minor : minor;
    const char *code = pl_currency_code(move->currency);
    PL_TRY(count_posting(postings, move->currency, size));
    const struct postings_row row = {
        .line = postings->count,
        .seq = seq,
        .period = p->period,
        .date = pl_date_format(day, date),
        .event = event,
        .debit = back ? account->credit : account->debit,
        .credit = back ? account->debit : account->credit,
        .amount = pl_decimal_format(size, pl_currency_exponent(code), amount),
        .currency = code,
        .pledge = move->pledge != 0 ? pl_id_format('P', move->pledge, pledge) : "",
        .bank_entry = move->bank_entry != 0 ? pl_id_format('B', move->bank_entry, bank_entry) : "",
        .cost_centre = account->cost_centre,
        .reversal = back,
        .preliminary = postings->preliminary,
    };
    return postings_form_row(p->form, &row, p->out);
}

/* A signed contribution that belongs to no event is income at once: its own line of the table. */
static const char *event_of(const struct postings *postings, const struct export_move *move)
{
    bool is_free = move->pledge != 0 && move->pledge <= postings->pledges &&
                   postings->pledge[move->pledge - 1].catalogue[0] == '\0';
    if (move->kind == EXPORT_COMMITTED && is_free)
        return "commitment-free";
    return (size_t)move->kind < PL_COUNT(events) ? events[move->kind] : NULL;
}

static struct pl_status print_moves(struct printing *p)
{
    for (size_t i = 0; i < p->postings->moves; i++) {
        const struct postings_move *move = &p->postings->move[i];
        if (move->seq > p->to_seq || pl_date_month(move->day) > p->month || is_earlier(p, move))
            continue;
        const char *event = event_of(p->postings, &move->move);
        if (event == NULL)
            return pl_fail(UNIMPLEMENTED, "post a movement that this version does not know");
        PL_TRY(print_line(p, event, move->day, move->seq, &move->move, move->move.minor));
    }
    return pl_ok();
}

/* --- income that waited for its event --- */

static bool event_end(const struct postings *postings, uint64_t pledge, int32_t *ret)
{
    const char *code = pledge <= postings->pledges ? postings->pledge[pledge - 1].catalogue : "";
    for (size_t i = 0; i < postings->events && code[0] != '\0'; i++) {
        if (strcmp(postings->event[i].code, code) == 0) {
            *ret = postings->event[i].ends;
            return true;
        }
    }
    return false;
}

struct deferred {
    int64_t before, now; /* in earlier exports, and with this one */
    struct export_move like;
};

/* The month of the last export before this one; -1: none. */
static int last_month(const struct printing *p)
{
    int last = -1, month;
    for (size_t i = 0; i < p->postings->exports; i++) {
        if (month_of(p->postings->export[i].period, &month) && month < p->month && month > last)
            last = month;
    }
    return last;
}

static struct pl_status release_one(struct printing *p, uint64_t pledge, const struct deferred *of,
                                    int32_t last_day)
{
    int32_t ends = 0;
    if (!event_end(p->postings, pledge, &ends) || pl_date_month(ends) > p->month)
        return pl_ok();
    bool was_released = last_month(p) >= pl_date_month(ends);
    int64_t minor = of->now - (was_released ? of->before : 0);
    if (minor == 0)
        return pl_ok();
    bool this_month = pl_date_month(ends) == p->month;
    return print_line(p, "release", this_month ? ends : last_day, p->to_seq, &of->like, minor);
}

static int32_t last_day_of(const char *period)
{
    char day[11];
    int32_t days = 0;
    memcpy(day, period, 7);
    memcpy(day + 7, "-01", 4);
    if (!pl_is_ok(pl_date_parse(day, &days)))
        return 0;
    int month = pl_date_month(days);
    while (pl_date_month(days + 1) == month)
        days++;
    return days;
}

static struct pl_status print_releases(struct printing *p)
{
    struct postings *postings = p->postings;
    struct deferred *of = calloc(postings->pledges + 1, sizeof(*of));
    struct pl_status status = pl_ok();
    PL_ASSERT(of != NULL);
    for (size_t i = 0; i < postings->moves; i++) {
        const struct postings_move *move = &postings->move[i];
        uint64_t pledge = move->move.pledge;
        if (move->move.kind != EXPORT_COMMITTED || pledge == 0 || pledge > postings->pledges ||
            move->seq > p->to_seq || pl_date_month(move->day) > p->month)
            continue;
        of[pledge].now += move->move.minor;
        of[pledge].before += is_earlier(p, move) ? move->move.minor : 0;
        of[pledge].like = move->move;
    }
    for (uint64_t pledge = 1; pledge <= postings->pledges && pl_is_ok(status); pledge++)
        status = release_one(p, pledge, &of[pledge], last_day_of(p->period));
    free(of);
    return status;
}

/* Journals declare accounts before they use them; that of the first month does it for all. */
static struct pl_status print_accounts(const struct printing *p)
{
    struct postings *postings = p->postings;
    for (size_t i = 0; i < 2 * postings->accounts && p->form != POSTINGS_CSV; i++) {
        const struct postings_account *account = &postings->account[i / 2];
        const char *name = i % 2 == 0 ? account->debit : account->credit;
        bool known = false;
        for (size_t j = 0; j < i && !known; j++) {
            const struct postings_account *before = &postings->account[j / 2];
            known = strcmp(j % 2 == 0 ? before->debit : before->credit, name) == 0;
        }
        postings->misnamed = name;
        if (!postings_form_name_fine(p->form, name))
            return pl_fail(INVALID, "write the name of an account");
        postings->misnamed = NULL;
        if (!known && last_month(p) < 0)
            PL_TRY(postings_form_account(p->form, name, p->out));
    }
    return pl_ok();
}

struct pl_status postings_print(struct postings *postings, const char *period, uint64_t to_seq,
                                enum postings_form form, struct pl_buf *out)
{
    struct printing p = {
        .postings = postings, .out = out, .form = form, .period = period, .to_seq = to_seq};
    if (!month_of(period, &p.month))
        return pl_fail(INVALID, "read the month");
    postings->totals = 0;
    postings->count = 0;
    PL_TRY(postings_form_begin(form, postings->preliminary, out));
    PL_TRY(print_accounts(&p));
    PL_TRY(print_moves(&p));
    return print_releases(&p);
}
