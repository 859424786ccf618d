/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_report: the four verdicts on a ledger, each with the first thing that is wrong: which
 * entry, and in words what. Kept apart: an auditor acts differently on damaged bytes, on a history
 * that was rewritten, on missing pages and on broken rules. One thread.
 */
#ifndef CLIENT_VERIFY_REPORT_H
#define CLIENT_VERIFY_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "client/output.h"
#include "common/hash.h"

enum verify_kind {
    VERIFY_INTEGRITY,    /* every byte is the one that the signed checkpoint stands for */
    VERIFY_APPEND_ONLY,  /* what an earlier checkpoint stood for is still there, unchanged */
    VERIFY_COMPLETENESS, /* entries from 1 on without gap, as many as the checkpoint says */
    VERIFY_SEMANTICS,    /* the rules of the fund, replayed */
    VERIFY_KINDS,
};
/* Exit codes of a verification that found something wrong: the first that applies, in this order.
 */
enum {
    VERIFY_EXIT_INTEGRITY = 14,
    VERIFY_EXIT_APPEND_ONLY = 15,
    VERIFY_EXIT_COMPLETENESS = 16,
    VERIFY_EXIT_SEMANTICS = 17,
};
enum verify_result { VERIFY_NOT_CHECKED, VERIFY_HOLDS, VERIFY_FAILS };

struct verify_verdict {
    enum verify_result result;
    uint64_t seq;    /* first bad entry; 0: no single one can be named */
    char words[512]; /* what is wrong, or why it was not checked; "" if it holds */
};

struct verify_report {
    struct verify_verdict verdict[VERIFY_KINDS];
    const char *kind; /* literal: "dump", "mirror", "proof" */
    char origin[256]; /* of the checkpoint; "" if there is none */
    uint64_t size;    /* of the checkpoint */
    uint8_t root[PL_SHA256_BYTES];
    uint64_t since;    /* size of the earlier checkpoint; 0: none was given */
    uint64_t entries;  /* read */
    uint64_t unjudged; /* decided by rules of another version: checked, not decided again */
    uint64_t seq;      /* of a proof: the entry that it is about */
    char fact[64];     /* of a proof: what kind of entry that is */
    int64_t first_time_us, last_time_us; /* of the entries that were replayed; 0: none */
};

/* Fails a verdict. Of several failures the one about the earliest entry stays, the first if no
 * entry is named. */
__attribute__((format(printf, 4, 5))) void verify_fail(struct verify_report *report,
                                                       enum verify_kind kind, uint64_t seq,
                                                       const char *format, ...);
/* Says why a verdict stays open, unless it failed. */
void verify_skip(struct verify_report *report, enum verify_kind kind, const char *words);
/* Holds, unless it failed or was left open with a reason. */
void verify_hold(struct verify_report *report, enum verify_kind kind);
bool verify_failed(const struct verify_report *report, enum verify_kind kind);

/* 0, or the code of the first verdict that fails, or integrity's if that one stayed open: bytes
 * that nothing vouches for were not verified. */
int verify_exit(const struct verify_report *report);
/* One row a verdict; what they are about as notes (JSON). */
void verify_sheet(const struct verify_report *report, struct sheet *sheet, struct pl_arena *arena);

#endif
