/* SPDX-License-Identifier: Apache-2.0
 *
 * output: the cells of a sheet and its four forms. Widths are counted in columns of a terminal
 * (wcwidth under C.UTF-8), so that accents do not shift anything; control characters inside values
 * are shown as blanks to people and escaped for programs.
 */
#include "client/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "client/text.h"
#include "client/when.h"
#include "common/check.h"
#include "common/date.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/money.h"
#include "common/plan.h"
#include "common/rng.h"
#include "common/scan.h"

bool output_format_parse(const char *text, enum output_format *ret)
{
    static const char *const names[] = {"table", "plain", "json", "csv"};
    for (size_t i = 0; i < PL_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum output_format)i;
            return true;
        }
    }
    return false;
}

/* --- money --- */

static int exponent_of(const char *currency)
{
    int exponent = pl_currency_exponent(currency);
    return exponent < 0 ? 0 : exponent;
}

const char *output_decimal(struct pl_arena *arena, int64_t minor, const char *currency)
{
    char text[32];
    const char *kept =
        pl_arena_strdup(arena, pl_decimal_format(minor, exponent_of(currency), text));
    return kept == NULL ? "?" : kept;
}

const char *output_money(struct pl_arena *arena, int64_t minor, const char *currency)
{
    char text[64];
    const char *group = text_language() == TEXT_FRENCH ? "\u202f" : "'";
    (void)pl_decimal_format_grouped(minor, exponent_of(currency), group, text);
    const char *kept = pl_arena_printf(arena, "%s\u00a0%s", currency, text);
    return kept == NULL ? "?" : kept;
}

/* --- cells --- */

void sheet_init(struct sheet *sheet, const char *list, const struct column *columns, size_t count,
                struct pl_arena *arena)
{
    *sheet =
        (struct sheet){.list = list, .columns = columns, .column_count = count, .arena = arena};
}

static void add_cell(struct sheet *sheet, struct cell cell)
{
    if (sheet->count == sheet->cap) {
        size_t cap = sheet->cap == 0 ? 16 * sheet->column_count : 2 * sheet->cap;
        struct cell *more = pl_arena_alloc(sheet->arena, cap * sizeof(*more));
        if (more == NULL) {
            sheet->spent = true;
            return;
        }
        if (sheet->count > 0)
            memcpy(more, sheet->cells, sheet->count * sizeof(*more));
        sheet->cells = more;
        sheet->cap = cap;
    }
    sheet->cells[sheet->count++] = cell;
}

void sheet_pair(struct sheet *sheet, const char *machine, const char *human)
{
    add_cell(sheet, (struct cell){.machine = machine, .human = human});
}

void sheet_text(struct sheet *sheet, const char *text)
{
    const char *kept = text == NULL || text[0] == '\0' ? NULL : text;
    sheet_pair(sheet, kept, kept);
}

void sheet_quoted(struct sheet *sheet, const char *text)
{
    if (text == NULL || text[0] == '\0')
        sheet_pair(sheet, NULL, NULL);
    else
        sheet_pair(sheet, text, pl_arena_printf(sheet->arena, _("\"%s\""), text));
}

static void add_bare(struct sheet *sheet, const char *machine, const char *human)
{
    if (machine == NULL)
        sheet->spent = true;
    add_cell(sheet, (struct cell){.machine = machine, .human = human, .bare = true});
}

void sheet_number(struct sheet *sheet, int64_t number)
{
    const char *text = pl_arena_printf(sheet->arena, "%" PRId64, number);
    add_bare(sheet, text, text);
}

void sheet_seq(struct sheet *sheet, uint64_t seq)
{
    if (seq == 0)
        sheet_pair(sheet, NULL, NULL);
    else
        sheet_number(sheet, (int64_t)seq);
}

void sheet_bool(struct sheet *sheet, bool value)
{
    add_bare(sheet, value ? "true" : "false", value ? _("yes") : _("no"));
}

