/* SPDX-License-Identifier: Apache-2.0
 *
 * judge: see judge.h.
 */
#include "server/judge.h"

#include <string.h>

#include "common/hash.h"
#include "server/private.h"
#include "server/proofs.h"

Pledged__V1__Refusal *judge_refusal(struct pl_arena *arena, Pledged__V1__Reason reason,
                                    const char *field, const char *message)
{
    Pledged__V1__Refusal *made = pl_arena_alloc(arena, sizeof(*made));
    if (made == NULL)
        return (Pledged__V1__Refusal *)(uintptr_t)&ledger_too_large;
    pledged__v1__refusal__init(made);
    made->reason = reason;
    made->field = (char *)(uintptr_t)field;
    made->message = (char *)(uintptr_t)message;
    return made;
}

static void item_refuse(struct command_item *item, Pledged__V1__Refusal *why,
                        const Pledged__V1__Command *msg)
{
    item->msg = NULL;
    item->code = ledger_reason_code(why->reason);
    item->refusal = why;
    if (why != &ledger_too_large)
        why->request_id = msg->request_id;
}

/* Nobody may put into the ledger that it was another one: an auditor's tool would find it wrong for
 * ever. The rules cannot know the root of a tree. NULL: it is this one, or none is named. */
static Pledged__V1__Refusal *head_wrong(const struct judge *judge, const Pledged__V1__Command *msg)
{
    struct pl_merkle_hash root;
    if (msg->command_case != PLEDGED__V1__COMMAND__COMMAND_CLOSE_PERIOD)
        return NULL;
    const Pledged__V1__ClosePeriod *close = msg->close_period;
    if (judge->proofs == NULL || !pl_is_ok(proofs_root(judge->proofs, close->head_size, &root)))
        return judge_refusal(judge->arena, PLEDGED__V1__REASON__REASON_FIELD_INVALID,
                             "close_period.head_size",
                             WORDS("no signed checkpoint of this ledger covers so many entries"));
    if (memcmp(root.bytes, close->head_root.data, sizeof(root.bytes)) != 0)
        return judge_refusal(judge->arena, PLEDGED__V1__REASON__REASON_FIELD_INVALID,
                             "close_period.head_root",
                             WORDS("this is not the root of the ledger at that size"));
    return NULL;
}

/* NULL: it is not too large. */
static Pledged__V1__Refusal *size_wrong(const Pledged__V1__Command *msg, struct pl_slice bytes,
                                        bool with_records, struct pl_arena *arena)
{
    bool import =
        with_records && msg->command_case == PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT;
    if (bytes.len <= (import ? LIMIT_IMPORT_BYTES : LIMIT_COMMAND_BYTES))
        return NULL;
    return judge_refusal(arena, PLEDGED__V1__REASON__REASON_TOO_BIG, "",
                         import ? "an import may have at most 1,048,576 bytes"
                                : "a command may have at most 65,536 bytes");
}

/* A command of before an upgrade may be asked again: whether there is an answer to it, only the
 * writer knows. */
static Pledged__V1__Refusal *form_wrong(struct command_item *item, const Pledged__V1__Command *msg,
                                        struct pl_arena *arena)
{
    Pledged__V1__Refusal *wrong = ledger_validate(msg, arena);
    item->objection = NULL;
    if (wrong == NULL || wrong == &ledger_too_large ||
        ledger_validate_by(LEDGER_RULES_FIRST, msg, arena) != NULL)
        return wrong;
    wrong->request_id = msg->request_id;
    item->objection = wrong;
    return NULL;
}

void judge_item(const struct judge *judge, struct command_item *item,
                const Pledged__V1__Command *msg, struct pl_slice bytes, bool with_records)
{
    struct pl_arena *arena = judge->arena;
    item->bytes = bytes;
    item->msg = msg;
    if (msg->command_case != PLEDGED__V1__COMMAND__COMMAND__NOT_SET &&
        !ledger_role_may(judge->role, msg->command_case, LEDGER_RULES)) {
        item_refuse(item,
                    judge_refusal(arena, PLEDGED__V1__REASON__REASON_PERMISSION_DENIED, "",
                                  "this role may not give this command"),
                    msg);
        return;
    }
    Pledged__V1__Refusal *wrong = size_wrong(msg, bytes, with_records, arena);
    if (wrong == NULL)
        wrong = form_wrong(item, msg, arena);
    if (wrong == NULL && !with_records && private_commitments(msg) != 0)
        wrong = judge_refusal(arena, PLEDGED__V1__REASON__REASON_FIELD_REQUIRED, "record",
                              "the record that this command commits to is missing: ExecutePrivate");
    if (wrong == NULL)
        wrong = head_wrong(judge, msg);
    if (wrong != NULL) {
        item_refuse(item, wrong, msg);
        return;
    }
    pl_sha256(bytes, item->digest);
}

Pledged__V1__Refusal *judge_records(const Pledged__V1__ExecutePrivateRequest *request,
                                    struct command *command)
{
    struct command_item *item = &command->item[0];
    struct persons_row *row = NULL;
    size_t count;
    Pledged__V1__Refusal *wrong =
        private_read(LEDGER_RULES, request, command->arena, &command->row, &command->row_count);
    if (wrong == NULL || wrong == &ledger_too_large ||
        private_read(LEDGER_RULES_FIRST, request, command->arena, &row, &count) != NULL)
        return wrong;
    if (item->objection == NULL) {
        wrong->request_id = item->msg->request_id;
        item->objection = wrong;
    }
    return NULL;
}
