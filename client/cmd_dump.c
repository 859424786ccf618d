/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_dump: where a dump goes. A file is written as FILE.part and gets its name only when it is
 * complete and on disk; stdout gets the stream as it comes, and the exit code says if it was whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/dump.h"
#include "client/input.h"
#include "common/check.h"

static struct pl_status read_form(struct cli *cli, enum dump_form *ret)
{
    static const char *const names[] = {"bin", "jsonl", "csv"};
    const char *text = options_get(&cli->options, OPTION_AS);
    *ret = DUMP_BIN;
    for (size_t i = 0; text != NULL && i < PL_COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum dump_form)i;
            return pl_ok();
        }
    }
    if (text == NULL)
        return pl_ok();
    return failure_usage(&cli->failure, _("--%s %s: one of these is needed: %s"), "as", text,
                         "bin, jsonl, csv");
}

static struct pl_status cannot_write(struct cli *cli, const char *path)
{
    return failure_set(&cli->failure, PL_E_IO, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       _("%s cannot be written: %s"), path, strerrordesc_np(errno));
}

static struct pl_status stream_to(struct cli *cli, enum dump_form form, int fd,
                                  const Pledged__V1__DumpRequest *request)
{
    struct dump dump PL_CLEANUP(dump_fini);
    dump_init(&dump, form, fd, request->from_seq);
    PL_TRY(session_dump(cli->session, request, dump_take, &dump));
    struct pl_status status = dump_finish(&dump);
    if (status.code == PL_E_UNAVAILABLE)
        return failure_set(&cli->failure, status.code, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           "%s", _("the dump breaks off before its end"));
    return status;
}

static struct pl_status stream_to_file(struct cli *cli, enum dump_form form, const char *path,
                                       const Pledged__V1__DumpRequest *request)
{
    const char *part = pl_arena_printf(&cli->arena, "%s.part", path);
    if (part == NULL)
        return pl_fail(TOO_BIG, "the request does not fit into memory");
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return cannot_write(cli, part);
    struct pl_status status = stream_to(cli, form, fd, request);
    if (pl_is_ok(status) && fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        status = cannot_write(cli, part);
    if (close(fd) != 0 && pl_is_ok(status))
        status = cannot_write(cli, part);
    if (pl_is_ok(status) && rename(part, path) != 0)
        status = cannot_write(cli, path);
    if (!pl_is_ok(status))
        (void)unlink(part);
    return status;
}

struct pl_status cmd_dump(struct cli *cli)
{
    enum dump_form form;
    int64_t from = 0, to = 0;
    Pledged__V1__DumpRequest request = PLEDGED__V1__DUMP_REQUEST__INIT;
    PL_TRY(read_form(cli, &form));
    PL_TRY(options_number(&cli->options, OPTION_FROM_SEQ, 1, INT64_MAX, &from, &cli->failure));
    PL_TRY(options_number(&cli->options, OPTION_TO_SEQ, 1, INT64_MAX, &to, &cli->failure));
    request.from_seq = (uint64_t)from;
    request.to_seq = (uint64_t)to;
    const char *path = options_get(&cli->options, OPTION_OUTPUT);
    bool to_stdout = path == NULL || strcmp(path, "-") == 0;
    if (to_stdout && form == DUMP_BIN && isatty(STDOUT_FILENO) == 1)
        return failure_usage(
            &cli->failure, "%s",
            _("a terminal cannot show the binary form: give -o FILE or --as jsonl"));
    PL_TRY(cli_open(cli));
    if (to_stdout)
        return stream_to(cli, form, STDOUT_FILENO, &request);
    return stream_to_file(cli, form, path, &request);
}
