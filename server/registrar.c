/* SPDX-License-Identifier: Apache-2.0
 *
 * registrar: see registrar.h. One box for both directions: a command's phase says where it comes
 * from.
 */
#include "server/registrar.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/log.h"

enum { RETRY_MS = 1000, STEADY_MS = 60000 };

struct registrar {
    struct persons *persons;
    struct pl_mailbox *from_workers; /* bounded */
    struct pl_mailbox *from_writer;  /* what came in once comes back: bounded by the other one */
    struct pl_mailbox *writer;
    struct command *under_way; /* at the writer, with rows; linked by next_private */
    struct pl_buf undone;      /* commitments to erase that the file was too busy for */
    int stop_fd;
    pthread_t thread;
    bool running, cannot_keep;
};

/* --- answers --- */

static void go_home(struct command *command)
{
    PL_ASSERT(command->phase == COMMAND_DONE);
    command->home = command->worker_home;
    bool posted = pl_mailbox_post(command->home, &command->mail);
    PL_ASSERT(posted); /* no limit there */
}

static void refuse(struct command *command, enum pl_code code, Pledged__V1__Reason reason,
                   const char *message)
{
    Pledged__V1__Refusal *refusal = pl_arena_alloc(command->arena, sizeof(*refusal));
    command->code = code;
    command->refusal = refusal;
    command->phase = COMMAND_DONE;
    if (refusal != NULL) {
        pledged__v1__refusal__init(refusal);
        refusal->reason = reason;
        refusal->message = (char *)(uintptr_t)message;
        refusal->retryable = pl_code_retryable(code);
    }
    go_home(command);
}

/* --- erasing --- */

static struct pl_status erase(struct registrar *registrar, const struct pl_slice *commitment,
                              size_t count)
{
    struct pl_status status = persons_erase(registrar->persons, commitment, count);
    if (pl_is_ok(status))
        return status;
    pl_log_status(PL_LOG_ERROR, "registrar", "records are not erased yet; trying again", status);
    for (size_t i = 0; i < count; i++) {
        struct pl_status kept =
            pl_buf_append(&registrar->undone, commitment[i].data, commitment[i].len);
        if (!pl_is_ok(kept)) /* the next start reads it from the ledger */
            pl_log_status(PL_LOG_ERROR, "registrar", "restart the daemon to erase", kept);
    }
    return status;
}

static void erase_again(struct registrar *registrar)
{
    struct pl_slice all = pl_buf_slice(&registrar->undone);
    bool fine = true;
    for (size_t at = 0; at + LEDGER_COMMITMENT_BYTES <= all.len && fine;
         at += LEDGER_COMMITMENT_BYTES) {
        struct pl_slice one = pl_slice(all.data + at, LEDGER_COMMITMENT_BYTES);
        fine = pl_is_ok(persons_erase(registrar->persons, &one, 1));
    }
    if (!fine)
        return;
    pl_buf_clear(&registrar->undone);
    pl_log_info("registrar", "the records are erased now", "count=%zu",
                all.len / LEDGER_COMMITMENT_BYTES);
}

/* --- on the way there --- */

static bool same_row(const struct persons_row *a, const struct persons_row *b)
{
    return memcmp(a->commitment, b->commitment, sizeof(a->commitment)) == 0;
}

/* Whether the record is to be taken away if all of the others under way that bring it as well come
 * to nothing. False: there are none. */
static bool leave_to_others(const struct registrar *registrar, const struct command *command,
                            const struct persons_row *row, bool is_new)
{
    bool found = false;
    for (const struct command *other = registrar->under_way; other != NULL;
         other = other->next_private) {
        for (size_t i = 0; other != command && i < other->row_count; i++) {
            if (same_row(&other->row[i], row)) {
                other->row[i].is_new = is_new;
                found = true;
            }
        }
    }
    return found;
}

/* Takes away what this command brought, unless somebody else brings it too: the last one does then.
 * Of one that was recorded, what none of its entries commits to. */
