/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_dump: where a dump goes. A file is written as FILE.part and gets its name only when it is
 * complete and on disk, with its checkpoint beside it in FILE.checkpoint; stdout gets the stream as
 * it comes, and the exit code says if it was whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/dump.h"
#include "client/input.h"
#include "client/progress.h"
#include "common/check.h"
#include "common/ids.h"

enum { KEPT_BYTES_MAX = 64 << 10 };

static struct pl_status read_form(struct cli *cli, enum dump_form *ret)
{
    static const char *const names[] = {"bin", "jsonl", "csv", "hledger", "beancount", "iati"};
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
                         "bin, jsonl, csv, hledger, beancount, iati");
}

static struct pl_status cannot_write(struct cli *cli, const char *path)
{
    return failure_set(&cli->failure, PL_E_IO, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       _("%s cannot be written: %s"), path, text_errno(errno));
}

/* How much there is to come, for the bar alone. */
struct watch {
    struct progress progress;
    uint64_t whole;
};

static void on_progress(void *arg, uint64_t seq)
{
    struct watch *watch = arg;
    progress_tell(&watch->progress, seq, watch->whole);
}

static struct pl_status begin_watch(struct cli *cli, const Pledged__V1__DumpRequest *request,
                                    struct watch *watch)
{
    Pledged__V1__GetStatusRequest ask = PLEDGED__V1__GET_STATUS_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    progress_init(&watch->progress, _("dumping"), cli->config.quiet);
    if (!watch->progress.shown)
        return pl_ok();
    PL_TRY(cli_read(cli, "GetStatus", &ask.base, &pledged__v1__get_status_response__descriptor,
                    &message));
    uint64_t size = ((const Pledged__V1__GetStatusResponse *)message)->size;
    watch->whole = request->to_seq == 0 || request->to_seq > size ? size : request->to_seq;
    return pl_ok();
}

/* *ret_checkpoint lives in the arena; NULL: the daemon sent none. */
static struct pl_status stream_to(struct cli *cli, struct dump_options *options,
                                  const Pledged__V1__DumpRequest *request,
                                  const char **ret_checkpoint)
{
    struct watch watch = {.whole = 0};
    PL_TRY(begin_watch(cli, request, &watch));
    options->on_progress = on_progress;
    options->arg = &watch;
    struct dump dump PL_CLEANUP(dump_fini);
    dump_init(&dump, options);
    struct pl_status status =
        session_stream(cli->session, "Dump", &request->base, dump_take, &dump);
    if (pl_is_ok(status))
        status = dump_finish(&dump);
    progress_end(&watch.progress);
    if (pl_is_ok(status) && dump.checkpoint != NULL)
        *ret_checkpoint = pl_arena_strdup(&cli->arena, dump.checkpoint);
    else if (pl_is_ok(status))
        (void)fprintf(
            stderr, "%s\n",
            _("Note: the daemon signs nothing at the moment, so no checkpoint vouches for "
              "this dump. Keep the checkpoints that you have; 'pledge status' says why."));
    if (status.code == PL_E_UNAVAILABLE && cli->failure.message[0] == '\0')
        return failure_set(&cli->failure, status.code, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                           "%s", _("the dump breaks off before its end"));
    return status;
}

/* Two that write one file would end with a mixture of both under its name, for a while. What the
 * other one has given its name meanwhile is not to be emptied. */
static struct pl_status open_part(struct cli *cli, const char *part, int *ret)
{
    struct stat opened, named;
    int fd = open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return cannot_write(cli, part);
    bool busy = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    busy = busy || fstat(fd, &opened) != 0 || stat(part, &named) != 0 ||
           opened.st_ino != named.st_ino || opened.st_dev != named.st_dev;
    struct pl_status status = pl_ok();
    if (busy)
        status = failure_set(&cli->failure, PL_E_BUSY, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                             _("another process writes %s"), part);
    else if (ftruncate(fd, 0) != 0 && errno != EINVAL)
        status = cannot_write(cli, part);
    if (pl_is_ok(status))
        *ret = fd;
    else
        (void)close(fd);
    return status;
}

