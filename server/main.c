/* SPDX-License-Identifier: Apache-2.0
 *
 * main: the command line of `pledged`: a table of commands, one configuration file.
 */
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "server/config.h"
#include "server/daemon.h"
#include "server/tools.h"

static const struct command_row {
    const char *name;
    int (*run)(const struct config *config);
    const char *help;
} commands[] = {
    {"run", daemon_run, "run in the foreground (the default)"},
    {"init", tools_init, "make the data directory, the ledger's identity and its signing key"},
    {"check-config", tools_check_config, "check the configuration and the certificates"},
    {"fsck", tools_fsck, "read and check the whole log, change nothing"},
    {"snapshot", tools_snapshot, "write a snapshot of the state, so that starting is quick"},
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
                "69 unavailable (port, lock, disk), 78 configuration.\n",
                to);
}

static const struct command_row *find_command(const char *name)
{
    for (size_t i = 0; i < PL_COUNT(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
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

static int run(const struct command_row *command, const char *path)
{
    char message[512] = "";
    struct config *config = NULL;
    struct pl_status status = config_load(path, message, sizeof(message), &config);
    if (!pl_is_ok(status)) {
        (void)fprintf(stderr, "pledged: %s\n", message);
        return pl_code_exit(status.code);
    }
    pl_log_setup(config->log_level, config->log_format);
    int code = command->run(config);
    config_free(config);
    return code;
}

int main(int argc, char **argv)
{
    const struct command_row *command = &commands[0];
    const char *path = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            (void)printf("pledged %s\n", PLEDGED_VERSION);
            return 0;
        }
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "help") == 0) {
            usage(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--config") == 0) {
            if (++i == argc)
                return wrong("a file name is missing after", "--config");
            path = argv[i];
        } else if (argv[i][0] == '-') {
            return wrong("unknown option", argv[i]);
        } else if ((command = find_command(argv[i])) == NULL) {
            return wrong("unknown command", argv[i]);
        }
    }
    if (path == NULL) {
        (void)fputs("pledged: --config FILE is missing\n\n", stderr);
        usage(stderr);
        return 64;
    }
    return run(command, path);
}