void sheet_code(struct sheet *sheet, int list, int value)
{
    sheet_pair(sheet, text_code((enum text_list)list, value),
               text_label((enum text_list)list, value));
}

void sheet_remaining(struct sheet *sheet, const Pledged__V1__Count *count)
{
    if (count == NULL || count->value_case == PLEDGED__V1__COUNT__VALUE__NOT_SET)
        sheet_pair(sheet, NULL, NULL);
    else if (count->value_case == PLEDGED__V1__COUNT__VALUE_COUNT)
        sheet_number(sheet, count->count);
    else
        sheet_pair(sheet, "unlimited", _("unlimited"));
}

void sheet_minor(struct sheet *sheet, int64_t minor, const char *currency)
{
    sheet_pair(sheet, output_decimal(sheet->arena, minor, currency),
               output_money(sheet->arena, minor, currency));
}

void sheet_amount(struct sheet *sheet, const Pledged__V1__Money *money)
{
    if (money == NULL)
        sheet_pair(sheet, NULL, NULL);
    else
        sheet_minor(sheet, money->minor, money->currency);
}

static void moment(struct sheet *sheet, int64_t time_us, bool is_end)
{
    char machine[28];
    if (time_us == 0)
        sheet_pair(sheet, NULL, NULL);
    else
        add_cell(sheet, (struct cell){.machine = pl_arena_strdup(sheet->arena,
                                                                 pl_time_format(time_us, machine)),
                                      .moment_us = time_us,
                                      .is_end = is_end});
}

void sheet_time(struct sheet *sheet, int64_t time_us)
{
    moment(sheet, time_us, false);
}

void sheet_end(struct sheet *sheet, int64_t time_us)
{
    moment(sheet, time_us, true);
}

void sheet_time_us(struct sheet *sheet, int64_t time_us)
{
    if (time_us == 0)
        sheet_pair(sheet, NULL, NULL);
    else
        sheet_text(sheet, pl_arena_printf(sheet->arena, "%" PRId64, time_us));
}

void sheet_hex(struct sheet *sheet, ProtobufCBinaryData bytes)
{
    char *text = bytes.len == 0 ? NULL : pl_arena_alloc(sheet->arena, 2 * bytes.len + 1);
    if (text != NULL)
        pl_hex(pl_slice(bytes.data, bytes.len), text);
    sheet_pair(sheet, text, text);
}

void sheet_uuid(struct sheet *sheet, ProtobufCBinaryData id)
{
    char text[37];
    if (id.len == 16)
        sheet_text(sheet, pl_arena_strdup(sheet->arena, pl_uuid_format(id.data, text)));
    else
        sheet_pair(sheet, NULL, NULL);
}

static struct pl_status add_labels(Pledged__V1__Text *const *texts, size_t count,
                                   struct pl_buf *out)
{
    PL_TRY(pl_buf_append_str(out, "{"));
    for (size_t i = 0; i < count; i++) {
        PL_TRY(pl_buf_append_str(out, i == 0 ? "" : ", "));
        PL_TRY(pl_json_string(out, texts[i]->lang));
        PL_TRY(pl_buf_append_str(out, ": "));
        PL_TRY(pl_json_string(out, texts[i]->text));
    }
    return pl_buf_append_str(out, "}");
}

static const char *label_in(Pledged__V1__Text *const *texts, size_t count, const char *language)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i]->lang, language) == 0)
            return texts[i]->text;
    }
    return NULL;
}

void sheet_labels(struct sheet *sheet, Pledged__V1__Text *const *texts, size_t count)
{
    struct pl_buf json PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&json, 64 << 10);
    const char *object = NULL;
    if (pl_is_ok(add_labels(texts, count, &json)))
        object = pl_arena_printf(sheet->arena, "%.*s", (int)pl_buf_len(&json),
                                 (const char *)json.data + json.start);
    add_bare(sheet, object, text_pick(texts, count, text_language_code()));
    sheet_text(sheet, label_in(texts, count, "fr"));
    sheet_text(sheet, label_in(texts, count, "en"));
}

