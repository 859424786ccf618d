/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_help: the table of commands and options as text.
 */
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "client/commands.h"
#include "common/check.h"

enum { LINE_WIDTH = 79, HELP_INDENT = 30 };

/* Columns that the next word takes on a terminal. */
static size_t word_width(const char *text, size_t len)
{
    size_t width = 0;
    for (size_t i = 0; i < len; i++)
        width += ((uint8_t)text[i] & 0xC0) != 0x80; /* not inside a UTF-8 sequence */
    return width;
}

/* Words from `column` on, broken into lines that begin at `indent`. */
static struct pl_status print_wrapped(struct pl_buf *out, const char *text, size_t column,
                                      size_t indent)
{
    bool first = true;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        size_t width = word_width(text, len);
        if (!first && column + 1 + width > LINE_WIDTH) {
            PL_TRY(pl_buf_printf(out, "\n%*s", (int)indent, ""));
            column = indent;
        } else if (!first) {
            PL_TRY(pl_buf_append_str(out, " "));
            column++;
        }
        PL_TRY(pl_buf_append(out, text, len));
        column += width;
        first = false;
        text += len;
        text += *text == ' ';
    }
    return pl_buf_append_str(out, "\n");
}

static struct pl_status print_pair(struct pl_buf *out, const char *left, const char *words,
                                   size_t indent)
{
    size_t used = word_width(left, strlen(left));
    PL_TRY(pl_buf_append_str(out, left));
    if (used + 2 > indent) {
        PL_TRY(pl_buf_append_str(out, "  "));
        return print_wrapped(out, words, used + 2, indent);
    }
    PL_TRY(pl_buf_printf(out, "%*s", (int)(indent - used), ""));
    return print_wrapped(out, words, indent, indent);
}

static struct pl_status print_option(struct pl_buf *out, enum option option)
{
    const struct option_rule *rule = options_rule(option);
    char left[160];
    char letter[8] = "    ";
    if (rule->letter != 0)
        (void)snprintf(letter, sizeof(letter), "-%c, ", rule->letter);
    (void)snprintf(left, sizeof(left), "  %s--%s%s%s", letter, rule->name,
                   rule->value == NULL ? "" : " ", rule->value == NULL ? "" : rule->value);
    if (strlen(left) + 2 <= HELP_INDENT)
        return print_pair(out, left, _(rule->words), HELP_INDENT);
    PL_TRY(pl_buf_printf(out, "%s\n%*s", left, HELP_INDENT, ""));
    return print_wrapped(out, _(rule->words), HELP_INDENT, HELP_INDENT);
}

static struct pl_status print_options(struct pl_buf *out, option_set set)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((set & OPTION_BIT(i)) != 0)
            PL_TRY(print_option(out, (enum option)i));
    }
    return pl_ok();
}

static struct pl_status print_exit_codes(struct pl_buf *out, bool writes)
{
    PL_TRY(pl_buf_printf(out, "\n%s\n", _("Exit codes:")));
    PL_TRY(print_pair(out, "  0", _("done, or yes"), 6));
    PL_TRY(print_pair(out, "  1",
                      _("the answer is no ('pledge slots' and 'pledge check-document')"), 6));
    PL_TRY(print_pair(out, "  10", _("refused by a rule; the message says which"), 6));
    PL_TRY(print_pair(out, "  11", _("not found"), 6));
    if (writes)
        PL_TRY(print_pair(out, "  12", _("the request id was used for something else"), 6));
    if (writes)
        PL_TRY(print_pair(out, "  13", _("stored as a proposal: it waits for a second person"), 6));
    PL_TRY(print_pair(out, "  14", _("what came is damaged, or is not what was signed"), 6));
    if (!writes)
        PL_TRY(
            print_pair(out, "  16", _("entries that were signed or shown before are missing"), 6));
    PL_TRY(print_pair(out, "  64", _("wrong usage"), 6));
    PL_TRY(print_pair(out, "  65", _("the input is wrong"), 6));
    PL_TRY(print_pair(out, "  66", _("no such file"), 6));
    PL_TRY(print_pair(out, "  69", _("the daemon cannot be reached"), 6));
    PL_TRY(print_pair(out, "  70", _("a mistake in the program or in the daemon"), 6));
    PL_TRY(print_pair(out, "  74", _("reading or writing failed"), 6));
    PL_TRY(print_pair(out, "  75",
                      writes ? _("the outcome is unknown: repeat with the same --request-id")
                             : _("busy or no answer in time: try again"),
                      6));
    PL_TRY(print_pair(out, "  77", _("not permitted"), 6));
    return print_pair(out, "  78", _("wrong configuration"), 6);
}

