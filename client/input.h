/* SPDX-License-Identifier: Apache-2.0
 *
 * input: what people type, as the API wants it: ids ("p42"), amounts ("150'000.00"), days, lengths
 * of time, words of closed lists, documents (hashed here, never sent). What is wrong is explained
 * in the failure of the run. Results live in the arena.
 */
#ifndef CLIENT_INPUT_H
#define CLIENT_INPUT_H

#include "client/cli.h"

/* "p42", "P000042" to "P000042". What is no id goes to the daemon as it is, which will say so. */
char *input_id(struct cli *cli, const char *text, char prefix);
/* NULL text: "". Generated messages hold `char *` that nobody writes through. */
char *input_lend(const char *text);
/* INVALID with the rule's reason; AMBIGUOUS amounts get the form to type. `field` is for programs.
 */
PL_MUST_CHECK struct pl_status input_money(struct cli *cli, const char *amount,
                                           const char *currency, const char *field,
                                           Pledged__V1__Money **ret);
/* --amount and --currency, or *ret NULL if neither was given; one without the other is wrong. */
PL_MUST_CHECK struct pl_status input_money_options(struct cli *cli, const char *field,
                                                   Pledged__V1__Money **ret);
/* The same of one option, "150000.00 CHF". NULL if it was not given. */
PL_MUST_CHECK struct pl_status input_money_option(struct cli *cli, enum option option,
                                                  const char *field, Pledged__V1__Money **ret);
/* Code of a closed list (text.h); *ret stays as it is if the option was not given. */
PL_MUST_CHECK struct pl_status input_code(struct cli *cli, enum option option, enum text_list list,
                                          int *ret);
/* --for and --until of a hold. *ret_which: 0 neither, 1 seconds, 2 moment in microseconds. */
PL_MUST_CHECK struct pl_status input_until(struct cli *cli, int *ret_which, int64_t *ret);
/* Is what was given with an option a day? USAGE, with what is wrong: its form, or that there is no
 * such day. */
PL_MUST_CHECK struct pl_status input_day(struct cli *cli, enum option option, const char *text);
/* A day, which means its end where the fund is, or a moment. The option must be given. CONFIG if
 * the daemon does not say where that is. */
PL_MUST_CHECK struct pl_status input_end(struct cli *cli, enum option option, const char *field,
                                         int64_t *ret);
/* A whole number that stands alone. */
PL_MUST_CHECK struct pl_status input_seq(struct cli *cli, const char *text, uint64_t *ret);
/* --ref SYSTEM:ID, repeated. */
PL_MUST_CHECK struct pl_status input_refs(struct cli *cli, Pledged__V1__ExternalRef ***ret,
                                          size_t *ret_count);
/* --evidence FILE, repeated. NO_INPUT if a file cannot be read. */
PL_MUST_CHECK struct pl_status input_evidence(struct cli *cli, const char *kind_default,
                                              Pledged__V1__Document ***ret, size_t *ret_count);
/* The whole file, NUL-terminated one byte past its end. NO_INPUT, TOO_BIG. */
PL_MUST_CHECK struct pl_status input_file(struct cli *cli, const char *path, size_t bytes_max,
                                          struct pl_slice *ret);
/* A table as a spreadsheet saves it: returns its first line, behind the byte order mark. Where that
 * is parted by semicolons, as where numbers have a decimal comma, all lines are (*ret_part), and it
 * has commas afterwards. Cells are without quotes. */
char *input_table(char *text, char *ret_part);
/* The next cell of a line; cuts it off. */
char *input_cell(char **line, char part);

#endif