void sheet_json(struct sheet *sheet, const char *json)
{
    add_bare(sheet, json, NULL);
}

void sheet_note(struct sheet *sheet, const char *key, const char *json)
{
    if (json == NULL || sheet->note_count == SHEET_NOTES_MAX)
        sheet->spent = true;
    else
        sheet->note[sheet->note_count++] = (struct note){key, json};
}

void sheet_as_of(struct sheet *sheet, uint64_t seq, int64_t time_us)
{
    char time[28];
    sheet_note(sheet, "as_of_seq", pl_arena_printf(sheet->arena, "%" PRIu64, seq));
    if (time_us == 0) {
        sheet->footer = pl_arena_printf(sheet->arena, _("As of entry %" PRIu64 "."), seq);
        return;
    }
    sheet->as_of_seq = seq;
    sheet->as_of_us = time_us;
    (void)pl_time_format(time_us, time);
    sheet_note(sheet, "as_of_time", pl_arena_printf(sheet->arena, "\"%s\"", time));
    sheet_note(sheet, "as_of_time_us", pl_arena_printf(sheet->arena, "\"%" PRId64 "\"", time_us));
}

size_t sheet_rows(const struct sheet *sheet)
{
    return sheet->count / sheet->column_count;
}

static const struct cell *cell_at(const struct sheet *sheet, size_t row, size_t column)
{
    return &sheet->cells[row * sheet->column_count + column];
}

/* --- plain and csv --- */

static struct pl_status print_escaped(struct pl_buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        const char *escape = *p == '\t'   ? "\\t"
                             : *p == '\n' ? "\\n"
                             : *p == '\r' ? "\\r"
                             : *p == '\\' ? "\\\\"
                                          : NULL;
        size_t control = escape == NULL ? pl_utf8_control(p) : 0;
        if (control != 0)
            PL_TRY(pl_buf_printf(out, "\\u%04x", pl_utf8_code(p, control)));
        else
            PL_TRY(escape != NULL ? pl_buf_append_str(out, escape) : pl_buf_append(out, p, 1));
        p += control > 1 ? control - 1 : 0;
    }
    return pl_ok();
}

static struct pl_status print_plain(const struct sheet *sheet, struct pl_buf *out)
{
    for (size_t row = 0; row < sheet_rows(sheet); row++) {
        const char *before = "";
        for (size_t i = 0; i < sheet->column_count; i++) {
            if ((sheet->columns[i].in & IN_ROWS) == 0)
                continue;
            const char *text = cell_at(sheet, row, i)->machine;
            PL_TRY(pl_buf_append_str(out, before));
            PL_TRY(print_escaped(out, text == NULL ? "-" : text));
            before = "\t";
        }
        PL_TRY(pl_buf_append_str(out, "\n"));
    }
    return pl_ok();
}

/* A copy with a blank for each mark that steers; tabs and ends of lines are the field's own. */
static const char *without_marks(struct pl_arena *arena, const char *text)
{
    char *copy = NULL;
    for (size_t at = 0; text[at] != '\0'; at++) {
        size_t control = strchr("\t\r\n", text[at]) != NULL ? 0 : pl_utf8_control(text + at);
        if (control == 0)
            continue;
        if (copy == NULL)
            copy = pl_arena_strdup(arena, text);
        if (copy == NULL)
            return NULL;
        memset(copy + at, ' ', control);
        at += control - 1;
    }
    return copy != NULL ? copy : text;
}

static struct pl_status csv_field(struct pl_buf *out, const char *before, const char *text)
{
    if (before[0] == '\0' && strpbrk(text, ",\"\r\n") == NULL)
        return pl_buf_append_str(out, text);
    PL_TRY(pl_buf_printf(out, "\"%s", before));
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"')
            PL_TRY(pl_buf_append_str(out, "\""));
        PL_TRY(pl_buf_append(out, p, 1));
    }
    return pl_buf_append_str(out, "\"");
}