static struct pl_status print_offline_exit_codes(struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "\n%s\n", _("Exit codes:")));
    PL_TRY(print_pair(out, "  0", _("everything that was checked holds"), 6));
    PL_TRY(print_pair(out, "  14", _("integrity fails: bytes are not the signed ones"), 6));
    PL_TRY(print_pair(out, "  15", _("append-only fails: history was rewritten"), 6));
    PL_TRY(print_pair(out, "  16", _("completeness fails: entries are missing"), 6));
    PL_TRY(print_pair(out, "  17", _("semantics fails: a rule of the fund is broken"), 6));
    PL_TRY(print_pair(out, "  64", _("wrong usage"), 6));
    PL_TRY(print_pair(out, "  65", _("the input is wrong"), 6));
    PL_TRY(print_pair(out, "  66", _("no such file"), 6));
    return print_pair(out, "  74", _("reading or writing failed"), 6);
}

static struct pl_status print_service_exit_codes(struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "\n%s\n", _("Exit codes:")));
    PL_TRY(print_pair(out, "  0", _("it was stopped"), 6));
    PL_TRY(print_pair(out, "  64", _("wrong usage"), 6));
    PL_TRY(print_pair(out, "  65", _("the input is wrong"), 6));
    PL_TRY(print_pair(out, "  66", _("no such file"), 6));
    PL_TRY(print_pair(out, "  69", _("it cannot listen on the address"), 6));
    PL_TRY(print_pair(out, "  74", _("reading or writing failed"), 6));
    return print_pair(out, "  78", _("wrong configuration, or damaged state"), 6);
}

/* Paragraphs, one after the other. */
static struct pl_status print_paragraphs(struct pl_buf *out, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        char *paragraph = strndup(text, len);
        PL_ASSERT(paragraph != NULL);
        struct pl_status status = pl_buf_append_str(out, "\n");
        if (pl_is_ok(status))
            status = print_wrapped(out, paragraph, 0, 0);
        free(paragraph);
        PL_TRY(status);
        text += len;
        text += *text == '\n';
    }
    return pl_ok();
}

static struct pl_status print_examples(struct pl_buf *out, const char *examples)
{
    PL_TRY(pl_buf_printf(out, "\n%s\n", _("Examples:")));
    while (*examples != '\0') {
        size_t len = strcspn(examples, "\n");
        PL_TRY(pl_buf_printf(out, "  %.*s\n", (int)len, examples));
        examples += len;
        examples += *examples == '\n';
    }
    return pl_ok();
}

static struct pl_status print_command(const struct command *command, struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "pledge %s%s%s\n\n", command->name,
                         command->args[0] == '\0' ? "" : " ", command->args));
    PL_TRY(print_wrapped(out, _(command->words), 0, 0));
    if (command->more != NULL)
        PL_TRY(print_paragraphs(out, _(command->more)));
    option_set own = command->options & ~OPTIONS_WRITE;
    if (own != 0) {
        PL_TRY(pl_buf_printf(out, "\n%s\n", _("Options:")));
        if (command->serves)
            PL_TRY(
                print_pair(out, "      --key FILE", _("secret key of the witness"), HELP_INDENT));
        else if (command->offline)
            PL_TRY(print_pair(out, "      --key VKEY",
                              _("public key of the ledger, or a file with it"), HELP_INDENT));
        PL_TRY(print_options(out, own & ~OPTIONS_EVERY));
    }
    if (command->writes) {
        PL_TRY(pl_buf_printf(out, "\n%s\n", _("Options of every command that records something:")));
        PL_TRY(print_options(out, OPTIONS_WRITE | OPTION_BIT(OPTION_REQUEST_ID)));
        PL_TRY(pl_buf_append_str(out, "\n"));
        PL_TRY(print_wrapped(out,
                             _("In plain, one line is printed: id, entry, NEW or REPLAY, what is "
                               "left (places or balance), places, balance, currency."),
                             0, 0));
    }
    if (command->examples != NULL)
        PL_TRY(print_examples(out, command->examples));
    PL_TRY(command->serves    ? print_service_exit_codes(out)
           : command->offline ? print_offline_exit_codes(out)
                              : print_exit_codes(out, command->writes));
    PL_TRY(pl_buf_append_str(out, "\n"));
    return print_wrapped(out, _("'pledge help' shows the options of every command."), 0, 0);
}

