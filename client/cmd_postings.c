/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_postings: hands a month to the accounting system, once; prints it again as often as wanted.
 * The fact is recorded before the file appears: a file that nobody recorded does not exist.
 */
#include <inttypes.h>
#include <string.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/postings.h"
#include "client/write.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/money.h"
#include "common/scan.h"

enum { TABLE_BYTES_MAX = 1 << 20, OUT_BYTES_MAX = 1 << 30, MESSAGE_BYTES_MAX = 8 << 20 };

struct reading {
    struct postings *postings;
    struct pl_arena arena; /* of one message */
    uint64_t last;         /* entry */
    uint64_t size;         /* of the ledger when it began */
    int64_t timeout_ns;
    int64_t moved_ns; /* when the last entry came */
};

/* What is no entry (the state of a tier, a heartbeat) may come for ever. */
static struct pl_status check_progress(struct reading *reading, uint64_t before)
{
    struct pl_clock *clock = pl_clock_system();
    int64_t now_ns = clock->mono_ns(clock);
    if (reading->last != before || reading->moved_ns == 0)
        reading->moved_ns = now_ns;
    return now_ns - reading->moved_ns <= reading->timeout_ns
               ? pl_ok()
               : pl_fail(TIMEOUT, N_("no entry came within --timeout"));
}

static struct pl_status take_entry(struct reading *reading, ProtobufCBinaryData bytes)
{
    ProtobufCMessage *message = NULL;
    PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor, pl_slice(bytes.data, bytes.len),
                             &reading->arena, &message));
    const Pledged__V1__Entry *entry = (const void *)message;
    if (entry->seq != reading->last + 1)
        return pl_fail(CORRUPT, "entries are missing");
    reading->last = entry->seq;
    return postings_take(reading->postings, entry);
}

/* The stream goes on for ever: it is left when all entries came that there were. */
static struct pl_status take_message(void *arg, struct pl_slice bytes)
{
    struct reading *reading = arg;
    ProtobufCMessage *message = NULL;
    pl_arena_reset(&reading->arena);
    PL_TRY(pl_unpack_trusted(&pledged__v1__watch_response__descriptor, bytes, &reading->arena,
                             &message));
    const Pledged__V1__WatchResponse *response = (const void *)message;
    uint64_t before = reading->last;
    for (size_t i = 0; i < response->n_entry && reading->last < reading->size; i++)
        PL_TRY(take_entry(reading, response->entry[i]));
    PL_TRY(check_progress(reading, before));
    return reading->last < reading->size ? pl_ok() : pl_fail(CANCELLED, "all entries came");
}

/* Whoever exports is no auditor and has no dump: a watcher from the first entry on sees the same.
 */
static struct pl_status read_ledger(struct cli *cli, struct postings *postings, uint64_t *ret_last)
{
    Pledged__V1__GetStatusRequest ask = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    Pledged__V1__WatchRequest request = PLEDGED__V1__WATCH_REQUEST__INIT;
    struct reading reading = {.postings = postings, .timeout_ns = cli->config.timeout_ms * 1000000};
    ProtobufCMessage *message = NULL;
    PL_TRY(cli_read(cli, "GetStatus", &ask.base, &pledged__v1__get_status_response__descriptor,
                    &message));
    const Pledged__V1__GetStatusResponse *status = (const void *)message;
    if (status->role != PLEDGED__V1__ROLE__ROLE_APPROVER)
        return failure_set(&cli->failure, PL_E_DENIED,
                           PLEDGED__V1__REASON__REASON_PERMISSION_DENIED, "", "%s",
                           text_reason(PLEDGED__V1__REASON__REASON_PERMISSION_DENIED));
    reading.size = status->size;
    request.from_seq = 1;
    pl_arena_init(&reading.arena, MESSAGE_BYTES_MAX);
    struct pl_status read =
        session_stream(cli->session, "Watch", &request.base, take_message, &reading);
    pl_arena_fini(&reading.arena);
    *ret_last = reading.last;
    if (reading.last < reading.size)
        return pl_is_ok(read) ? pl_fail(UNAVAILABLE, "the entries break off before their end")
                              : read;
    cli->failure = (struct failure){.code = PL_E_OK};
    return pl_ok();
}

