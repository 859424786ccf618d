/* SPDX-License-Identifier: Apache-2.0
 *
 * failure: what went wrong, with everything a person or a program wants to know about it, and how
 * it is printed: words on stderr, or under --format json one JSON object.
 *
 * A function that fails fills the one failure of the run and returns its status; main prints it.
 */
#ifndef CLIENT_FAILURE_H
#define CLIENT_FAILURE_H

#include <stdio.h>

#include "common/buf.h"
#include "common/status.h"
#include "pledged/v1/types.pb-c.h"

struct failure {
    enum pl_code code;
    Pledged__V1__Reason reason;
    char message[1024]; /* in the language of the run */
    char field[160];
    uint64_t seq;          /* entry that records the refusal; 0: none */
    uint64_t deciding_seq; /* entry that decides it; 0: none */
    bool replay;
    bool retryable;
    bool uncertain;                      /* an attempt may have been recorded */
    char request_id[37];                 /* "" where no command was made */
    const Pledged__V1__Refusal *refusal; /* borrowed until the run ends; NULL: made here */
};

/* Fills the failure (keeps the request id) and returns a status of that code. */
__attribute__((format(printf, 5, 6))) PL_MUST_CHECK struct pl_status
failure_set(struct failure *failure, enum pl_code code, Pledged__V1__Reason reason,
            const char *field, const char *format, ...);
#define failure_usage(failure_, ...)                                                               \
    failure_set((failure_), PL_E_USAGE, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "", __VA_ARGS__)
/* A refusal of the daemon, in words of the language of the run. */
PL_MUST_CHECK struct pl_status failure_set_refusal(struct failure *failure, enum pl_code code,
                                                   const Pledged__V1__Refusal *refusal);
/* A status that nobody has explained yet gets the words of its code. */
void failure_complete(struct failure *failure, struct pl_status status);

/* Name of the reason for programs: of the rule, else of the code. */
const char *failure_reason(const struct failure *failure);
/* One line, with line end. */
PL_MUST_CHECK struct pl_status failure_json(const struct failure *failure, struct pl_buf *out);
void failure_words(const struct failure *failure, FILE *out);

#endif