static const char *group_title(enum command_group group)
{
    switch (group) {
    case COMMAND_OFFERS:
        return _("Offers and sums:");
    case COMMAND_PARTNERS:
        return _("Organisations:");
    case COMMAND_PLEDGES:
        return _("The life of a pledge:");
    case COMMAND_PAYMENTS:
        return _("Payments:");
    case COMMAND_PAPERS:
        return _("Documents:");
    case COMMAND_RECORDS:
        return _("The ledger:");
    case COMMAND_GENERAL:
        return _("Help:");
    case COMMAND_GROUPS:
        break;
    }
    PL_UNREACHABLE();
}

static struct pl_status print_group(enum command_group group, struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "\n%s\n", group_title(group)));
    for (size_t i = 0; i < commands_count(); i++) {
        const struct command *command = commands_at(i);
        char left[120];
        if (command->group != group)
            continue;
        (void)snprintf(left, sizeof(left), "  %s%s%s", command->name,
                       command->args[0] == '\0' ? "" : " ", command->args);
        PL_TRY(print_pair(out, left, _(command->words), HELP_INDENT));
    }
    return pl_ok();
}

static struct pl_status print_overview(struct pl_buf *out)
{
    PL_TRY(pl_buf_printf(out, "%s\n\n", _("pledge [OPTIONS] COMMAND ...")));
    PL_TRY(print_wrapped(out,
                         _("The ledger of a trust fund: who promised what, which places are "
                           "taken, what was paid."),
                         0, 0));
    for (int group = 0; group < COMMAND_GROUPS; group++)
        PL_TRY(print_group((enum command_group)group, out));
    PL_TRY(pl_buf_printf(out, "\n%s\n", _("Options of every command:")));
    PL_TRY(print_options(out, OPTIONS_EVERY));
    PL_TRY(pl_buf_append_str(out, "\n"));
    PL_TRY(print_wrapped(out,
                         _("PLEDGE_CONFIG and PLEDGE_PROFILE stand for --config and --profile. A "
                           "profile is a section of an INI file with the keys server, ca, cert, "
                           "key, format, lang, timeout."),
                         0, 0));
    PL_TRY(
        print_wrapped(out,
                      _("For scripts: plain is tab-separated without a header ('-' is absent; "
                        "\\t \\n \\r \\\\ stand for themselves inside values, \\u202e and the like "
                        "for marks that steer a terminal or turn a line; csv has a blank for "
                        "those), csv follows RFC 4180, json is one object; none of them depends on "
                        "the language. NO_COLOR "
                        "is respected. Nothing ever asks a question."),
                      0, 0));
    return print_wrapped(out, _("'pledge help COMMAND' explains one command."), 0, 0);
}

struct pl_status help_print(const struct command *command, struct pl_buf *out)
{
    return command == NULL ? print_overview(out) : print_command(command, out);
}

/* "help contributor" stands for all commands that begin with that word. */
static struct pl_status print_family(const char *word, size_t *ret_found, struct pl_buf *out)
{
    size_t len = strlen(word);
    for (size_t i = 0; i < commands_count(); i++) {
        const struct command *command = commands_at(i);
        if (strncmp(command->name, word, len) != 0 || command->name[len] != ' ')
            continue;
        if ((*ret_found)++ > 0)
            PL_TRY(pl_buf_append_str(out, "\n---\n\n"));
        PL_TRY(print_command(command, out));
    }
    return pl_ok();
}

struct pl_status cmd_help(struct cli *cli)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, 256 << 10);
    size_t used = 0, found = 0;
    if (cli->arg_count == 0) {
        PL_TRY(help_print(NULL, &text));
        return cli_print(cli, &text);
    }
    const struct command *command = commands_find(cli->arg, cli->arg_count, &used);
    if (command != NULL && used == cli->arg_count) {
        PL_TRY(help_print(command, &text));
        return cli_print(cli, &text);
    }
    if (cli->arg_count == 1)
        PL_TRY(print_family(cli->arg[0], &found, &text));
    if (found > 0)
        return cli_print(cli, &text);
    const char *near = commands_nearest(cli->arg, cli->arg_count);
    return failure_usage(&cli->failure,
                         near == NULL ? _("there is no command '%s'%s")
                                      : _("there is no command '%s'; did you mean '%s'?"),
                         cli->arg[0], near == NULL ? "" : near);
}