static struct pl_status read_table(struct cli *cli, struct postings *postings)
{
    struct pl_slice bytes;
    size_t line = 0;
    const char *path = options_get(&cli->options, OPTION_ACCOUNTS);
    PL_TRY(input_file(cli, path, TABLE_BYTES_MAX, &bytes));
    char *text = pl_arena_strdup(&cli->arena, (const char *)bytes.data);
    if (text == NULL)
        return text_no_memory();
    struct pl_status status = postings_table(postings, text, &line);
    if (pl_is_ok(status))
        return status;
    return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_ACCOUNT_UNKNOWN,
                       "accounts",
                       _("%s, line %zu: event,debit,credit,cost_centre is needed, "
                         "without quotes, each event once"),
                       path, line);
}

static struct pl_status print(struct cli *cli, struct postings *postings, const char *period,
                              uint64_t to_seq, enum postings_form form, struct pl_buf *out)
{
    struct pl_status status = postings_print(postings, period, to_seq, form, out);
    if (status.code == PL_E_INVALID && postings->misnamed != NULL)
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_ACCOUNT_UNKNOWN,
                           "accounts", _("'%s' cannot be the name of an account in this form"),
                           postings->misnamed);
    if (status.code == PL_E_INVALID && postings->missing != NULL)
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_ACCOUNT_UNKNOWN,
                           "accounts", _("the table of accounts has no line for '%s'"),
                           postings->missing);
    if (status.code == PL_E_INVALID) {
        char first[16];
        (void)snprintf(first, sizeof(first), "%.8s-01", period);
        return failure_usage(&cli->failure,
                             pl_date_formed(first)
                                 ? _("--period %s: there is no such month")
                                 : _("--period %s: a month of the form YYYY-MM is needed"),
                             period);
    }
    return status;
}

static void say_totals(const struct cli *cli, const struct postings *postings)
{
    char amount[32];
    for (size_t i = 0; i < postings->totals && !cli->config.quiet; i++) {
        const struct postings_total *total = &postings->total[i];
        const char *code = pl_currency_code(total->currency);
        (void)fprintf(stderr, _("Control total: %s %s in %" PRIu64 " postings\n"), code,
                      pl_decimal_format(total->minor, pl_currency_exponent(code), amount),
                      total->count);
    }
}

/* The ledger keeps the hash of the csv; the other forms say the same of the same movements. */
static struct pl_status write_out(struct cli *cli, struct postings *postings, const char *period,
                                  uint64_t to_seq, enum postings_form form, struct pl_buf *out)
{
    const char *path = options_get(&cli->options, OPTION_OUTPUT);
    if (form != POSTINGS_CSV) {
        pl_buf_clear(out);
        PL_TRY(print(cli, postings, period, to_seq, form, out));
    }
    return cli_write_file(cli, path, pl_buf_slice(out));
}

/* The very bytes that were handed over, or nothing. */
static struct pl_status print_again(struct cli *cli, struct postings *postings,
                                    const struct postings_export *known, enum postings_form form,
                                    struct pl_buf *out)
{
    uint8_t sha256[PL_SHA256_BYTES];
    PL_TRY(print(cli, postings, known->period, known->to_seq, POSTINGS_CSV, out));
    pl_sha256(pl_buf_slice(out), sha256);
    if (memcmp(sha256, known->sha256, sizeof(sha256)) != 0)
        return failure_set(&cli->failure, PL_E_REFUSED,
                           PLEDGED__V1__REASON__REASON_EXPORTED_ALREADY, "period",
                           _("%s was exported by entry %" PRIu64
                             ", and with this table of accounts it would be another file"),
                           known->period, known->seq);
    if (!cli->config.quiet)
        (void)fprintf(stderr, _("Printed again: the same file as recorded by entry %" PRIu64 "\n"),
                      known->seq);
    say_totals(cli, postings);
    return write_out(cli, postings, known->period, known->to_seq, form, out);
}

