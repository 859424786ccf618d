/* SPDX-License-Identifier: Apache-2.0
 *
 * camt: a statement file of a bank, through the client's reading into the daemon's rules. What was
 * understood must add up by an addition of its own, must pass the shape check of the daemon and be
 * taken by its rules, and a second import of the same file must record nothing. First byte: bit 0
 * is --ours.
 */
#include "client/bankfile.h"
#include "common/hash.h"
#include "common/scan.h"
#include "fuzz.h"
#include "server/ledger/ledger.h"

enum { ARENA_BYTES = 32 << 20, MOVEMENTS_DECIDED_MAX = 100 };

struct run {
    struct ledger *ledger;
    struct pl_arena arena;
    int64_t now_us;
};

/* opening + movements + what is left out = closing; 128 bits, so that nothing can overflow. */
static void adds_up(const Pledged__V1__BankStatement *bank)
{
    __int128 sum = bank->opening_minor;
    for (size_t i = 0; i < bank->n_movement; i++)
        sum += bank->movement[i]->minor;
    if (bank->remainder != NULL)
        sum += bank->remainder->minor;
    FUZZ_HOLDS(bank->kind == PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_NOTIFICATION ||
               sum == bank->closing_minor);
}

static void apply(struct run *run, const struct ledger_decision *decision)
{
    FUZZ_HOLDS(decision->entry_count <= decision->entry_cap);
    for (size_t i = 0; i < decision->entry_count; i++) {
        FUZZ_HOLDS(pl_is_ok(ledger_check(run->ledger, decision->entry[i])));
        ledger_apply(run->ledger, decision->entry[i]);
    }
}

/* A ledger whose accounts are those of the file: then nothing in it is foreign. */
static void start(struct run *run, const Pledged__V1__ImportStatement *import)
{
    static const uint8_t id[LEDGER_REQUEST_ID_BYTES] = {7};
    static uint8_t sha256[32] = {9};
    Pledged__V1__RosterAdopted roster = PLEDGED__V1__ROSTER_ADOPTED__INIT;
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    Pledged__V1__PolicyAccount account[64], *list[64];
    roster.sha256 = policy.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    for (size_t i = 0; i < import->n_statement && i < PL_COUNT(list); i++) {
        pledged__v1__policy_account__init(&account[i]);
        account[i].account = (char *)(uintptr_t) "BANK";
        account[i].iban = import->statement[i]->account;
        account[i].currency = import->statement[i]->currency;
        account[i].shared = import->statement[i]->remainder != NULL;
        list[policy.n_account++] = &account[i];
    }
    policy.account = list;
    const struct ledger_start begin = {"example.org/fuzz", id, &roster, &policy};
    struct ledger_decision decision = {0};
    ledger_decide_start(run->ledger, &begin, run->now_us, &run->arena, &decision);
    apply(run, &decision);
}

static void decide(struct run *run, Pledged__V1__Command *command, uint8_t id,
                   struct ledger_decision *ret)
{
    static uint8_t request_id[LEDGER_REQUEST_ID_BYTES];
    request_id[0] = id;
    command->request_id = (ProtobufCBinaryData){sizeof(request_id), request_id};
    struct pl_slice packed = pl_pack(&command->base, &run->arena);
    struct ledger_request request = {
        .command = command,
        .bytes = packed,
        .actor = {"fuzz", PLEDGED__V1__ROLE__ROLE_CLERK, "uri:fuzz", "CN=fuzz"},
        .now_us = run->now_us,
    };
    pl_sha256(packed, request.digest);
    *ret = (struct ledger_decision){0};
    ledger_decide(run->ledger, &request, &run->arena, ret);
    FUZZ_HOLDS((ret->answer == LEDGER_ACCEPTED) == (ret->refusal == NULL));
    apply(run, ret);
    run->now_us += 1000000;
}

static size_t recorded(const struct ledger_decision *decision)
{
    size_t count = 0;
    for (size_t i = 0; i < decision->entry_count; i++)
        count += decision->entry[i]->fact_case == PLEDGED__V1__ENTRY__FACT_BANK_ENTRY_RECORDED;
    return count;
}

/* Taken once, with each movement at most once; taken again, nothing is new. */
static void is_taken_once(Pledged__V1__Command *command)
{
    const Pledged__V1__ImportStatement *import = command->import_statement;
    struct run run = {.ledger = ledger_new(), .now_us = 1767225600LL * 1000000};
    struct ledger_decision decision;
    size_t movements = 0;
    for (size_t i = 0; i < import->n_statement; i++)
        movements += import->statement[i]->n_movement;
    pl_arena_init(&run.arena, ARENA_BYTES);
    start(&run, import);
    decide(&run, command, 1, &decision);
    FUZZ_HOLDS(recorded(&decision) <= movements);
    bool accepted = decision.answer == LEDGER_ACCEPTED;
    decide(&run, command, 2, &decision);
    FUZZ_HOLDS(!accepted || (decision.answer == LEDGER_ACCEPTED && recorded(&decision) == 0));
    ledger_free(run.ledger);
    pl_arena_fini(&run.arena);
}

static void look_at(Pledged__V1__ImportStatement *import, struct pl_arena *arena)
{
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    uint8_t id[LEDGER_REQUEST_ID_BYTES] = {1};
    size_t movements = 0;
    for (size_t i = 0; i < import->n_statement; i++) {
        adds_up(import->statement[i]);
        movements += import->statement[i]->n_movement;
    }
    command.request_id = (ProtobufCBinaryData){sizeof(id), id};
    command.reason = (char *)(uintptr_t) "a file";
    command.command_case = PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT;
    command.import_statement = import;
    FUZZ_HOLDS(ledger_validate(&command, arena) == NULL);
    if (movements <= MOVEMENTS_DECIDED_MAX)
        is_taken_once(&command);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cli cli = {.config = {.host = NULL}};
    Pledged__V1__ImportStatement *import = NULL;
    struct payers payers;
    if (len < 1)
        return 0;
    char *text = fuzz_text(pl_slice(data + 1, len - 1));
    pl_arena_init(&cli.arena, 64 << 20);
    cli.options.value[OPTION_OURS].text[0] = "";
    cli.options.value[OPTION_OURS].count = data[0] & 1;
    struct pl_status status =
        bankfile_read(&cli, pl_slice(text, len - 1), "f.xml", &import, &payers);
    if (pl_is_ok(status))
        look_at(import, &cli.arena);
    else
        FUZZ_HOLDS(cli.failure.message[0] != '\0' || status.what != NULL);
    pl_arena_fini(&cli.arena);
    free(text);
    return 0;
}
