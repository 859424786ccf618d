/* SPDX-License-Identifier: Apache-2.0
 *
 * main: the command line of `pledged`: a table of commands, one configuration file.
 */
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/standard.h"
#include "server/config.h"
#include "server/daemon.h"
#include "server/tools.h"

static const struct command_row {
    const char *name;
    /* one of the two */
    int (*run)(const struct config *config);
    int (*run_with)(const struct config *config, const struct tools_words *words);
    bool takes_dir;     /* or a file */
    const char *option; /* that it takes beside --config; NULL: none */
    const char *help;
} commands[] = {
    {"run", daemon_run, NULL, false, NULL, "run in the foreground (the default)"},
    {"init", tools_init, NULL, false, NULL,
     "make the data directory, the ledger's identity and its signing key"},
    {"newkey FILE", NULL, tools_newkey, true, NULL,
     "make another signing key, to take over from the one in use"},
    {"check-config", tools_check_config, NULL, false, NULL,
     "check the configuration and the certificates"},
    {"fsck", tools_fsck, NULL, false, NULL, "read and check the whole log, change nothing"},
    {"snapshot", tools_snapshot, NULL, false, NULL,
     "write a snapshot of the state, so that starting is quick"},
    {"backup DIR", NULL, tools_backup, true, "--with-keys",
     "copy the ledger into DIR, beside a running daemon; again: what is new"},
    {"restore DIR", NULL, tools_restore, true, "--confirm-latest",
     "make the data directory from a backup; it is read-only until"},
    {"confirm", NULL, tools_confirm, false, "--size",
     "--size N: the restored ledger is the newest, entry N was the last one told"},
    {"accept-clock", tools_accept_clock, NULL, false, NULL,
     "the clock is right, however long the daemon was off"},
};

static void usage(FILE *to)
{
    (void)fputs("usage: pledged [COMMAND] --config FILE\n"
                "       pledged --version\n\n"
                "The daemon that keeps the append-only ledger of a trust fund.\n\n",
                to);
    for (size_t i = 0; i < PL_COUNT(commands); i++)
        (void)fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].help);
    (void)fputs("\nSIGTERM finishes what is running and ends. "
                "Exit codes: 0 done, 14 damaged log, 64 usage,\n"
                "66 no configuration file, 69 unavailable (port, lock, disk, clock), 78 "
                "configuration.\n",
                to);
}

static const struct command_row *find_command(const char *name)
{
    for (size_t i = 0; i < PL_COUNT(commands); i++) {
        size_t len = strcspn(commands[i].name, " ");
        if (strlen(name) == len && strncmp(commands[i].name, name, len) == 0)
            return &commands[i];
    }
    return NULL;
}

static int wrong(const char *what, const char *word)
{
    (void)fprintf(stderr, "pledged: %s '%s'\n\n", what, word);
    usage(stderr);
    return 64;
}

struct line { /* the command line */
    const struct command_row *command;
    const char *path;
    struct tools_words words;
    const char *option[3]; /* those that were given, but --config */
};

static int run(const struct line *line)
{
    char message[512] = "";
    struct config *config = NULL;
    struct pl_status status = config_load(line->path, message, sizeof(message), &config);
    if (!pl_is_ok(status)) {
        (void)fprintf(stderr, "pledged: %s\n", message);
        return pl_code_exit(status.code);
    }
    pl_log_setup(config->log_level, config->log_format);
    int code = line->command->run != NULL ? line->command->run(config)
                                          : line->command->run_with(config, &line->words);
    config_free(config);
    return code;
}

/* -1: go on. */
static int take_option(struct line *line, char **argv, int argc, int *i)
{
    const struct {
        const char *name;
        const char **value;
        bool *flag;
    } options[] = {
        {"--config", &line->path, NULL},
        {"--size", &line->words.size, NULL},
        {"--with-keys", NULL, &line->words.with_keys},
        {"--confirm-latest", NULL, &line->words.confirm_latest},
    };
    for (size_t k = 0; k < PL_COUNT(options); k++) {
        if (strcmp(argv[*i], options[k].name) != 0)
            continue;
        if (k != 0)
            line->option[k - 1] = options[k].name;
        if (options[k].flag != NULL) {
            *options[k].flag = true;
            return -1;
        }
        if (++*i == argc)
            return wrong("a value is missing after", options[k].name);
        *options[k].value = argv[*i];
        return -1;
    }
    return wrong("unknown option", argv[*i]);
}

static int take_word(struct line *line, const char *word)
{
    if (line->command == NULL) {
        line->command = find_command(word);
        return line->command == NULL ? wrong("unknown command", word) : -1;
    }
    if (!line->command->takes_dir || line->words.dir != NULL)
        return wrong("one word too many:", word);
    line->words.dir = word;
    return -1;
}

/* An option that means nothing to the command was meant to mean something. NULL: there is none. */
static const char *foreign_option(const struct line *line)
{
    const char *own = line->command->option;
    for (size_t i = 0; i < PL_COUNT(line->option); i++) {
        if (line->option[i] != NULL && (own == NULL || strcmp(own, line->option[i]) != 0))
            return line->option[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct line line = {.command = NULL};
    if (!pl_standard_take())
        return pl_code_exit(PL_E_UNAVAILABLE);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            (void)printf("pledged %s\n", PLEDGED_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "help") == 0) {
            usage(stdout);
            return 0;
        }
        int code =
            argv[i][0] == '-' ? take_option(&line, argv, argc, &i) : take_word(&line, argv[i]);
        if (code >= 0)
            return code;
    }
    if (line.command == NULL)
        line.command = &commands[0];
    const char *foreign = foreign_option(&line);
    if (foreign != NULL)
        return wrong("this command does not take", foreign);
    if (line.path == NULL || (line.command->takes_dir && line.words.dir == NULL)) {
        (void)fprintf(stderr, "pledged: %s is missing\n\n",
                      line.path == NULL ? "--config FILE" : strchr(line.command->name, ' ') + 1);
        usage(stderr);
        return 64;
    }
    return run(&line);
}