static struct pl_status record(struct cli *cli, struct postings *postings, const char *period,
                               uint64_t to_seq, enum postings_form form, struct pl_buf *out)
{
    struct write write;
    uint8_t sha256[PL_SHA256_BYTES];
    Pledged__V1__Money control[POSTINGS_TOTALS_MAX], *list[POSTINGS_TOTALS_MAX];
    if (form != POSTINGS_CSV) /* its names of accounts are judged before anything is recorded */
        PL_TRY(print(cli, postings, period, to_seq, form, out));
    pl_buf_clear(out);
    PL_TRY(print(cli, postings, period, to_seq, POSTINGS_CSV, out));
    PL_TRY(write_init(cli, &write, "postings"));
    pl_sha256(pl_buf_slice(out), sha256);
    Pledged__V1__ExportPostings export = PLEDGED__V1__EXPORT_POSTINGS__INIT;
    export.period = input_lend(period);
    export.to_seq = to_seq;
    export.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    export.count = postings->count;
    for (size_t i = 0; i < postings->totals; i++) {
        pledged__v1__money__init(&control[i]);
        control[i].minor = postings->total[i].minor;
        control[i].currency = input_lend(pl_currency_code(postings->total[i].currency));
        list[i] = &control[i];
    }
    export.control = list;
    export.n_control = postings->totals;
    write.command.command_case = PLEDGED__V1__COMMAND__COMMAND_EXPORT_POSTINGS;
    write.command.export_postings = &export;
    PL_TRY(write_run(cli, &write));
    say_totals(cli, postings);
    return write.command.dry_run ? pl_ok() : write_out(cli, postings, period, to_seq, form, out);
}

/* For whoever wants to see a month before it is settled. */
static struct pl_status print_preliminary(struct cli *cli, struct postings *postings,
                                          const char *period, uint64_t to_seq,
                                          enum postings_form form, struct pl_buf *out)
{
    const struct postings_export *past = postings_past(postings, period);
    postings->preliminary = true;
    PL_TRY(print(cli, postings, period, to_seq, form, out)); /* is it a month at all? */
    if (past != NULL)
        return failure_set(&cli->failure, PL_E_REFUSED,
                           PLEDGED__V1__REASON__REASON_EXPORTED_ALREADY, "period",
                           _("%s was exported by entry %" PRIu64 ": nothing is preliminary about "
                             "it or a month before it"),
                           past->period, past->seq);
    if (!cli->config.quiet)
        (void)fprintf(stderr, "%s",
                      _("Preliminary: nothing is recorded; what is in this file will be handed "
                        "over again once the month is closed\n"));
    say_totals(cli, postings);
    return options_has(&cli->options, OPTION_DRY_RUN)
               ? pl_ok()
               : write_out(cli, postings, period, to_seq, form, out);
}

static void fini(struct postings *postings)
{
    postings_fini(postings);
}

struct pl_status cmd_postings(struct cli *cli)
{
    const char *period = options_get(&cli->options, OPTION_PERIOD);
    uint64_t last = 0;
    struct postings postings PL_CLEANUP(fini);
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    postings_init(&postings, &cli->arena);
    pl_buf_init(&out, OUT_BYTES_MAX);
    enum postings_form form = POSTINGS_CSV;
    const char *as = options_get(&cli->options, OPTION_AS);
    if (as != NULL && !postings_form_parse(as, &form))
        return failure_usage(&cli->failure, _("--%s %s: one of these is needed: %s"), "as", as,
                             "csv, hledger, beancount");
    PL_TRY(read_table(cli, &postings));
    PL_TRY(read_ledger(cli, &postings, &last));
    if (options_has(&cli->options, OPTION_PRELIMINARY))
        return print_preliminary(cli, &postings, period, last, form, &out);
    const struct postings_export *known = postings_find(&postings, period);
    return known != NULL ? print_again(cli, &postings, known, form, &out)
                         : record(cli, &postings, period, last, form, &out);
}
