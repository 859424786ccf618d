/* SPDX-License-Identifier: Apache-2.0
 *
 * commands: the table, and how a command line finds its row.
 */
#include "client/commands.h"

#include <string.h>

#include "common/check.h"
#include "common/nearest.h"

#define BIT OPTION_BIT

static const struct command table[] = {
    {.name = "tiers",
     .args = "",
     .options = BIT(OPTION_CATALOGUE),
     .group = COMMAND_OFFERS,
     .words = N_("every tier: price, places, and how many are left"),
     .more = N_("The answer says up to which entry of the ledger, and for which moment, it holds."),
     .examples = "pledge tiers\npledge tiers --format json",
     .run = cmd_tiers},
    {.name = "slots",
     .args = "TIER",
     .least = 1,
     .most = 1,
     .options = BIT(OPTION_AT_LEAST) | BIT(OPTION_CATALOGUE),
     .group = COMMAND_OFFERS,
     .words = N_("how many places of a tier are left: the number alone"),
     .more =
         N_("Prints 'unlimited' where the tier has no limit. With --at-least it prints the same "
            "and the exit code says yes (0) or no (1)."),
     .examples = "pledge slots platine\npledge slots platine --at-least 1 && echo free",
     .run = cmd_slots},
    {.name = "benefits",
     .args = "[TIER|PLEDGE]",
     .most = 1,
     .options = BIT(OPTION_TOTALS),
     .group = COMMAND_OFFERS,
     .words = N_("what a tier gives, what a partner has coming, or sums over all"),
     .more = N_("Without a word it shows the whole matrix of tiers and benefits."),
     .examples = "pledge benefits platine\npledge benefits P000042\npledge benefits --totals",
     .run = cmd_benefits},
    {.name = "totals",
     .args = "",
     .options = BIT(OPTION_BY),
     .group = COMMAND_OFFERS,
     .words = N_("sums: promised, signed, received, to come"),
     .examples = "pledge totals\npledge totals --by month",
     .run = cmd_totals},
    {.name = "catalogue show",
     .args = "",
     .options = BIT(OPTION_CATALOGUE),
     .group = COMMAND_OFFERS,
     .words = N_("the offers in force, with their hash"),
     .examples = "pledge catalogue show\npledge catalogue show --format json",
     .run = cmd_catalogue_show},
    {.name = "catalogue adopt",
     .args = "FILE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_OFFERS,
     .words = N_("put the offers of a year into force (role admin)"),
     .more = N_("FILE is the catalogue as JSON. It is refused whole if anything in it is wrong."),
     .examples = "pledge catalogue adopt deploy/catalogue/wsis-forum-2026.json",
     .run = cmd_catalogue_adopt},

    {.name = "contributors",
     .args = "",
     .options = BIT(OPTION_KIND) | BIT(OPTION_NAME) | BIT(OPTION_NAME_CONTAINS),
     .group = COMMAND_PARTNERS,
     .words = N_("the organisations that give, or want to"),
     .examples = "pledge contributors\npledge contributors --kind civil-society",
     .run = cmd_contributors},
    {.name = "contributor add",
     .args = "",
     .options = OPTIONS_WRITE | BIT(OPTION_NAME) | BIT(OPTION_KIND) | BIT(OPTION_COUNTRY) |
                BIT(OPTION_ITU_MEMBERSHIP) | BIT(OPTION_REF),
     .required = BIT(OPTION_NAME) | BIT(OPTION_KIND),
     .writes = true,
     .group = COMMAND_PARTNERS,
     .words = N_("record an organisation (never a person)"),
     .more = N_("Kinds: government, private-sector, civil-society, academia, "
                "international-organisation. A name that differs from another one in case, "
                "blanks, accents or marks that are not seen alone is taken for the same "
                "organisation."),
     .examples = "pledge contributor add --name 'Example Telecom SA' --kind private-sector "
                 "--country CH",
     .run = cmd_contributor_add},
    {.name = "contributor amend",
     .args = "ID",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_NAME) | BIT(OPTION_KIND) | BIT(OPTION_COUNTRY) |
                BIT(OPTION_ITU_MEMBERSHIP) | BIT(OPTION_REF),
     .required = BIT(OPTION_NAME) | BIT(OPTION_KIND),
     .writes = true,
     .group = COMMAND_PARTNERS,
     .words = N_("replace the record of an organisation"),
     .more = N_("The whole record is replaced: what is not given is empty afterwards."),
     .examples = "pledge contributor amend C000017 --name 'Example Telecom AG' --kind "
                 "private-sector --country CH",
     .run = cmd_contributor_amend},
    {.name = "contributor erase",
     .args = "[CONTRIBUTOR|BANK-ENTRY]",
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_CONTACT),
     .writes = true,
     .group = COMMAND_PARTNERS,
     .words = N_("erase its persons and who paid for it for good, or one of them (role admin)"),
     .more = N_("Names, functions, addresses, what bank statements said of who paid, and the salts "
                "of their commitments are deleted; the ledger keeps numbers only, and says when. "
                "The organisation itself stays. Copies of the file of persons in older backups, "
                "and the files of the bank, have to be destroyed by whoever keeps them. A reason "
                "or a document is needed."),
     .examples = "pledge contributor erase --contact K000004 --reason 'asked for it on 3 March'\n"
                 "pledge contributor erase B000310 --reason 'the payer asked for it'\n"
                 "pledge contributor erase C000017 --evidence request.pdf",
     .run = cmd_contributor_erase},
    {.name = "contributor legal-hold",
     .args = "CONTRIBUTOR on|off",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PARTNERS,
     .words = N_("while it is on, none of its persons is erased (role approver or admin)"),
     .examples = "pledge contributor legal-hold C000017 on --reason 'audit 2026-4'",
     .run = cmd_contributor_legal_hold},
    {.name = "contacts",
     .args = "CONTRIBUTOR",
     .least = 1,
     .most = 1,
     .group = COMMAND_PARTNERS,
     .words = N_("the persons of an organisation, and whom to call"),
     .examples = "pledge contacts C000017",
     .run = cmd_contacts},
    {.name = "contact add",
     .args = "CONTRIBUTOR",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_NAME) | BIT(OPTION_FUNCTION) | BIT(OPTION_EMAIL) |
                BIT(OPTION_PHONE),
     .required = BIT(OPTION_NAME),
     .writes = true,
     .group = COMMAND_PARTNERS,
     .words = N_("record a person beside the ledger, where the record can be erased"),
     .more = N_("The ledger itself gets a number and a salted commitment, never the name."),
     .examples =
         "pledge contact add C000017 --name 'Ada Example' --function 'head of partnerships' "
         "--email ada@example.org",
     .run = cmd_contact_add},

    {.name = "list",
     .args = "",
     .options = BIT(OPTION_TIER) | BIT(OPTION_STAGE) | BIT(OPTION_CONTRIBUTOR) | BIT(OPTION_KIND) |
                BIT(OPTION_MONEY) | BIT(OPTION_CURRENCY) | BIT(OPTION_EXPIRES_BEFORE) |
                BIT(OPTION_SINCE_SEQ) | BIT(OPTION_CATALOGUE),
     .group = COMMAND_PLEDGES,
     .words = N_("pledges; filters narrow each other down"),
     .more =
         N_("Stages: waiting, held, pledged, committed, closed, expired, withdrawn, cancelled. "
            "Several may be given with commas. '--tier free' are contributions without a tier."),
     .examples = "pledge list\npledge list --tier platine --stage closed\n"
                 "pledge list --kind private-sector --money part",
     .run = cmd_list},
    {.name = "show",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .group = COMMAND_PLEDGES,
     .words = N_("one pledge and its payments"),
     .examples = "pledge show P000042\npledge show p42 --format json",
     .run = cmd_show},
    {.name = "history",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .group = COMMAND_PLEDGES,
     .words = N_("the entries of a pledge: who did what when, under which request id"),
     .examples = "pledge history P000042",
     .run = cmd_history},
    {.name = "hold",
     .args = "TIER",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_CONTRIBUTOR) | BIT(OPTION_FOR) | BIT(OPTION_UNTIL),
     .required = BIT(OPTION_CONTRIBUTOR),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("take a place of a tier until a moment"),
     .more =
         N_("Without --for and --until it lasts as long as the catalogue says. A day given with "
            "--until is included, in the time zone of the fund, which 'pledge status' shows."),
     .examples = "pledge hold platine --contributor C000017 --for 14d\n"
                 "pledge hold platine --contributor C000017 --until 2026-03-31",
     .run = cmd_hold},
    {.name = "extend",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_FOR) | BIT(OPTION_UNTIL),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("move the end of such a reservation; --reason says why"),
     .more = N_("--for counts from now."),
     .examples = "pledge extend P000042 --for 7d --reason 'board meets on Friday'",
     .run = cmd_extend},
    {.name = "wait",
     .args = "TIER",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_CONTRIBUTOR),
     .required = BIT(OPTION_CONTRIBUTOR),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("join the queue of a full tier"),
     .more = N_("When a place comes free, the first in the queue gets it at once, as a hold."),
     .examples = "pledge wait diamant --contributor C000017",
     .run = cmd_wait},
    {.name = "submit",
     .args = "[PLEDGE]",
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_CONTRIBUTOR) | BIT(OPTION_TIER) | BIT(OPTION_FREE) |
                BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY) | BIT(OPTION_IN_KIND) |
                BIT(OPTION_CAMPAIGN) | BIT(OPTION_AGREEMENT_REF) | BIT(OPTION_PUBLISH) |
                BIT(OPTION_REF),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("make the promise: for a held place, for a tier, or free"),
     .more = N_("PLEDGE is a held one. Without it, give --contributor and --tier or --free. Where "
                "the tier has a price, --amount may be left out. A letter (--evidence) or --reason "
                "is needed."),
     .examples = "pledge submit P000042 --evidence letter.pdf\n"
                 "pledge submit --contributor C000017 --tier platine --reason 'letter of 3 March'\n"
                 "pledge submit --contributor C000017 --free --amount 5000.00 --currency CHF "
                 "--evidence letter.pdf",
     .run = cmd_submit},
    {.name = "commit",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("the agreement is signed; --evidence names the document"),
     .more = N_("The benefits are frozen as the catalogue in force grants them."),
     .examples = "pledge commit P000042 --evidence agreement.pdf",
     .run = cmd_commit},
    {.name = "amend",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY),
     .required = BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("another amount for a signed agreement, with a document"),
     .examples = "pledge amend P000042 --amount 160000.00 --currency CHF --evidence amendment.pdf",
     .run = cmd_amend},
    {.name = "change-tier",
     .args = "PLEDGE TIER",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE | BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("give back one place and take another, in one step or not at all"),
     .examples = "pledge change-tier P000042 platine --reason 'letter of 3 March'",
     .run = cmd_change_tier},
    {.name = "withdraw",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("take back what is not signed yet: a hold, a place in a queue, a promise"),
     .more = N_("A letter (--evidence) or --reason is needed."),
     .examples = "pledge withdraw P000042 --reason 'no budget this year'",
     .run = cmd_withdraw},
    {.name = "cancel",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_MONEY_PLAN),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("end a signed agreement, with a document"),
     .more = N_("--money-plan says what becomes of money already received: keep (as a free "
                "contribution), refund, or move (to another pledge)."),
     .examples = "pledge cancel P000042 --evidence letter.pdf --money-plan refund",
     .run = cmd_cancel},

    {.name = "pay",
     .args = "PLEDGE AMOUNT CURRENCY",
     .least = 3,
     .most = 3,
     .options = OPTIONS_WRITE | BIT(OPTION_VALUE_DATE) | BIT(OPTION_BANK_REF),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("record a payment and allocate it"),
     .more = N_("Money is never refused: what cannot be allocated (too much, too late, another "
                "currency) is kept and shown."),
     .examples = "pledge pay P000042 150000.00 CHF --value-date 2026-04-02 --bank-ref 2026-0412",
     .run = cmd_pay},
    {.name = "payments",
     .args = "[PLEDGE]",
     .most = 1,
     .options = BIT(OPTION_PLEDGE) | BIT(OPTION_UNALLOCATED) | BIT(OPTION_CURRENCY),
     .group = COMMAND_PAYMENTS,
     .words = N_("payments recorded, and what of them is not allocated"),
     .examples = "pledge payments --unallocated\npledge payments P000042",
     .run = cmd_payments},
    {.name = "import",
     .args = "FILE...",
     .least = 1,
     .most = OPTION_ARGS_MAX - 1,
     .options = OPTIONS_WRITE | BIT(OPTION_OURS) | BIT(OPTION_TAKE),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("take in bank statements (camt.052, camt.053, camt.054); what is in already "
                 "stays"),
     .more = N_("A file is taken whole or not at all, and must add up. Movements whose reference "
                "and amount fit an open pledge are allocated; 'pledge entries --unallocated' lists "
                "the others. On an account that others use as well, --ours leaves out what is not "
                "the fund's."),
     .examples = "pledge import statement.xml\n"
                 "pledge import shared.xml --ours --take ZV20260402/000123",
     .run = cmd_import},
    {.name = "entries",
     .args = "[BANK-ENTRY]",
     .most = 1,
     .options = BIT(OPTION_UNALLOCATED) | BIT(OPTION_QUEUE) | BIT(OPTION_STATEMENT) |
                BIT(OPTION_CURRENCY) | BIT(OPTION_OLDER_THAN),
     .group = COMMAND_PAYMENTS,
     .words = N_("what bank statements brought or was booked by hand, and what of it nobody has "
                 "explained yet"),
     .examples = "pledge entries --unallocated --older-than 30d\n"
                 "pledge entries --queue amount-differs",
     .run = cmd_entries},
    {.name = "statements",
     .args = "[ACCOUNT]",
     .most = 1,
     .group = COMMAND_PAYMENTS,
     .words = N_("bank statements that are in"),
     .examples = "pledge statements",
     .run = cmd_statements},
    {.name = "suggest",
     .args = "BANK-ENTRY",
     .least = 1,
     .most = 1,
     .group = COMMAND_PAYMENTS,
     .words =
         N_("pledges that the money of a bank entry may be for, or refunds that a debit may have "
            "paid, the likeliest first"),
     .examples = "pledge suggest B000310",
     .run = cmd_suggest},
    {.name = "match",
     .args = "BANK-ENTRY BANK-ENTRY|REFUND",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("say what a bank entry belongs to: a reversal to the entry that the bank takes "
                 "back, a debit to the refund that it has paid, a credit to the refund (or its "
                 "debit) that it brings back"),
     .more =
         N_("What was allocated from an entry that is taken back is taken back as well. A debit "
            "that names a refund in its end-to-end id, with its amount, is matched when it is "
            "imported. A refund that came back is ordered again; what banks kept of it on the way "
            "is left with its debit, for 'pledge charge'."),
     .examples = "pledge match B000312 B000310 --reason 'returned by the bank'\n"
                 "pledge match B000315 R000007\n"
                 "pledge match B000320 B000315 --reason 'the account is closed'",
     .run = cmd_match},
    {.name = "charge",
     .args = "BANK-ENTRY",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("say that a debit is a charge of the bank: what no refund explains of it is "
                 "booked as one; a credit, a charge that the bank gave back"),
     .more = N_("The entry that books it is in the column charge_seq of 'pledge entries'; 'pledge "
                "reverse' of that entry takes it back."),
     .examples = "pledge charge B000312",
     .run = cmd_charge},
    {.name = "reverse",
     .args = "SEQ",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("undo a payment, an allocation, a refund that was said to be paid, or what was "
                 "said of a benefit, by a new entry; --reason says why"),
     .more = N_("SEQ is the number of the entry, as 'pledge history' shows it. Write-offs and "
                "accepted differences can be undone as well."),
     .examples = "pledge reverse 1077 --reason 'belongs to another fund'",
     .run = cmd_reverse},
    {.name = "allocate",
     .args = "BANK-ENTRY PLEDGE",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE | BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY) | BIT(OPTION_SETTLED),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("let money of a bank entry pay for a pledge"),
     .more = N_("Without --amount as much as is free and still to be paid. Where the pledge has "
                "another currency, --settled says what the money counts for it."),
     .examples = "pledge allocate B000310 P000042\n"
                 "pledge allocate B000310 P000042 --amount 50000.00 --currency CHF\n"
                 "pledge allocate B000311 P000042 --settled '44250.00 CHF'",
     .run = cmd_allocate},
    {.name = "unallocate",
     .args = "SEQ",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("take an allocation back; --reason says why"),
     .more = N_("The money is free again and stays with its bank entry. The number is that of an "
                "allocation, as 'pledge show' lists it; a payment is undone by 'pledge reverse'."),
     .examples = "pledge unallocate 1078 --reason 'it was for P000043'",
     .run = cmd_unallocate},

    {.name = "invoice",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = BIT(OPTION_OUTPUT) | BIT(OPTION_PAYER) | BIT(OPTION_AT) | BIT(OPTION_INSTALMENT),
     .group = COMMAND_PAPERS,
     .words = N_("a PDF of what is to be paid, with a Swiss QR-bill"),
     .more = N_("CHF and EUR into a Swiss account have a payment part; other currencies the bank's "
                "details. Who is paid, and where, is what the ledger's policy says ([creditor] and "
                "[account NAME] of the daemon); where it names nobody, the same sections of the "
                "client's configuration. Without --payer the payer fills in the address. With "
                "--instalment, one part of the schedule. Without -o the file is "
                "invoice-PLEDGE.pdf."),
     .examples =
         "pledge invoice P000042 -o invoice.pdf\n"
         "pledge invoice P000042 --lang fr --payer 'Example SA;Rue du Lac;1;1200;Geneva;CH'",
     .run = cmd_invoice},
    {.name = "receipt",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_OUTPUT),
     .writes = true,
     .group = COMMAND_PAPERS,
     .words = N_("issue a receipt, as a PDF, for money that has none yet"),
     .more = N_("Receipts are numbered without gaps (Q000001). The ledger keeps the number, the "
                "amounts and the SHA-256 of the file. Without -o the file has the name of its "
                "number. What a receipt names can be undone by an approver only."),
     .examples = "pledge receipt P000042 -o receipt.pdf\npledge receipt P000042 --lang fr",
     .run = cmd_receipt},
    {.name = "certificate",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_OUTPUT),
     .writes = true,
     .group = COMMAND_PAPERS,
     .words = N_("issue a certificate of partnership, as a PDF, for a signed commitment"),
     .more = N_("Certificates are numbered without gaps (Z000001). Without -o the file has the "
                "name of its number."),
     .examples = "pledge certificate P000042 -o certificate.pdf --lang fr",
     .run = cmd_certificate},
    {.name = "documents",
     .args = "[PLEDGE]",
     .most = 1,
     .group = COMMAND_PAPERS,
     .words = N_("receipts and certificates that were issued"),
     .examples = "pledge documents\npledge documents P000042",
     .run = cmd_documents},
    {.name = "check-document",
     .args = "FILE",
     .least = 1,
     .most = 1,
     .group = COMMAND_PAPERS,
     .words = N_("was this very file issued? Exit code 0 if yes, 1 if no"),
     .more = N_("The SHA-256 of the file is looked for among all receipts and certificates. A copy "
                "that was changed, or printed and scanned, is another file."),
     .examples = "pledge check-document receipt.pdf",
     .run = cmd_check_document},
    {.name = "statement",
     .args = "CONTRIBUTOR",
     .least = 1,
     .most = 1,
     .options = BIT(OPTION_OUTPUT) | BIT(OPTION_AT),
     .group = COMMAND_PAPERS,
     .words = N_("what a contributor promised and paid, line by line, with the balance"),
     .more =
         N_("What came in and what was paid back has its value date, what it pays for the day on "
            "which it was allocated; what was waived is told apart. With --at what has a later day "
            "is left out; what is not allocated is always what is free now. With -o a PDF for the "
            "contributor, else a list (--format csv for a spreadsheet)."),
     .examples = "pledge statement C000017\npledge statement C000017 --lang fr -o statement.pdf",
     .run = cmd_statement},

    {.name = "proposals",
     .args = "[PLEDGE]",
     .most = 1,
     .options = BIT(OPTION_ALL),
     .group = COMMAND_RECORDS,
     .words = N_("what waits for a second person"),
     .more = N_("A command of a class under the policy of the daemon ('pledge status' shows it) is "
                "recorded as a proposal, and exits with 13: nothing has happened yet. Another "
                "person approves or rejects it; undecided it expires."),
     .examples = "pledge proposals\npledge proposals --all --format json\npledge proposals P000042",
     .run = cmd_proposals},
    {.name = "approve",
     .args = "PROPOSAL",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_RECORDS,
     .words = N_("let a proposal happen (role approver, never who proposed it)"),
     .more =
         N_("It is decided now, by the rules of this moment. If they refuse it, it stays open."),
     .examples = "pledge approve 1042",
     .run = cmd_approve},
    {.name = "reject",
     .args = "PROPOSAL",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_RECORDS,
     .words = N_("close a proposal; --reason says why (role approver, or who proposed it)"),
     .examples = "pledge reject 1042 --reason 'the agreement is not countersigned'",
     .run = cmd_reject},
    {.name = "period close",
     .args = "YYYY-MM",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_WAIVE),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("settle a month: what comes later is posted to the next open one"),
     .more = N_("Months close in order. Money of the month that is not matched holds it up, unless "
                "--waive and --reason say why not. The entry keeps the totals and the newest "
                "signed checkpoint."),
     .examples = "pledge period close 2026-03\n"
                 "pledge period close 2026-03 --waive --reason 'the bank is looking into B000012'",
     .run = cmd_period_close},
    {.name = "period reopen",
     .args = "YYYY-MM",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("open the month that was closed last again; --reason says why"),
     .examples = "pledge period reopen 2026-03 --reason 'statement of the bank corrected'",
     .run = cmd_period_reopen},
    {.name = "periods",
     .args = "",
     .group = COMMAND_PAYMENTS,
     .words = N_("months that were closed"),
     .examples = "pledge periods",
     .run = cmd_periods},
    {.name = "rates",
     .args = "[CURRENCY]",
     .most = 1,
     .options = BIT(OPTION_AT) | BIT(OPTION_ALL),
     .group = COMMAND_PAYMENTS,
     .words = N_("rates of exchange in force on a day: what one unit is worth in CHF"),
     .more = N_("The rate of a day is the one recorded for it, or the last one before. With --all "
                "every rate that was recorded, also those that a later entry took the place of."),
     .examples = "pledge rates\npledge rates USD --at 2026-03-31 --format plain",
     .run = cmd_rates},
    {.name = "rates add",
     .args = "[DATE CURRENCY RATE]",
     .most = 3,
     .options = OPTIONS_WRITE | BIT(OPTION_SOURCE) | BIT(OPTION_FILE),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("record what one unit of a currency was worth in CHF on a day; --source says who "
                 "publishes it"),
     .more = N_("A second rate for the same day takes the place of the first from then on; what "
                "was valued stays as it was. A file is recorded whole or not at all: at most 100 "
                "lines."),
     .examples = "pledge rates add 2026-03-31 USD 0.8850 --source 'UN Treasury'\n"
                 "pledge rates add --file rates-2026-03.csv --source 'UN Treasury'",
     .run = cmd_rates_add},
    {.name = "report",
     .args = "",
     .options = BIT(OPTION_OUTPUT),
     .group = COMMAND_RECORDS,
     .words = N_("the state of the fund as one page for a browser or for paper (HTML)"),
     .more =
         N_("Figures over time, by tier, category and currency, values in CHF with the rates they "
            "follow from, and money that is not matched. "
            "The file needs nothing else: it may be sent by mail or printed."),
     .examples = "pledge report -o report.html\npledge report --lang fr -o rapport.html",
     .run = cmd_report},
    {.name = "claim",
     .args = "PLEDGE BENEFIT",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE | BIT(OPTION_QUANTITY),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("the partner wants a benefit, or so much of it"),
     .examples = "pledge claim P000042 VIS6 --quantity 8",
     .run = cmd_claim},
    {.name = "decline",
     .args = "PLEDGE BENEFIT",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE | BIT(OPTION_QUANTITY),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("the partner does without a benefit, or without so much of it"),
     .examples = "pledge decline P000042 REC2",
     .run = cmd_decline},
    {.name = "deliver",
     .args = "PLEDGE BENEFIT",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE | BIT(OPTION_QUANTITY),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("a benefit was handed over, or so much of it"),
     .more = N_("Whether money came does not matter; before the agreement is signed, --reason says "
                "why. 'pledge benefits PLEDGE' shows what is left."),
     .examples = "pledge deliver P000042 VIS6 --quantity 8\npledge deliver P000042 BRD3",
     .run = cmd_deliver},

    {.name = "schedule",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .group = COMMAND_PLEDGES,
     .words = N_("when a promise is to be paid, and what of each part is still to come"),
     .more = N_("What comes in fills the parts from the first one on."),
     .examples = "pledge schedule P000042",
     .run = cmd_schedule},
    {.name = "schedule set",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_DUE) | BIT(OPTION_PARTS) | BIT(OPTION_FIRST) |
                BIT(OPTION_EVERY),
     .writes = true,
     .group = COMMAND_PLEDGES,
     .words = N_("say when a promise is to be paid, in parts"),
     .more = N_("Either --due for every part, or --parts with --first. The parts add up to the "
                "promised amount. It takes the place of the schedule before, needs --reason or "
                "--evidence, and a document where the pledge is signed."),
     .examples = "pledge schedule set P000042 --parts 4 --first 2026-03-31 --every 3m --evidence "
                 "letter.pdf\n"
                 "pledge schedule set P000042 --due 2026-03-31:50000.00 --due 2026-09-30:100000.00 "
                 "--reason 'as agreed'",
     .run = cmd_schedule_set},
    {.name = "due",
     .args = "",
     .options = BIT(OPTION_AT) | BIT(OPTION_DAYS),
     .group = COMMAND_RECORDS,
     .words = N_("what is owed, ends or is late, as of a day"),
     .more =
         N_("Balances of signed agreements, reservations that end, benefits to deliver and what "
            "partners have to supply for them, money that is not matched. A benefit without a "
            "day of its own falls due when the event begins or ends, as its phase says."),
     .examples = "pledge due\npledge due --at 2026-07-01 --days 7 --format csv",
     .run = cmd_due},
    {.name = "postings",
     .args = "",
     .options = OPTIONS_WRITE | BIT(OPTION_PERIOD) | BIT(OPTION_ACCOUNTS) | BIT(OPTION_OUTPUT) |
                BIT(OPTION_AS) | BIT(OPTION_PRELIMINARY),
     .required = BIT(OPTION_PERIOD) | BIT(OPTION_ACCOUNTS) | BIT(OPTION_OUTPUT),
     .writes = true,
     .group = COMMAND_RECORDS,
     .words = N_("hand a month to the accounting system, once (role approver)"),
     .more = N_(
         "FILE of --accounts belongs to the accountants: for each event the accounts of both "
         "sides and a cost centre (deploy/accounts.example.csv). The month is closed: the export "
         "holds what is posted to it or before and is in no earlier export; months go in "
         "order. Its hash is recorded: the same month again prints the same file, or "
         "nothing. With --preliminary an open month is printed, marked in every line, and "
         "counts as handed over nowhere. --as hledger or beancount makes a journal of the same "
         "postings, for a table "
         "whose names fit that form."),
     .examples = "pledge postings --period 2026-03 --accounts accounts.csv -o 2026-03.csv\n"
                 "pledge postings --period 2026-04 --accounts accounts.csv -o look.csv "
                 "--preliminary",
     .run = cmd_postings},
    {.name = "reallocate",
     .args = "SEQ PLEDGE",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE | BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY) | BIT(OPTION_SETTLED),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("let allocated money pay for another pledge, as the donor wrote"),
     .more = N_("SEQ is the number of the allocation, as 'pledge show' tells it. Without --amount "
                "all of it moves."),
     .examples = "pledge reallocate 1078 P000043 --evidence letter.pdf",
     .run = cmd_reallocate},
    {.name = "convert",
     .args = "BANK-ENTRY",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("make free money a free contribution, as the donor wrote"),
     .examples = "pledge convert B000310 --evidence letter.pdf",
     .run = cmd_convert},
    {.name = "refund",
     .args = "BANK-ENTRY",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY) |
                BIT(OPTION_OTHER_PAYEE) | BIT(OPTION_CONTRIBUTOR),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("order that free money is paid back, as the donor wrote"),
     .more = N_("Without --amount all that is free. It is done when the money has left the "
                "account: 'pledge refund-paid', or the bank's statement. With --contributor money "
                "that is meant for no pledge stands in the statement of whom it came from."),
     .examples = "pledge refund B000310 --amount 500.00 --currency CHF --evidence letter.pdf",
     .run = cmd_refund},
    {.name = "refund-paid",
     .args = "REFUND AMOUNT CURRENCY",
     .least = 3,
     .most = 3,
     .options = OPTIONS_WRITE | BIT(OPTION_VALUE_DATE) | BIT(OPTION_BANK_REF),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("record that a refund has left the account"),
     .examples = "pledge refund-paid R000007 500.00 CHF --value-date 2026-06-02",
     .run = cmd_refund_paid},
    {.name = "refund-cancel",
     .args = "REFUND",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE,
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("a refund will not be paid; --reason says why"),
     .examples = "pledge refund-cancel R000007 --reason 'they want to give it after all'",
     .run = cmd_refund_cancel},
    {.name = "write-off",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("a part of a signed commitment will not come; --reason says why"),
     .more = N_("What was promised stays readable. Without --amount all that is still to be paid."),
     .examples = "pledge write-off P000042 --reason 'the ministry was dissolved'",
     .run = cmd_write_off},
    {.name = "accept-difference",
     .args = "BANK-ENTRY PLEDGE",
     .least = 2,
     .most = 2,
     .options = OPTIONS_WRITE | BIT(OPTION_AMOUNT) | BIT(OPTION_CURRENCY) | BIT(OPTION_KIND),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("accept what a payment fell short by; --reason says why"),
     .more = N_("--kind says what took it: fee (charges of a bank) or exchange."),
     .examples =
         "pledge accept-difference B000310 P000042 --kind fee --reason 'correspondent bank'",
     .run = cmd_accept_difference},
    {.name = "close",
     .args = "PLEDGE",
     .least = 1,
     .most = 1,
     .options = OPTIONS_WRITE | BIT(OPTION_WAIVE),
     .writes = true,
     .group = COMMAND_PAYMENTS,
     .words = N_("end a commitment that is fulfilled (role approver)"),
     .more = N_("Refused with a list as long as something that belongs to it is open: money, a "
                "refund, a benefit neither delivered nor declined. With --waive and a reason it "
                "is closed although benefits are open."),
     .examples = "pledge close P000042\n"
                 "pledge close P000042 --waive --reason 'they did not come to the Forum'",
     .run = cmd_close},

    {.name = "watch",
     .args = "",
     .options = BIT(OPTION_FROM_SEQ) | BIT(OPTION_TIER),
     .group = COMMAND_RECORDS,
     .words = N_("what happens, as it happens, one JSON object a line"),
     .more = N_("Clerks, approvers and auditors see every entry, from --from-seq on or from now; "
                "everybody sees slots and (role reader) totals: first all, then those that change. "
                "With --tier, the slots of that tier alone. Goes on until it is stopped: when the "
                "daemon is away, it waits and resumes where it was."),
     .examples = "pledge watch --tier platine | jq --unbuffered -r '.tiers[0].remaining'\n"
                 "pledge watch --from-seq 1000",
     .run = cmd_watch},
    {.name = "dump",
     .args = "",
     .options = BIT(OPTION_OUTPUT) | BIT(OPTION_AS) | BIT(OPTION_FROM_SEQ) | BIT(OPTION_TO_SEQ) |
                BIT(OPTION_PLEDGE) | BIT(OPTION_SAFE),
     .group = COMMAND_RECORDS,
     .words = N_("the whole ledger, entry by entry (role auditor)"),
     .more = N_(
         "bin holds the exact bytes of every entry and what 'pledge verify' needs, jsonl one JSON "
         "object a line, csv one line an entry. hledger and beancount are journals for these "
         "programs, iati is an activity file (IATI 2.03).\n"
         "In the journals a promise is Equity:Memo:Pledged:P (against Equity:Memo:Contra), a "
         "signed "
         "one Assets:Receivable:P (against Liabilities:Deferred:P). Money comes to Assets:Bank and "
         "is Liabilities:Unallocated:B until it is given to its pledge: it then lowers the "
         "receivable, or waits as Liabilities:Advance:P for the signature.\n"
         "A dump that breaks off ends with an exit code other than 0, and leaves no FILE. Beside "
         "FILE stands the checkpoint it belongs to, FILE.checkpoint: keep it."),
     .examples = "pledge dump -o ledger.bin\npledge dump --as jsonl --from-seq 100 | jq .entry\n"
                 "pledge dump --as hledger | hledger -f - check -s",
     .run = cmd_dump},
    {.name = "checkpoint",
     .args = "",
     .options = BIT(OPTION_OUTPUT),
     .group = COMMAND_RECORDS,
     .words = N_("the signed size and hash of the ledger as it is now: keep it"),
     .more =
         N_("A checkpoint that you keep proves later that nothing before it was rewritten: give "
            "it to 'pledge verify --since'. The form is that of C2SP tlog-checkpoint."),
     .examples = "pledge checkpoint -o 2026-12-31.checkpoint",
     .run = cmd_checkpoint},
    {.name = "prove",
     .args = "SEQ",
     .least = 1,
     .most = 1,
     .options = BIT(OPTION_OUTPUT),
     .group = COMMAND_RECORDS,
     .words = N_("proof that one entry is in the ledger, to be checked offline"),
     .more =
         N_("Holds the entry, its path to the root and the signed checkpoint (C2SP tlog-proof)."),
     .examples = "pledge prove 1042 -o 1042.tlog-proof\n"
                 "pledge verify 1042.tlog-proof --key ledger.vkey",
     .run = cmd_prove},
    {.name = "mirror",
     .args = "DIR",
     .least = 1,
     .most = 1,
     .group = COMMAND_RECORDS,
     .words = N_("a verified copy of the ledger as files for any web server (role auditor)"),
     .more =
         N_("Run it again to bring the copy up to date: only what is new is fetched, and it must "
            "continue what is there. An interrupted run goes on where it was. Nothing gets its "
            "place before it was verified. The form is that of C2SP tlog-tiles."),
     .examples = "pledge mirror /srv/www/fund\n"
                 "pledge verify /srv/www/fund --key ledger.vkey",
     .run = cmd_mirror},
    {.name = "verify",
     .args = "FILE|DIR",
     .least = 1,
     .most = 1,
     .options = BIT(OPTION_KEY) | BIT(OPTION_SINCE) | BIT(OPTION_QUICK),
     .required = BIT(OPTION_KEY),
     .offline = true,
     .group = COMMAND_RECORDS,
     .words = N_("check a dump, a mirror or a proof without trusting the daemon (offline)"),
     .more = N_(
         "Needs files and the ledger's public key alone: --key is the verifier key itself, or a "
         "file with it, or a policy file (C2SP tlog-policy) that also names the witnesses that "
         "must have cosigned. Four separate verdicts: integrity (exit 14 if it fails), append-only "
         "(15, "
         "only with --since), completeness (16), semantics (17). Each names the first bad entry.\n"
         "What no verification can prove: that what people told the ledger is true; that the key "
         "is "
         "the right one (get it by another way than the ledger); that others were shown the same "
         "ledger (compare checkpoints with them); that entries after the checkpoint do not exist; "
         "and, without --since, that history was not rewritten before today. Keep every "
         "checkpoint."),
     .examples = "pledge verify ledger.bin --key ledger.vkey --since last-year.checkpoint\n"
                 "pledge verify mirror/ --key ledger.vkey",
     .run = cmd_verify},
    {.name = "sample",
     .args = "FILE|DIR",
     .least = 1,
     .most = 1,
     .options = BIT(OPTION_KEY) | BIT(OPTION_SIZE) | BIT(OPTION_SEED) | BIT(OPTION_MONETARY) |
                BIT(OPTION_KIND) | BIT(OPTION_CURRENCY) | BIT(OPTION_PLEDGE) |
                BIT(OPTION_FROM_SEQ) | BIT(OPTION_TO_SEQ) | BIT(OPTION_SAFE),
     .required = BIT(OPTION_KEY) | BIT(OPTION_SIZE) | BIT(OPTION_SEED),
     .offline = true,
     .group = COMMAND_RECORDS,
     .words = N_("draw entries of a dump or mirror that was verified, as csv (offline)"),
     .more = N_(
         "Each row names the entry and the SHA-256 of the documents to ask for. Anybody with the "
         "same ledger and seed draws the same: agree on the seed before the ledger is known.\n"
         "At random, the lowest SHA-256 of (seed, line end, entry number) are drawn. With "
         "--monetary "
         "every unit of money has the same chance: interval is total / size, the first unit is the "
         "first 8 bytes of SHA-256(seed) modulo the interval. --monetary draws payments "
         "(payment_recorded) unless --kind names another kind of entry."),
     .examples =
         "pledge sample ledger.bin --key ledger.vkey --size 25 --seed 2026-visit\n"
         "pledge sample ledger.bin --key ledger.vkey --size 40 --seed dice-4-2-6 --monetary "
         "--currency CHF",
     .run = cmd_sample},
    {.name = "witness",
     .args = "",
     .options = BIT(OPTION_KEY) | BIT(OPTION_INIT) | BIT(OPTION_NAME) | BIT(OPTION_LOG) |
                BIT(OPTION_STATE) | BIT(OPTION_LISTEN) | BIT(OPTION_CERT),
     .required = BIT(OPTION_KEY) | BIT(OPTION_LOG) | BIT(OPTION_STATE) | BIT(OPTION_LISTEN),
     .offline = true,
     .serves = true,
     .group = COMMAND_RECORDS,
     .words = N_("run a witness of ledgers on your own machine (C2SP tlog-witness)"),
     .more = N_(
         "Daemons send it their checkpoints; it cosigns what extends everything that it cosigned "
         "before, and nothing else. So a ledger cannot show different people different histories, "
         "nor take back what it signed. It never goes back: what it cosigned is in DIR before it "
         "says so. Keep DIR and the key, and never run two witnesses from copies of them.\n"
         "--key is a file with the secret key of the witness, not of the ledger; --init makes it, "
         "named --name. Two checkpoints of one size that differ are kept in DIR as evidence. "
         "With --cert (a certificate and its key in one file) it answers by HTTPS. Monitors read "
         "ADDRESS/<SHA-256 of the ledger's name in hex>/checkpoint."),
     .examples = "pledge witness --init --key witness.key --name audit.example.org/w1 "
                 "--log ledger.vkey --state witness/ --listen 127.0.0.1:7480",
     .run = cmd_witness},
    {.name = "status",
     .args = "",
     .group = COMMAND_RECORDS,
     .words = N_("the daemon: version, your role, size of the ledger, key, health"),
     .examples = "pledge status",
     .run = cmd_status},
    {.name = "help",
     .args = "[COMMAND]",
     .most = 2,
     .group = COMMAND_GENERAL,
     .words = N_("explain a command"),
     .examples = "pledge help hold",
     .run = cmd_help},
};

