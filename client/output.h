/* SPDX-License-Identifier: Apache-2.0
 *
 * output: answers, in four forms. A sheet is rows of typed cells; each cell knows what programs
 * read
 * (`machine`, the same in every language) and what people read (`human`). A sheet becomes
 *   table   aligned columns with titles; a record as one line a field
 *   plain   tab-separated, no header, "-" for what is absent; backslash escapes \t \n \r \\, and
 *           \u202e and the like: what steers a terminal or turns the order of a line
 *   csv     RFC 4180 with a header; empty for what is absent; what steers is a blank, for it has no
 *           escapes and people open it
 *   json    {"as_of_seq": ..., "<list>": [{...}]}, a record as one object; null for what is absent
 *
 * Everything is made in memory first and written at the end: a failure leaves stdout empty.
 */
#ifndef CLIENT_OUTPUT_H
#define CLIENT_OUTPUT_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/status.h"
#include "pledged/v1/types.pb-c.h"

enum output_format { OUTPUT_TABLE, OUTPUT_PLAIN, OUTPUT_JSON, OUTPUT_CSV };
bool output_format_parse(const char *text, enum output_format *ret);

enum {
    IN_TABLE = 1,
    IN_ROWS = 2, /* plain and csv */
    IN_JSON = 4,
    IN_PROGRAMS = IN_ROWS | IN_JSON,
    IN_ALL = IN_TABLE | IN_PROGRAMS,
};
struct column {
    const char *key;   /* name for programs; never renamed, new columns at the end */
    const char *title; /* for people, to be translated; NULL where never in a table */
    unsigned in;       /* IN_ flags */
    bool right;        /* numbers stand right */
};

struct cell {
    const char *machine; /* NULL: absent */
    const char *human;   /* NULL: absent */
    bool bare;           /* machine is a JSON number, literal, object or list */
    /* Of a moment `human` is made when a table is printed: programs need no time zone. */
    int64_t moment_us; /* 0: it is none */
    bool is_end;
};
struct note {
    const char *key, *json;
};
enum { SHEET_NOTES_MAX = 12 };
struct sheet {
    const char *list; /* name of the rows in JSON; NULL: a record, exactly one row */
    const struct column *columns;
    size_t column_count;
    struct pl_arena *arena;
    struct cell *cells; /* owned by the arena; row by row */
    size_t count, cap;
    struct note note[SHEET_NOTES_MAX]; /* beside the list in JSON */
    size_t note_count;
    const char *footer; /* last line of a table; NULL: none */
    uint64_t as_of_seq; /* with as_of_us the last line where there is no footer */
    int64_t as_of_us;   /* 0: none */
    bool spent;         /* the arena's budget is gone: writing fails */
    bool safe;          /* csv: nothing that a spreadsheet would take for a formula */
    bool exact;         /* csv: texts as they are, with marks that steer or turn a line */
};

void sheet_init(struct sheet *sheet, const char *list, const struct column *columns, size_t count,
                struct pl_arena *arena);
/* One cell after the other, row by row. Texts are borrowed until the sheet is written. */
void sheet_pair(struct sheet *sheet, const char *machine, const char *human);
void sheet_text(struct sheet *sheet, const char *text);   /* NULL and "" are absent */
void sheet_quoted(struct sheet *sheet, const char *text); /* a name that people see in quotes */
void sheet_number(struct sheet *sheet, int64_t number);
void sheet_seq(struct sheet *sheet, uint64_t seq); /* 0 is absent */
void sheet_bool(struct sheet *sheet, bool value);
void sheet_code(struct sheet *sheet, int list, int value); /* list: enum text_list */
void sheet_remaining(struct sheet *sheet, const Pledged__V1__Count *count);
void sheet_amount(struct sheet *sheet, const Pledged__V1__Money *money);
/* Amount without a Money; `currency` is shown to people, programs have it in a cell of its own. */
void sheet_minor(struct sheet *sheet, int64_t minor, const char *currency);
void sheet_time(struct sheet *sheet, int64_t time_us);    /* 0 is absent */
void sheet_end(struct sheet *sheet, int64_t time_us);     /* the same of a deadline */
void sheet_time_us(struct sheet *sheet, int64_t time_us); /* digits, as text */
void sheet_hex(struct sheet *sheet, ProtobufCBinaryData bytes);
void sheet_uuid(struct sheet *sheet, ProtobufCBinaryData id);
void sheet_labels(struct sheet *sheet, Pledged__V1__Text *const *texts, size_t count); /* 3 cells */
void sheet_json(struct sheet *sheet, const char *json); /* for columns that are IN_JSON alone */
/* as_of_seq and, unless 0, the time: in JSON as notes, in a table as its last line. */
void sheet_as_of(struct sheet *sheet, uint64_t seq, int64_t time_us);
void sheet_note(struct sheet *sheet, const char *key, const char *json);
size_t sheet_rows(const struct sheet *sheet);

/* Appends the sheet in a form. color: titles stand out on a terminal. */
PL_MUST_CHECK struct pl_status sheet_print(const struct sheet *sheet, enum output_format format,
                                           bool color, struct pl_buf *out);
/* Rows as CSV, the header only if asked: for answers that come in pieces. */
PL_MUST_CHECK struct pl_status sheet_print_csv(const struct sheet *sheet, bool header,
                                               struct pl_buf *out);
/* The members of one row as a JSON object, for nesting. */
PL_MUST_CHECK struct pl_status sheet_print_row(const struct sheet *sheet, size_t row,
                                               struct pl_buf *out);

/* A message as JSON for programs: names as in the schema, amounts as decimals, _us as text and also
 * as RFC 3339, bytes as hex, enums as codes. */
PL_MUST_CHECK struct pl_status output_message(const ProtobufCMessage *message, struct pl_buf *out);

/* All bytes to a descriptor. IO with errno. */
PL_MUST_CHECK struct pl_status output_write(int fd, struct pl_slice bytes);
/* A file that appears only when it is whole and on the disk (by way of PATH.part). IO with errno.
 */
PL_MUST_CHECK struct pl_status output_file(const char *path, struct pl_slice bytes);
/* One CSV field with quotes where RFC 4180 wants them, exactly as the text is. */
PL_MUST_CHECK struct pl_status output_csv(struct pl_buf *out, const char *text);
/* The same with an apostrophe before what a spreadsheet would run: = + - @ tab, return. Numbers
 * stay numbers. */
PL_MUST_CHECK struct pl_status output_csv_safe(struct pl_buf *out, const char *text);

/* Text for XML, HTML and SVG: & < > and quotes as entities. A blank for each mark that steers or
 * turns a line: XML has no place for the most of them. Ends of lines stay. */
PL_MUST_CHECK struct pl_status output_xml(struct pl_buf *out, const char *text);

/* "CHF 150'000.00", with the grouping of the language. Lives in the arena; "?" if that is spent. */
const char *output_money(struct pl_arena *arena, int64_t minor, const char *currency);
/* "150000.00" */
const char *output_decimal(struct pl_arena *arena, int64_t minor, const char *currency);

#endif