struct pl_status output_xml(struct pl_buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        const char *entity = *c == '&'   ? "&amp;"
                             : *c == '<' ? "&lt;"
                             : *c == '>' ? "&gt;"
                             : *c == '"' ? "&quot;"
                                         : NULL;
        size_t control = *c == '\n' ? 0 : pl_utf8_control(c);
        if (entity != NULL || control != 0)
            PL_TRY(pl_buf_append_str(out, entity != NULL ? entity : " "));
        else
            PL_TRY(pl_buf_append(out, c, 1));
        c += control > 1 ? control - 1 : 0;
    }
    return pl_ok();
}

struct pl_status output_csv(struct pl_buf *out, const char *text)
{
    return csv_field(out, "", text);
}

static bool is_number(const char *text)
{
    text += *text == '-';
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && text[digits] == '.')
        digits += 1 + strspn(text + digits + 1, "0123456789");
    return digits > 0 && text[digits] == '\0';
}

struct pl_status output_csv_safe(struct pl_buf *out, const char *text)
{
    bool formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL && !is_number(text);
    return csv_field(out, formula ? "'" : "", text);
}

static struct pl_status print_csv_header(const struct sheet *sheet, struct pl_buf *out)
{
    const char *before = "";
    for (size_t i = 0; i < sheet->column_count; i++) {
        if ((sheet->columns[i].in & IN_ROWS) == 0)
            continue;
        PL_TRY(pl_buf_printf(out, "%s%s", before, sheet->columns[i].key));
        before = ",";
    }
    return pl_buf_append_str(out, "\r\n");
}

struct pl_status sheet_print_csv(const struct sheet *sheet, bool header, struct pl_buf *out)
{
    const char *before = "";
    if (sheet->spent)
        return text_no_memory();
    if (header)
        PL_TRY(print_csv_header(sheet, out));
    for (size_t row = 0; row < sheet_rows(sheet); row++) {
        before = "";
        for (size_t i = 0; i < sheet->column_count; i++) {
            if ((sheet->columns[i].in & IN_ROWS) == 0)
                continue;
            const char *text = cell_at(sheet, row, i)->machine;
            PL_TRY(pl_buf_append_str(out, before));
            text = text == NULL ? "" : text;
            text = sheet->exact ? text : without_marks(sheet->arena, text);
            if (text == NULL)
                return text_no_memory();
            PL_TRY(sheet->safe ? output_csv_safe(out, text) : output_csv(out, text));
            before = ",";
        }
        PL_TRY(pl_buf_append_str(out, "\r\n"));
    }
    return pl_ok();
}

/* --- json --- */

struct pl_status sheet_print_row(const struct sheet *sheet, size_t row, struct pl_buf *out)
{
    const char *before = "";
    PL_TRY(pl_buf_append_str(out, "{"));
    for (size_t i = 0; i < sheet->column_count; i++) {
        if ((sheet->columns[i].in & IN_JSON) == 0)
            continue;
        const struct cell *cell = cell_at(sheet, row, i);
        PL_TRY(pl_buf_printf(out, "%s\"%s\": ", before, sheet->columns[i].key));
        if (cell->machine == NULL)
            PL_TRY(pl_buf_append_str(out, "null"));
        else if (cell->bare)
            PL_TRY(pl_buf_append_str(out, cell->machine));
        else
            PL_TRY(pl_json_string(out, cell->machine));
        before = ", ";
    }
    for (size_t i = 0; sheet->list == NULL && i < sheet->note_count; i++)
        PL_TRY(pl_buf_printf(out, ", \"%s\": %s", sheet->note[i].key, sheet->note[i].json));
    return pl_buf_append_str(out, "}");
}

