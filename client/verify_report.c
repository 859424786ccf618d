/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_report: verdicts only get worse: holds, then left open, then failed; of several failures
 * the one about the earliest entry stays.
 */
#include "client/verify_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/text.h"
#include "common/check.h"
#include "common/date.h"
#include "common/json.h"

void verify_fail(struct verify_report *report, enum verify_kind kind, uint64_t seq,
                 const char *format, ...)
{
    struct verify_verdict *verdict = &report->verdict[kind];
    if (verdict->result == VERIFY_FAILS && (seq == 0 || verdict->seq <= seq))
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(verdict->words, sizeof(verdict->words), format, args);
    va_end(args);
    verdict->result = VERIFY_FAILS;
    verdict->seq = seq;
}

void verify_skip(struct verify_report *report, enum verify_kind kind, const char *words)
{
    struct verify_verdict *verdict = &report->verdict[kind];
    if (verdict->result == VERIFY_FAILS || verdict->words[0] != '\0')
        return;
    verdict->result = VERIFY_NOT_CHECKED;
    (void)snprintf(verdict->words, sizeof(verdict->words), "%s", words);
}

void verify_hold(struct verify_report *report, enum verify_kind kind)
{
    struct verify_verdict *verdict = &report->verdict[kind];
    if (verdict->result == VERIFY_NOT_CHECKED && verdict->words[0] == '\0')
        verdict->result = VERIFY_HOLDS;
}

bool verify_failed(const struct verify_report *report, enum verify_kind kind)
{
    return report->verdict[kind].result == VERIFY_FAILS;
}

int verify_exit(const struct verify_report *report)
{
    static const int codes[VERIFY_KINDS] = {VERIFY_EXIT_INTEGRITY, VERIFY_EXIT_APPEND_ONLY,
                                            VERIFY_EXIT_COMPLETENESS, VERIFY_EXIT_SEMANTICS};
    for (int kind = 0; kind < VERIFY_KINDS; kind++) {
        if (verify_failed(report, (enum verify_kind)kind))
            return codes[kind];
    }
    return report->verdict[VERIFY_INTEGRITY].result == VERIFY_HOLDS ? 0 : VERIFY_EXIT_INTEGRITY;
}

/* --- as a sheet --- */

static const struct column columns[] = {
    {"verdict", N_("What was checked"), IN_ALL, false},
    {"result", N_("Result"), IN_ALL, false},
    {"seq", N_("First bad entry"), IN_ALL, true},
    {"what", N_("What is wrong"), IN_ALL, false},
};

static void add_verdict(struct sheet *sheet, enum verify_kind kind,
                        const struct verify_verdict *verdict)
{
    static const char *const kinds[VERIFY_KINDS][2] = {
        {"integrity", N_("integrity: every byte is the signed one")},
        {"append-only", N_("append-only: nothing before the kept checkpoint changed")},
        {"completeness", N_("completeness: no entry is missing")},
        {"semantics", N_("semantics: every entry obeys the rules")},
    };
    static const char *const results[][2] = {
        [VERIFY_NOT_CHECKED] = {"not-checked", N_("not checked")},
        [VERIFY_HOLDS] = {"ok", N_("holds")},
        [VERIFY_FAILS] = {"failed", N_("FAILS")},
    };
    sheet_pair(sheet, kinds[kind][0], gettext(kinds[kind][1]));
    sheet_pair(sheet, results[verdict->result][0], gettext(results[verdict->result][1]));
    sheet_seq(sheet, verdict->seq);
    sheet_text(sheet, verdict->words);
}

static void add_note(struct sheet *sheet, const char *key, const char *text)
{
    struct pl_buf json PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&json, 4096);
    if (text == NULL) { /* the arena is spent */
        sheet->spent = true;
        return;
    }
    if (!pl_is_ok(pl_json_string(&json, text)) || !pl_is_ok(pl_buf_append(&json, "", 1)))
        return;
    sheet_note(sheet, key, pl_arena_strdup(sheet->arena, (const char *)json.data + json.start));
}

static const char *footer(const struct verify_report *report, struct pl_arena *arena)
{
    char root[2 * PL_SHA256_BYTES + 1];
    pl_hex(pl_slice(report->root, PL_SHA256_BYTES), root);
    if (report->origin[0] == '\0')
        return NULL;
    if (report->seq != 0)
        return pl_arena_printf(
            arena,
            _("%s of entry %" PRIu64 " (%s): checkpoint of %s, %" PRIu64 " entries, root %.16s..."),
            gettext(report->kind), report->seq, report->fact, report->origin, report->size, root);
    if (report->unjudged != 0)
        return pl_arena_printf(
            arena,
            _("%s: checkpoint of %s, %" PRIu64 " entries, root %.16s...; %" PRIu64
              " of them were decided by rules of another version: checked, not "
              "decided again"),
            gettext(report->kind), report->origin, report->size, root, report->unjudged);
    return pl_arena_printf(arena, _("%s: checkpoint of %s, %" PRIu64 " entries, root %.16s..."),
                           gettext(report->kind), report->origin, report->size, root);
}

void verify_sheet(const struct verify_report *report, struct sheet *sheet, struct pl_arena *arena)
{
    char root[2 * PL_SHA256_BYTES + 1], time[28];
    sheet_init(sheet, "verdicts", columns, PL_COUNT(columns), arena);
    for (int kind = 0; kind < VERIFY_KINDS; kind++)
        add_verdict(sheet, (enum verify_kind)kind, &report->verdict[kind]);
    pl_hex(pl_slice(report->root, PL_SHA256_BYTES), root);
    add_note(sheet, "input", report->kind);
    add_note(sheet, "origin", report->origin);
    sheet_note(sheet, "size", pl_arena_printf(arena, "%" PRIu64, report->size));
    add_note(sheet, "root", root);
    sheet_note(sheet, "since_size", pl_arena_printf(arena, "%" PRIu64, report->since));
    sheet_note(sheet, "entries_read", pl_arena_printf(arena, "%" PRIu64, report->entries));
    sheet_note(sheet, "not_decided_again", pl_arena_printf(arena, "%" PRIu64, report->unjudged));
    if (report->last_time_us != 0)
        add_note(sheet, "last_time", pl_time_format(report->last_time_us, time));
    if (report->seq != 0) {
        sheet_note(sheet, "seq", pl_arena_printf(arena, "%" PRIu64, report->seq));
        add_note(sheet, "fact", report->fact);
    }
    sheet->footer = footer(report, arena);
}
