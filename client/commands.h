/* SPDX-License-Identifier: Apache-2.0
 *
 * commands: the table of everything `pledge` can do: name, words, options, and the function that
 * does it. Help, usage checks and dispatch all read this one table.
 */
#ifndef CLIENT_COMMANDS_H
#define CLIENT_COMMANDS_H

#include "client/cli.h"

enum command_group {
    COMMAND_OFFERS,
    COMMAND_PARTNERS,
    COMMAND_PLEDGES,
    COMMAND_PAYMENTS,
    COMMAND_PAPERS,
    COMMAND_RECORDS,
    COMMAND_GENERAL,
    COMMAND_GROUPS,
};

struct command {
    const char *name;    /* one or two words: "contributor add" */
    const char *args;    /* for help: "TIER" */
    size_t least, most;  /* how many words after the name */
    option_set options;  /* besides those of every command */
    option_set required; /* of these, all have to be given */
    bool writes;
    bool offline; /* needs no daemon and no configuration; --key is a verifier key */
    bool serves;  /* runs until it is stopped, with a key of its own in --key; offline as well */
    enum command_group group;
    const char *words;    /* one line, to be translated */
    const char *more;     /* a paragraph, to be translated; NULL: none */
    const char *examples; /* lines to be typed, never translated; NULL: none */
    struct pl_status (*run)(struct cli *cli);
};

size_t commands_count(void);
const struct command *commands_at(size_t index);
/* The command that these words begin with; *ret_words says how many of them are its name. */
const struct command *commands_find(const char *const *words, size_t count, size_t *ret_words);
/* Nearest name, or NULL. */
const char *commands_nearest(const char *const *words, size_t count);
/* Number of words and options against the table. */
PL_MUST_CHECK struct pl_status commands_check(struct cli *cli);

PL_MUST_CHECK struct pl_status cmd_tiers(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_slots(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_benefits(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_claim(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_decline(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_deliver(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_postings(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_schedule(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_schedule_set(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_due(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_totals(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_catalogue_show(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_catalogue_adopt(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_contributors(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_contributor_add(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_contributor_amend(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_contact_add(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_contacts(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_contributor_erase(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_contributor_legal_hold(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_show(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_list(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_history(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_hold(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_extend(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_wait(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_submit(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_commit(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_amend(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_change_tier(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_withdraw(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_cancel(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_pay(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_import(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_entries(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_statements(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_suggest(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_match(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_payments(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_reverse(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_unallocate(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_proposals(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_approve(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_reject(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_allocate(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_invoice(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_receipt(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_certificate(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_documents(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_check_document(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_statement(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_close(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_reallocate(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_convert(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_refund(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_charge(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_refund_paid(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_refund_cancel(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_write_off(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_accept_difference(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_period_close(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_period_reopen(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_periods(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_rates(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_rates_add(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_report(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_dump(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_verify(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_sample(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_checkpoint(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_prove(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_mirror(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_watch(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_witness(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_status(struct cli *cli);
PL_MUST_CHECK struct pl_status cmd_help(struct cli *cli);

/* The help of one command, or (NULL) the overview, appended to a buffer. */
PL_MUST_CHECK struct pl_status help_print(const struct command *command, struct pl_buf *out);

/* The parts of a pledge's schedule, for `schedule` and `show`. */
void schedule_sheet(struct sheet *sheet, const Pledged__V1__PledgeStatus *pledge,
                    struct pl_arena *arena);

#endif