static struct pl_status print_json(const struct sheet *sheet, struct pl_buf *out)
{
    if (sheet->list == NULL) {
        PL_ASSERT(sheet_rows(sheet) == 1);
        PL_TRY(sheet_print_row(sheet, 0, out));
        return pl_buf_append_str(out, "\n");
    }
    PL_TRY(pl_buf_append_str(out, "{"));
    for (size_t i = 0; i < sheet->note_count; i++)
        PL_TRY(pl_buf_printf(out, "\"%s\": %s, ", sheet->note[i].key, sheet->note[i].json));
    PL_TRY(pl_buf_printf(out, "\"%s\": [", sheet->list));
    for (size_t row = 0; row < sheet_rows(sheet); row++) {
        PL_TRY(pl_buf_append_str(out, row == 0 ? "\n  " : ",\n  "));
        PL_TRY(sheet_print_row(sheet, row, out));
    }
    return pl_buf_append_str(out, sheet_rows(sheet) == 0 ? "]}\n" : "\n]}\n");
}

/* --- table --- */

/* Next character of a text and its width; bytes that are no UTF-8 and controls count as one blank.
 */
static size_t next_char(const char *text, int *ret_width, bool *ret_control)
{
    wchar_t wide = 0;
    mbstate_t state = {0};
    size_t len = mbrtowc(&wide, text, strlen(text), &state);
    if (len == 0 || len > 8) {
        *ret_width = 1;
        *ret_control = true;
        return 1;
    }
    int width = pl_utf8_control(text) != 0 ? -1 : wcwidth(wide);
    *ret_control = width < 0;
    *ret_width = width < 0 ? 1 : width;
    return len;
}

static size_t width_of(const char *text)
{
    size_t width = 0;
    while (*text != '\0') {
        int one;
        bool control;
        text += next_char(text, &one, &control);
        width += (size_t)one;
    }
    return width;
}

static struct pl_status print_shown(struct pl_buf *out, const char *text)
{
    while (*text != '\0') {
        int width;
        bool control;
        size_t len = next_char(text, &width, &control);
        PL_TRY(control ? pl_buf_append_str(out, " ") : pl_buf_append(out, text, len));
        text += len;
    }
    return pl_ok();
}

static struct pl_status print_blanks(struct pl_buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        PL_TRY(pl_buf_append_str(out, " "));
    return pl_ok();
}

static const char *shown(const struct sheet *sheet, size_t row, size_t column)
{
    const char *text = cell_at(sheet, row, column)->human;
    return text == NULL ? "–" : text;
}

enum { COLUMNS_MAX = 48 };

static bool in_table(const struct sheet *sheet, size_t column)
{
    return (sheet->columns[column].in & IN_TABLE) != 0;
}

static size_t last_in_table(const struct sheet *sheet)
{
    size_t last = 0;
    for (size_t i = 0; i < sheet->column_count; i++)
        last = in_table(sheet, i) ? i : last;
    return last;
}

static struct pl_status print_padded(struct pl_buf *out, const char *text, size_t width, bool right,
                                     bool last)
{
    size_t used = width_of(text);
    size_t pad = used < width ? width - used : 0;
    if (right)
        PL_TRY(print_blanks(out, pad));
    PL_TRY(print_shown(out, text));
    if (!right && !last)
        PL_TRY(print_blanks(out, pad));
    return pl_buf_append_str(out, last ? "\n" : "  ");
}

static struct pl_status print_grid(const struct sheet *sheet, bool color, struct pl_buf *out)
{
    size_t width[COLUMNS_MAX] = {0};
    size_t last = last_in_table(sheet);
    PL_ASSERT(sheet->column_count <= COLUMNS_MAX);
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (!in_table(sheet, i))
            continue;
        width[i] = width_of(_(sheet->columns[i].title));
        for (size_t row = 0; row < sheet_rows(sheet); row++) {
            size_t one = width_of(shown(sheet, row, i));
            width[i] = one > width[i] ? one : width[i];
        }
    }
    if (color)
        PL_TRY(pl_buf_append_str(out, "\x1b[1m"));
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (in_table(sheet, i))
            PL_TRY(print_padded(out, _(sheet->columns[i].title), width[i], sheet->columns[i].right,
                                i == last));
    }
    if (color)
        PL_TRY(pl_buf_append_str(out, "\x1b[0m"));
    for (size_t row = 0; row < sheet_rows(sheet); row++) {
        for (size_t i = 0; i < sheet->column_count; i++) {
            if (in_table(sheet, i))
                PL_TRY(print_padded(out, shown(sheet, row, i), width[i], sheet->columns[i].right,
                                    i == last));
        }
    }
    return pl_ok();
}