static void withdraw(struct registrar *registrar, const struct command *command, bool recorded)
{
    struct pl_slice *commitment =
        pl_arena_alloc(command->arena, (command->row_count + 1) * sizeof(*commitment));
    size_t count = 0;
    for (size_t i = 0; i < command->row_count; i++) {
        const struct persons_row *row = &command->row[i];
        if (row->is_new && !(recorded && row->named) &&
            !leave_to_others(registrar, command, row, true) && commitment != NULL)
            commitment[count++] = pl_slice(row->commitment, sizeof(row->commitment));
    }
    if (count != 0)
        (void)pl_is_ok(erase(registrar, commitment, count));
}

/* Entries commit to these records, or may: whoever else brings one has nothing to take away. */
static void claim(const struct registrar *registrar, const struct command *command, bool all)
{
    for (size_t i = 0; i < command->row_count; i++) {
        if (all || command->row[i].named)
            (void)leave_to_others(registrar, command, &command->row[i], false);
    }
}

static void forget(struct registrar *registrar, const struct command *command)
{
    struct command **at = &registrar->under_way;
    while (*at != NULL && *at != command)
        at = &(*at)->next_private;
    if (*at != NULL)
        *at = command->next_private;
}

/* What a command brings again is not to be erased any more for what happened to it before; if it
 * comes to nothing once more, withdraw takes it away as if it were new. */
static void spare(struct registrar *registrar, const struct command *command)
{
    uint8_t *all = registrar->undone.data + registrar->undone.start;
    size_t len = pl_buf_len(&registrar->undone), kept = 0;
    for (size_t at = 0; at + LEDGER_COMMITMENT_BYTES <= len; at += LEDGER_COMMITMENT_BYTES) {
        bool brought = false;
        for (size_t i = 0; i < command->row_count; i++) {
            if (memcmp(command->row[i].commitment, all + at, LEDGER_COMMITMENT_BYTES) == 0)
                brought = command->row[i].is_new = true;
        }
        if (!brought) {
            memmove(all + kept, all + at, LEDGER_COMMITMENT_BYTES);
            kept += LEDGER_COMMITMENT_BYTES;
        }
    }
    registrar->undone.end = registrar->undone.start + kept;
}

/* Once, and not for each of those who try again and again. */
static void tell_keeping(struct registrar *registrar, struct pl_status status)
{
    bool failed = !pl_is_ok(status);
    if (failed && !registrar->cannot_keep)
        pl_log_status(PL_LOG_ERROR, "registrar", "cannot keep records", status);
    if (!failed && registrar->cannot_keep)
        pl_log_info("registrar", "records are kept again", "file=%s", PERSONS_FILE);
    registrar->cannot_keep = failed;
}

static void pass_on(struct registrar *registrar, struct command *command)
{
    bool dry = command->item_count == 1 && command->item[0].msg->dry_run;
    if (command->row_count != 0 && !dry) {
        struct pl_status status = persons_put(registrar->persons, command->row, command->row_count);
        tell_keeping(registrar, status);
        if (!pl_is_ok(status)) {
            bool full = status.code == PL_E_NO_SPACE;
            refuse(command, full ? PL_E_NO_SPACE : PL_E_UNAVAILABLE,
                   full ? PLEDGED__V1__REASON__REASON_NO_SPACE
                        : PLEDGED__V1__REASON__REASON_UNAVAILABLE,
                   "the record cannot be kept now; nothing was recorded; repeat with the same "
                   "request id");
            return;
        }
        if (pl_buf_len(&registrar->undone) != 0)
            spare(registrar, command);
        command->next_private = registrar->under_way;
        registrar->under_way = command;
    }
    command->home = registrar->from_writer;
    if (pl_mailbox_post(registrar->writer, &command->mail))
        return;
    withdraw(registrar, command, false);
    forget(registrar, command);
    command->code = PL_E_BUSY;
    command->phase = COMMAND_DONE;
    go_home(command);
}

/* --- on the way back --- */

/* It may be recorded. */
static bool is_unsure(const struct command *command)
{
    return command->code == PL_E_UNKNOWN_OUTCOME ||
           (command->item_count != 0 && command->item[0].code == PL_E_UNKNOWN_OUTCOME);
}