static struct pl_status stream_to_file(struct cli *cli, struct dump_options *options,
                                       const char *path, const Pledged__V1__DumpRequest *request)
{
    const char *checkpoint = NULL;
    const char *part = pl_arena_printf(&cli->arena, "%s.part", path);
    const char *beside = pl_arena_printf(&cli->arena, "%s.checkpoint", path);
    if (part == NULL || beside == NULL)
        return text_no_memory();
    if (access(beside, F_OK) == 0) {
        struct pl_slice kept;
        PL_TRY(input_file(cli, beside, KEPT_BYTES_MAX, &kept));
        options->kept = (const char *)kept.data;
    }
    PL_TRY(open_part(cli, part, &options->fd));
    struct pl_status status = stream_to(cli, options, request, &checkpoint);
    if (pl_is_ok(status) && fsync(options->fd) != 0 && errno != EINVAL && errno != EROFS)
        status = cannot_write(cli, part);
    if (pl_is_ok(status) && checkpoint != NULL) {
        status = output_file(beside, pl_slice_str(checkpoint));
        errno = status.sys_errno;
        if (!pl_is_ok(status))
            status = cannot_write(cli, beside);
    }
    if (pl_is_ok(status) && rename(part, path) != 0)
        status = cannot_write(cli, path);
    if (!pl_is_ok(status))
        (void)unlink(part);
    /* what close would have to say, fsync has said; till here the name is ours */
    (void)close(options->fd);
    return status;
}

/* What was asked for, and what of it the daemon is asked for. */
static struct pl_status read_range(struct cli *cli, struct dump_options *options,
                                   Pledged__V1__DumpRequest *request)
{
    int64_t from = 0, to = 0;
    const char *pledge = options_get(&cli->options, OPTION_PLEDGE);
    PL_TRY(options_number(&cli->options, OPTION_FROM_SEQ, 1, INT64_MAX, &from, &cli->failure));
    PL_TRY(options_number(&cli->options, OPTION_TO_SEQ, 1, INT64_MAX, &to, &cli->failure));
    options->from_seq = (uint64_t)from;
    request->from_seq = dump_needs_all(options->form) ? 0 : (uint64_t)from;
    request->to_seq = options->to_seq = (uint64_t)to;
    if (pledge == NULL)
        return pl_ok();
    options->pledge = pl_id_parse_loose(pledge, 'P');
    if (options->form == DUMP_BIN)
        return failure_usage(
            &cli->failure, "%s",
            _("the binary form is the whole ledger: --pledge goes with the others"));
    if (options->pledge == 0)
        return failure_usage(&cli->failure, _("'%s' is no pledge (for example P000042)"), pledge);
    return pl_ok();
}

struct pl_status cmd_dump(struct cli *cli)
{
    struct dump_options options = {.fd = STDOUT_FILENO};
    Pledged__V1__DumpRequest request = PLEDGED__V1__DUMP_REQUEST__INIT;
    PL_TRY(read_form(cli, &options.form));
    PL_TRY(read_range(cli, &options, &request));
    options.safe = options_has(&cli->options, OPTION_SAFE);
    const char *path = options_get(&cli->options, OPTION_OUTPUT);
    bool to_stdout = path == NULL || strcmp(path, "-") == 0;
    if (options.safe && options.form != DUMP_CSV)
        return failure_usage(&cli->failure, "%s", _("--safe goes with --as csv"));
    if (to_stdout && options.form == DUMP_BIN && isatty(STDOUT_FILENO) == 1)
        return failure_usage(
            &cli->failure, "%s",
            _("a terminal cannot show the binary form: give -o FILE or --as jsonl"));
    PL_TRY(cli_open(cli));
    const char *checkpoint = NULL;
    if (to_stdout)
        return stream_to(cli, &options, &request, &checkpoint);
    return stream_to_file(cli, &options, path, &request);
}
