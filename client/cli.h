/* SPDX-License-Identifier: Apache-2.0
 *
 * cli: one run of the program: what was typed, what is configured, the connection, the failure, and
 * the arena that everything of the run lives in. Handed to every command. One thread.
 */
#ifndef CLIENT_CLI_H
#define CLIENT_CLI_H

#include "client/config.h"
#include "client/failure.h"
#include "client/options.h"
#include "client/output.h"
#include "client/session.h"
#include "client/text.h"

struct command;

struct cli {
    struct pl_arena arena;
    struct options options;
    struct config config;
    struct failure failure;
    const struct command *command;
    const char *const *arg; /* words after the command's name */
    size_t arg_count;
    struct session *session; /* opened by the first call */
    int answer;              /* exit code of a run that worked: 0, 1: no, 13: a proposal */
};

/* Everything from the command line to the exit code. */
int cli_main(int argc, char **argv);

/* A read by the session, which it opens if need be. */
PL_MUST_CHECK struct pl_status cli_read(struct cli *cli, const char *method,
                                        const ProtobufCMessage *request,
                                        const ProtobufCMessageDescriptor *type,
                                        ProtobufCMessage **ret);
/* Sees to it that days and moments (when.h) go by the time zone of the fund, as the daemon says it.
 * Needed before a day is read or counted: fails as a read does. An older daemon does not say it,
 * which is no failure. What is only shown asks by itself, and is shown in UTC if there is no
 * answer. */
PL_MUST_CHECK struct pl_status cli_zone(struct cli *cli);
/* The same from an answer that is there anyhow. */
void cli_take_zone(const Pledged__V1__GetStatusResponse *answer);
PL_MUST_CHECK struct pl_status cli_open(struct cli *cli);
/* Writes a sheet to stdout in the configured form. */
PL_MUST_CHECK struct pl_status cli_show(struct cli *cli, const struct sheet *sheet);
/* Writes text to stdout. */
PL_MUST_CHECK struct pl_status cli_print(struct cli *cli, const struct pl_buf *text);
/* A whole file or none (output_file); the failure names it. */
PL_MUST_CHECK struct pl_status cli_write_file(struct cli *cli, const char *path,
                                              struct pl_slice bytes);

#endif