static void keep_or_withdraw(struct registrar *registrar, struct command *command)
{
    const Pledged__V1__Receipt *receipt =
        command->code == PL_E_OK ? command->item[0].receipt : NULL;
    bool recorded = receipt != NULL && receipt->kind == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
    forget(registrar, command);
    if (is_unsure(command)) {
        claim(registrar, command, true);
        return; /* marked as pending: the next start finds out */
    }
    withdraw(registrar, command,
             recorded); /* of a repeated one the rows are there, or were erased */
    if (!recorded)
        return;
    claim(registrar, command, false);
    size_t count = 0;
    for (size_t i = 0; i < command->row_count; i++) {
        if (command->row[i].named)
            command->row[count++] = command->row[i];
    }
    struct pl_status status = persons_settle(registrar->persons, command->row, count);
    if (!pl_is_ok(status)) /* the row is there, and the next start says that it stays */
        pl_log_status(PL_LOG_WARNING, "registrar", "a record is kept, but still marked as pending",
                      status);
}

static void erase_what_it_says(struct registrar *registrar, const struct command *command)
{
    PL_ASSERT(!command->only_packed); /* its outcomes are there to be looked at */
    for (size_t i = 0; command->code == PL_E_OK && i < command->item_count; i++) {
        const Pledged__V1__Receipt *receipt = command->item[i].receipt;
        if (receipt == NULL || receipt->outcome == NULL || receipt->outcome->n_erased == 0 ||
            receipt->kind == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_DRY_RUN)
            continue;
        size_t count = receipt->outcome->n_erased;
        struct pl_slice *commitment = calloc(count, sizeof(*commitment));
        PL_ASSERT(commitment != NULL);
        for (size_t j = 0; j < count; j++)
            commitment[j] =
                pl_slice(receipt->outcome->erased[j].data, receipt->outcome->erased[j].len);
        (void)pl_is_ok(erase(registrar, commitment, count));
        free(commitment);
    }
}

/* --- reading --- */

static Pledged__V1__PrivateRecord *read_one(struct registrar *registrar, struct command *command,
                                            ProtobufCBinaryData commitment, enum pl_code *ret_code)
{
    struct pl_slice record;
    struct pl_status status = persons_get(
        registrar->persons, pl_slice(commitment.data, commitment.len), command->arena, &record);
    if (status.code == PL_E_NOT_FOUND)
        return NULL;
    Pledged__V1__PrivateRecord *made =
        pl_is_ok(status) ? pl_arena_alloc(command->arena, sizeof(*made)) : NULL;
    if (made == NULL) {
        *ret_code = pl_is_ok(status) ? PL_E_TOO_BIG : status.code;
        pl_log_status(PL_LOG_ERROR, "registrar", "cannot read a record", status);
        return NULL;
    }
    pledged__v1__private_record__init(made);
    made->commitment = commitment;
    made->record = (ProtobufCBinaryData){record.len, (uint8_t *)(uintptr_t)record.data};
    return made;
}

static void read_records(struct registrar *registrar, struct command *command)
{
    const Pledged__V1__GetPrivateRecordsRequest *request = (const void *)command->request;
    Pledged__V1__GetPrivateRecordsResponse *response =
        pl_arena_alloc(command->arena, sizeof(*response));
    Pledged__V1__PrivateRecord **list =
        pl_arena_alloc(command->arena, (request->n_commitment + 1) * sizeof(*list));
    enum pl_code code = response == NULL || list == NULL ? PL_E_TOO_BIG : PL_E_OK;
    if (code == PL_E_OK) {
        pledged__v1__get_private_records_response__init(response);
        response->record = list;
    }
    for (size_t i = 0; code == PL_E_OK && i < request->n_commitment; i++) {
        Pledged__V1__PrivateRecord *one =
            read_one(registrar, command, request->commitment[i], &code);
        if (one != NULL)
            response->record[response->n_record++] = one;
    }
    if (code == PL_E_TOO_BIG) {
        refuse(command, code, PLEDGED__V1__REASON__REASON_TOO_BIG,
               "so many records do not fit into one answer");
        return;
    }
    if (code != PL_E_OK) {
        refuse(command, code, PLEDGED__V1__REASON__REASON_UNAVAILABLE,
               "the records of persons cannot be read now");
        return;
    }
    command->response = &response->base;
    command->phase = COMMAND_DONE;
    go_home(command);
}

/* --- the thread --- */