/* One line a field; what is absent is left out. */
static struct pl_status print_record(const struct sheet *sheet, bool color, struct pl_buf *out)
{
    size_t width = 0;
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (!in_table(sheet, i) || cell_at(sheet, 0, i)->human == NULL)
            continue;
        size_t one = width_of(_(sheet->columns[i].title));
        width = one > width ? one : width;
    }
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (!in_table(sheet, i) || cell_at(sheet, 0, i)->human == NULL)
            continue;
        PL_TRY(pl_buf_append_str(out, color ? "\x1b[1m" : ""));
        PL_TRY(print_padded(out, _(sheet->columns[i].title), width, false, false));
        PL_TRY(pl_buf_append_str(out, color ? "\x1b[0m" : ""));
        PL_TRY(print_shown(out, shown(sheet, 0, i)));
        PL_TRY(pl_buf_append_str(out, "\n"));
    }
    return pl_ok();
}

/* Moments in words, which only people read: it may be asked first where the fund is. */
static struct pl_status say_moments(const struct sheet *sheet)
{
    for (size_t i = 0; i < sheet->count; i++) {
        struct cell *cell = &sheet->cells[i];
        char words[40];
        if (cell->moment_us == 0 || !in_table(sheet, i % sheet->column_count))
            continue;
        cell->human =
            pl_arena_strdup(sheet->arena, cell->is_end ? when_format_end(cell->moment_us, words)
                                                       : when_format(cell->moment_us, words));
        if (cell->human == NULL)
            return text_no_memory();
    }
    return pl_ok();
}

static struct pl_status print_footer(const struct sheet *sheet, struct pl_buf *out)
{
    char words[40];
    const char *gap = sheet->list != NULL ? "\n" : "";
    if (sheet->footer != NULL)
        return pl_buf_printf(out, "%s%s\n", gap, sheet->footer);
    if (sheet->as_of_us == 0)
        return pl_ok();
    PL_TRY(pl_buf_append_str(out, gap));
    PL_TRY(pl_buf_printf(out, _("As of entry %" PRIu64 ", %s."), sheet->as_of_seq,
                         when_format(sheet->as_of_us, words)));
    return pl_buf_append_str(out, "\n");
}

static struct pl_status print_table(const struct sheet *sheet, bool color, struct pl_buf *out)
{
    PL_TRY(say_moments(sheet));
    if (sheet->list == NULL)
        PL_TRY(print_record(sheet, color, out));
    else if (sheet_rows(sheet) == 0)
        PL_TRY(pl_buf_printf(out, "%s\n", _("(nothing)")));
    else
        PL_TRY(print_grid(sheet, color, out));
    return print_footer(sheet, out);
}

struct pl_status sheet_print(const struct sheet *sheet, enum output_format format, bool color,
                             struct pl_buf *out)
{
    if (sheet->spent)
        return text_no_memory();
    PL_ASSERT(sheet->count % sheet->column_count == 0);
    switch (format) {
    case OUTPUT_TABLE:
        return print_table(sheet, color, out);
    case OUTPUT_PLAIN:
        return print_plain(sheet, out);
    case OUTPUT_CSV:
        return sheet_print_csv(sheet, true, out);
    case OUTPUT_JSON:
        return print_json(sheet, out);
    }
    PL_UNREACHABLE();
}

/* --- messages --- */