size_t commands_count(void)
{
    return PL_COUNT(table);
}

const struct command *commands_at(size_t index)
{
    PL_ASSERT(index < PL_COUNT(table));
    return &table[index];
}

const struct command *commands_find(const char *const *words, size_t count, size_t *ret_words)
{
    char two[80];
    for (size_t take = count < 2 ? count : 2; take > 0; take--) {
        int len = take == 2 ? snprintf(two, sizeof(two), "%s %s", words[0], words[1])
                            : snprintf(two, sizeof(two), "%s", words[0]);
        if (len < 0 || (size_t)len >= sizeof(two))
            continue;
        for (size_t i = 0; i < PL_COUNT(table); i++) {
            if (strcmp(table[i].name, two) == 0) {
                *ret_words = take;
                return &table[i];
            }
        }
    }
    return NULL;
}

const char *commands_nearest(const char *const *words, size_t count)
{
    const char *names[PL_COUNT(table)];
    char two[80];
    for (size_t i = 0; i < PL_COUNT(table); i++)
        names[i] = table[i].name;
    const char *near = NULL;
    int len = count < 2 ? -1 : snprintf(two, sizeof(two), "%s %s", words[0], words[1]);
    if (len > 0 && (size_t)len < sizeof(two))
        near = pl_nearest(two, names, PL_COUNT(table));
    if (near == NULL && count > 0)
        near = pl_nearest(words[0], names, PL_COUNT(table));
    return near;
}

struct pl_status commands_check(struct cli *cli)
{
    const struct command *command = cli->command;
    struct failure *failure = &cli->failure;
    if (cli->arg_count < command->least)
        return failure_usage(failure, _("'pledge %s' needs: %s ('pledge help %s' explains it)"),
                             command->name, command->args, command->name);
    if (cli->arg_count > command->most)
        return failure_usage(failure,
                             _("'pledge %s' cannot use '%s' ('pledge help %s' explains it)"),
                             command->name, cli->arg[command->most], command->name);
    PL_TRY(options_only(&cli->options, command->options | OPTIONS_EVERY, command->name, failure));
    for (int i = 0; i < OPTION_COUNT; i++) {
        if ((command->required & OPTION_BIT(i)) != 0 && !options_has(&cli->options, (enum option)i))
            return failure_usage(failure, _("'pledge %s' needs --%s %s"), command->name,
                                 options_rule((enum option)i)->name,
                                 options_rule((enum option)i)->value);
    }
    return pl_ok();
}