static void take_all(struct registrar *registrar, struct pl_mailbox *box)
{
    struct pl_mail *mail = pl_mailbox_take(box);
    while (mail != NULL) {
        struct pl_mail *next = mail->next;
        struct command *command = (struct command *)mail; /* mail is the first member */
        if (command->phase == COMMAND_QUEUED && command->kind == COMMAND_RECORDS) {
            read_records(registrar, command);
        } else if (command->phase == COMMAND_QUEUED) {
            pass_on(registrar, command);
        } else {
            if (command->row_count != 0)
                keep_or_withdraw(registrar, command);
            erase_what_it_says(registrar, command);
            go_home(command);
        }
        mail = next;
    }
}

static void *run(void *arg)
{
    struct registrar *registrar = arg;
    struct pollfd fds[] = {{.fd = pl_mailbox_fd(registrar->from_workers), .events = POLLIN},
                           {.fd = pl_mailbox_fd(registrar->from_writer), .events = POLLIN},
                           {.fd = registrar->stop_fd, .events = POLLIN}};
    (void)pthread_setname_np(pthread_self(), "registrar");
    while ((fds[2].revents & POLLIN) == 0) {
        int wait_ms = pl_buf_len(&registrar->undone) != 0 ? RETRY_MS : STEADY_MS;
        int found = poll(fds, PL_COUNT(fds), wait_ms);
        PL_ASSERT(found >= 0 || errno == EINTR);
        take_all(registrar, registrar->from_writer);
        take_all(registrar, registrar->from_workers);
        if (pl_buf_len(&registrar->undone) != 0)
            erase_again(registrar);
    }
    return NULL;
}

static void report(const struct persons_report *found)
{
    if (found->erased + found->withdrawn != 0)
        pl_log_warning("registrar", "records were taken away that the ledger does not keep",
                       "erased=%zu withdrawn=%zu", found->erased, found->withdrawn);
    if (found->missing + found->unknown != 0)
        pl_log_error("registrar", "the file of persons does not fit the ledger",
                     "missing=%zu unknown=%zu", found->missing, found->unknown);
}

static struct pl_status set_up(struct registrar *registrar, const struct registrar_options *options)
{
    char path[4096];
    struct persons_report found;
    (void)snprintf(path, sizeof(path), "%s/" PERSONS_FILE, options->data);
    PL_TRY(persons_open(path, PERSONS_WRITE, &registrar->persons));
    PL_TRY(persons_reconcile(registrar->persons, options->ledger, options->unnamed, &found));
    report(&found);
    PL_TRY(pl_mailbox_new(options->inbox_limit, &registrar->from_workers));
    PL_TRY(pl_mailbox_new(0, &registrar->from_writer));
    registrar->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (registrar->stop_fd < 0)
        return pl_fail_errno(UNAVAILABLE, "start the registrar's thread");
    if (pthread_create(&registrar->thread, NULL, run, registrar) != 0)
        return pl_fail(UNAVAILABLE, "start the registrar's thread");
    registrar->running = true;
    return pl_ok();
}

struct pl_status registrar_new(const struct registrar_options *options, struct registrar **ret)
{
    struct registrar *registrar = calloc(1, sizeof(*registrar));
    PL_ASSERT(registrar != NULL);
    registrar->writer = options->writer;
    registrar->stop_fd = -1;
    pl_buf_init(&registrar->undone, 1 << 20);
    struct pl_status status = set_up(registrar, options);
    if (!pl_is_ok(status)) {
        registrar_free(registrar);
        return status;
    }
    *ret = registrar;
    return pl_ok();
}

bool registrar_has_room(const struct registrar *registrar)
{
    return !pl_mailbox_full(registrar->from_workers);
}

bool registrar_post(struct registrar *registrar, struct command *command)
{
    command->worker_home = command->home;
    return pl_mailbox_post(registrar->from_workers, &command->mail);
}

void registrar_free(struct registrar *registrar)
{
    if (registrar == NULL)
        return;
    if (registrar->running) {
        uint64_t one = 1;
        ssize_t written = write(registrar->stop_fd, &one, sizeof(one));
        PL_ASSERT(written == sizeof(one));
        int failed = pthread_join(registrar->thread, NULL);
        PL_ASSERT(failed == 0);
    }
    pl_mailbox_free(registrar->from_workers);
    pl_mailbox_free(registrar->from_writer);
    persons_close(registrar->persons);
    pl_buf_fini(&registrar->undone);
    if (registrar->stop_fd >= 0)
        (void)close(registrar->stop_fd);
    free(registrar);
}
