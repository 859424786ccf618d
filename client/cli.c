/* SPDX-License-Identifier: Apache-2.0
 *
 * cli: command line, configuration, language, command, answer, exit code, in that order. Answers
 * are written at the very end, so that a failure leaves stdout empty.
 */
#include "client/cli.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/when.h"
#include "common/check.h"

enum { ARENA_BYTES = 1 << 30, ANSWER_BYTES = 1 << 30 };

struct pl_status cli_open(struct cli *cli)
{
    if (cli->session != NULL)
        return pl_ok();
    return session_open(&cli->config, &cli->arena, &cli->failure, &cli->session);
}

struct pl_status cli_read(struct cli *cli, const char *method, const ProtobufCMessage *request,
                          const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
    PL_TRY(cli_open(cli));
    return session_read(cli->session, method, request, type, ret);
}

void cli_take_zone(const Pledged__V1__GetStatusResponse *answer)
{
    PL_ASSERT(answer != NULL);
    when_ask(NULL, NULL); /* once is enough */
    if (answer->zone_case == PLEDGED__V1__GET_STATUS_RESPONSE__ZONE_TIME_ZONE) {
        struct pl_status status = when_use(answer->time_zone);
        (void)status; /* a rule of a form that a later version has: as if nothing was said */
    }
}

struct pl_status cli_zone(struct cli *cli)
{
    Pledged__V1__GetStatusRequest request = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    if (when_known())
        return pl_ok();
    PL_TRY(cli_read(cli, "GetStatus", &request.base, &pledged__v1__get_status_response__descriptor,
                    &message));
    cli_take_zone((const void *)message);
    return pl_ok();
}

/* For an answer that is there: it must not be lost or come late because of its times. */
static void glance_at_zone(void *arg)
{
    struct cli *cli = arg;
    Pledged__V1__GetStatusRequest request = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    if (cli->session == NULL)
        return;
    struct pl_status status =
        session_glance(cli->session, "GetStatus", &request.base,
                       &pledged__v1__get_status_response__descriptor, &message);
    if (pl_is_ok(status))
        cli_take_zone((const void *)message);
}

struct pl_status cli_print(struct cli *cli, const struct pl_buf *text)
{
    struct pl_status status = output_write(STDOUT_FILENO, pl_buf_slice(text));
    if (pl_is_ok(status))
        return status;
    return failure_set(&cli->failure, PL_E_IO, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       _("the answer cannot be written: %s"), text_errno(status.sys_errno));
}

struct pl_status cli_write_file(struct cli *cli, const char *path, struct pl_slice bytes)
{
    struct pl_status status = output_file(path, bytes);
    if (pl_is_ok(status))
        return status;
    return failure_set(&cli->failure, PL_E_IO, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       _("%s cannot be written: %s"), path, text_errno(status.sys_errno));
}

struct pl_status cli_show(struct cli *cli, const struct sheet *sheet)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, ANSWER_BYTES);
    PL_TRY(sheet_print(sheet, cli->config.format, cli->config.color, &text));
    return cli_print(cli, &text);
}

static struct pl_status print_version(struct cli *cli)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, 256);
    PL_TRY(pl_buf_append_str(&text, "pledge " PLEDGED_VERSION "\n"));
    return cli_print(cli, &text);
}

static struct pl_status print_help(struct cli *cli, const struct command *command)
{
    struct pl_buf text PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&text, 64 << 10);
    PL_TRY(help_print(command, &text));
    return cli_print(cli, &text);
}

static struct pl_status find_command(struct cli *cli)
{
    const struct options *options = &cli->options;
    if (options->arg_count == 0)
        return failure_usage(&cli->failure, "%s", _("say what to do: 'pledge help' lists it"));
    size_t used = 0;
    cli->command = commands_find(options->arg, options->arg_count, &used);
    if (cli->command != NULL) {
        cli->arg = options->arg + used;
        cli->arg_count = options->arg_count - used;
        return pl_ok();
    }
    const char *near = commands_nearest(options->arg, options->arg_count);
    if (near != NULL)
        return failure_usage(&cli->failure, _("there is no command '%s'; did you mean '%s'?"),
                             options->arg[0], near);
    return failure_usage(&cli->failure, _("there is no command '%s' ('pledge help' lists them)"),
                         options->arg[0]);
}

/* Programs read one language; words for people follow the configuration. */
static void use_language(const struct config *config)
{
    text_use(config->format == OUTPUT_JSON ? TEXT_ENGLISH : config->language);
}

static struct pl_status run(struct cli *cli, int argc, char **argv)
{
    bool terminal = isatty(STDOUT_FILENO) == 1;
    config_guess(argc, argv, terminal, &cli->config);
    use_language(&cli->config);
    PL_TRY(options_parse(argc, argv, &cli->options, &cli->failure));
    if (options_has(&cli->options, OPTION_VERSION))
        return print_version(cli);
    if (options_has(&cli->options, OPTION_HELP) && cli->options.arg_count == 0)
        return print_help(cli, NULL);
    PL_TRY(find_command(cli));
    if (options_has(&cli->options, OPTION_HELP))
        return print_help(cli, cli->command);
    PL_TRY(commands_check(cli));
    if (cli->command->run == cmd_help) /* needs no configuration, and must work without one */
        return cli->command->run(cli);
    PL_TRY(
        cli->command->offline
            ? config_load_offline(&cli->options, terminal, &cli->arena, &cli->config, &cli->failure)
            : config_load(&cli->options, terminal, &cli->arena, &cli->config, &cli->failure));
    use_language(&cli->config);
    return cli->command->run(cli);
}

static void tell(struct cli *cli, struct pl_status status)
{
    failure_complete(&cli->failure, status);
    if (cli->config.format == OUTPUT_JSON) {
        struct pl_buf text PL_CLEANUP(pl_buf_fini);
        pl_buf_init(&text, 64 << 10);
        if (pl_is_ok(failure_json(&cli->failure, &text))) {
            struct pl_status told = output_write(STDERR_FILENO, pl_buf_slice(&text));
            (void)told; /* nowhere left to say it */
            return;
        }
    }
    failure_words(&cli->failure, stderr);
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    pl_arena_init(&cli.arena, ARENA_BYTES);
    (void)signal(SIGPIPE, SIG_IGN);
    when_ask(glance_at_zone, &cli);
    struct pl_status status = run(&cli, argc, argv);
    int code = pl_is_ok(status) ? cli.answer : pl_code_exit(status.code);
    if (!pl_is_ok(status))
        tell(&cli, status);
    when_ask(NULL, NULL);
    session_close(cli.session);
    pl_arena_fini(&cli.arena);
    return code;
}