static struct pl_status print_message(const ProtobufCMessage *message, int depth,
                                      struct pl_buf *out);

/* "UNIT_MINUTE" of enum Unit becomes "minute". */
static struct pl_status print_enum(const ProtobufCEnumDescriptor *type, int value,
                                   struct pl_buf *out)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
    if (found == NULL)
        return pl_buf_printf(out, "\"%d\"", value);
    if (value == 0)
        return pl_buf_append_str(out, "null");
    const char *name = found->name;
    /* values carry the name of value 0 up to UNSPECIFIED as their prefix */
    const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(type, 0);
    size_t skip = zero == NULL ? 0 : strlen(zero->name);
    size_t tail = strlen("UNSPECIFIED");
    if (skip > tail && strncmp(name, zero->name, skip - tail) == 0)
        name += skip - tail;
    PL_TRY(pl_buf_append_str(out, "\""));
    for (; *name != '\0'; name++) {
        char c = *name == '_'                   ? '-'
                 : *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a')
                                                : *name;
        PL_TRY(pl_buf_append(out, &c, 1));
    }
    return pl_buf_append_str(out, "\"");
}

static struct pl_status print_bytes(const ProtobufCBinaryData *bytes, struct pl_buf *out)
{
    char hex[3];
    PL_TRY(pl_buf_append_str(out, "\""));
    for (size_t i = 0; i < bytes->len; i++) {
        pl_hex(pl_slice(bytes->data + i, 1), hex);
        PL_TRY(pl_buf_append_str(out, hex));
    }
    return pl_buf_append_str(out, "\"");
}

/* The fields of the schema have these types only (see proto/README.md). */
static struct pl_status print_value(const ProtobufCFieldDescriptor *field, const void *value,
                                    int depth, struct pl_buf *out)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return pl_json_string(out, *(const char *const *)value);
    case PROTOBUF_C_TYPE_BYTES:
        return print_bytes(value, out);
    case PROTOBUF_C_TYPE_BOOL:
        return pl_buf_append_str(out, *(const protobuf_c_boolean *)value ? "true" : "false");
    case PROTOBUF_C_TYPE_ENUM:
        return print_enum(field->descriptor, *(const int *)value, out);
    case PROTOBUF_C_TYPE_MESSAGE:
        return print_message(*(const ProtobufCMessage *const *)value, depth + 1, out);
    case PROTOBUF_C_TYPE_INT64:
        return pl_buf_printf(out, "%" PRId64, *(const int64_t *)value);
    case PROTOBUF_C_TYPE_UINT64:
        return pl_buf_printf(out, "%" PRIu64, *(const uint64_t *)value);
    case PROTOBUF_C_TYPE_INT32:
        return pl_buf_printf(out, "%" PRId32, *(const int32_t *)value);
    case PROTOBUF_C_TYPE_UINT32:
        return pl_buf_printf(out, "%" PRIu32, *(const uint32_t *)value);
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        break;
    }
    PL_UNREACHABLE();
}

static struct pl_status print_list(const ProtobufCFieldDescriptor *field, const uint8_t *base,
                                   int depth, struct pl_buf *out)
{
    size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
    const uint8_t *elements = *(const uint8_t *const *)(const void *)(base + field->offset);
    size_t size = pl_plan_element_bytes(field->type);
    PL_TRY(pl_buf_append_str(out, "["));
    for (size_t i = 0; i < count; i++) {
        PL_TRY(pl_buf_append_str(out, i == 0 ? "" : ", "));
        PL_TRY(print_value(field, elements + i * size, depth, out));
    }
    return pl_buf_append_str(out, "]");
}

static bool is_set(const ProtobufCFieldDescriptor *field, const uint8_t *base)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return *(const uint32_t *)(const void *)(base + field->quantifier_offset) == field->id;
    if (field->label != PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(const void *const *)(const void *)(base + field->offset) != NULL;
    return true;
}

