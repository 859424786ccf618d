/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_verify: the four verdicts, asked for and printed. Verdicts are an answer: they stand on
 * standard output also when they are bad, and the exit code says which one is.
 */
#include "client/cmd_verify.h"

#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/progress.h"
#include "client/verify.h"

enum { KEYS_BYTES_MAX = 64 << 10, CHECKPOINT_BYTES_MAX = 64 << 10 };

struct pl_status cmd_verify_keys(struct cli *cli, const char **ret)
{
    const char *key = options_required(&cli->options, OPTION_KEY);
    struct pl_slice text;
    *ret = key;
    if (access(key, F_OK) != 0 && strchr(key, '+') != NULL)
        return pl_ok(); /* a key has a plus sign and is no file */
    if (access(key, F_OK) != 0)
        return failure_set(&cli->failure, PL_E_NO_INPUT, PLEDGED__V1__REASON__REASON_UNSPECIFIED,
                           "",
                           _("--key %s: neither a public key ('pledge status' shows it) nor a "
                             "file that holds one"),
                           key);
    PL_TRY(input_file(cli, key, KEYS_BYTES_MAX, &text));
    *ret = (const char *)text.data;
    return pl_ok();
}

struct pl_status cmd_verify_explain(struct cli *cli, const char *path, struct pl_status status)
{
    if (status.code == PL_E_NO_INPUT)
        return failure_set(&cli->failure, PL_E_NO_INPUT, PLEDGED__V1__REASON__REASON_UNSPECIFIED,
                           "", _("%s cannot be read: %s"), path, text_errno(status.sys_errno));
    if (status.code == PL_E_INVALID)
        return failure_set(&cli->failure, PL_E_INVALID, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           _("%s is no dump (--as bin), no mirror and no proof"), path);
    return status;
}

static struct pl_status read_since(struct cli *cli, const char **ret)
{
    const char *path = options_get(&cli->options, OPTION_SINCE);
    struct pl_slice text;
    if (path == NULL)
        return pl_ok();
    PL_TRY(input_file(cli, path, CHECKPOINT_BYTES_MAX, &text));
    *ret = (const char *)text.data;
    return pl_ok();
}

struct pl_status cmd_verify(struct cli *cli)
{
    struct progress progress;
    struct verify_report report;
    struct sheet sheet;
    struct verify_options options = {.path = cli->arg[0], .on_progress = progress_tell};
    options.quick = options_has(&cli->options, OPTION_QUICK);
    PL_TRY(cmd_verify_keys(cli, &options.keys));
    PL_TRY(read_since(cli, &options.since));
    progress_init(&progress, _("verifying"), cli->config.quiet);
    options.arg = &progress;
    struct pl_status status = verify_run(&options, &report);
    progress_end(&progress);
    if (!pl_is_ok(status))
        return cmd_verify_explain(cli, options.path, status);
    verify_sheet(&report, &sheet, &cli->arena);
    cli->answer = verify_exit(&report);
    return cli_show(cli, &sheet);
}