static bool is_moment(const ProtobufCFieldDescriptor *field)
{
    size_t len = strlen(field->name);
    return field->type == PROTOBUF_C_TYPE_INT64 && len > 3 &&
           strcmp(field->name + len - 3, "_us") == 0;
}

/* A moment stands twice: "expires_us": "1796...", "expires": "2026-..." */
static struct pl_status print_moment(const char *name, int64_t time_us, struct pl_buf *out)
{
    size_t len = strlen(name);
    char text[28];
    if (time_us == 0)
        return pl_buf_printf(out, "\"%s\": null, \"%.*s\": null", name, (int)(len - 3), name);
    return pl_buf_printf(out, "\"%s\": \"%" PRId64 "\", \"%.*s\": \"%s\"", name, time_us,
                         (int)(len - 3), name, pl_time_format(time_us, text));
}

static struct pl_status print_message(const ProtobufCMessage *message, int depth,
                                      struct pl_buf *out)
{
    const uint8_t *base = (const uint8_t *)message;
    if (depth > 32)
        return pl_fail(INTERNAL, "a message is nested too deeply");
    if (message->descriptor == &pledged__v1__money__descriptor) {
        const Pledged__V1__Money *money = (const void *)message;
        char text[32];
        return pl_buf_printf(out, "{\"amount\": \"%s\", \"currency\": \"%s\"}",
                             pl_decimal_format(money->minor, exponent_of(money->currency), text),
                             money->currency);
    }
    if (message->descriptor == &pledged__v1__count__descriptor) {
        const Pledged__V1__Count *count = (const void *)message;
        if (count->value_case == PLEDGED__V1__COUNT__VALUE_COUNT)
            return pl_buf_printf(out, "%" PRId64, count->count);
        return pl_buf_append_str(out, "\"unlimited\"");
    }
    const char *before = "";
    PL_TRY(pl_buf_append_str(out, "{"));
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!is_set(field, base))
            continue;
        PL_TRY(pl_buf_append_str(out, before));
        before = ", ";
        if (field->label != PROTOBUF_C_LABEL_REPEATED && is_moment(field)) {
            const void *moment = base + field->offset;
            PL_TRY(print_moment(field->name, *(const int64_t *)moment, out));
            continue;
        }
        PL_TRY(pl_buf_printf(out, "\"%s\": ", field->name));
        PL_TRY(field->label == PROTOBUF_C_LABEL_REPEATED
                   ? print_list(field, base, depth, out)
                   : print_value(field, base + field->offset, depth, out));
    }
    return pl_buf_append_str(out, "}");
}

struct pl_status output_message(const ProtobufCMessage *message, struct pl_buf *out)
{
    return print_message(message, 0, out);
}

/* --- bytes out --- */

struct pl_status output_write(int fd, struct pl_slice bytes)
{
    size_t done = 0;
    while (done < bytes.len) {
        ssize_t wrote = write(fd, bytes.data + done, bytes.len - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return pl_fail_errno(IO, "writing the answer");
        done += (size_t)wrote;
    }
    return pl_ok();
}

static struct pl_status write_part(const char *part, struct pl_slice bytes)
{
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return pl_fail_errno(IO, "make a file");
    struct pl_status status = output_write(fd, bytes);
    if (pl_is_ok(status) && fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        status = pl_fail_errno(IO, "write a file");
    if (close(fd) != 0 && pl_is_ok(status))
        status = pl_fail_errno(IO, "write a file");
    return status;
}

struct pl_status output_file(const char *path, struct pl_slice bytes)
{
    char part[4096];
    int len = snprintf(part, sizeof(part), "%s.part", path);
    if (len < 0 || (size_t)len >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return pl_fail_errno(IO, "make a file");
    }
    struct pl_status status = write_part(part, bytes);
    if (pl_is_ok(status) && rename(part, path) != 0)
        status = pl_fail_errno(IO, "name a file");
    if (!pl_is_ok(status))
        (void)unlink(part);
    return status;
}
