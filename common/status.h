/* SPDX-License-Identifier: Apache-2.0
 *
 * status: the one way our functions say that an operation failed.
 *
 * Three kinds of failure have three mechanisms: a business refusal is a verdict inside a reply
 * (server/ledger), an operating failure is a `struct pl_status`, a bug is PL_ASSERT (check.h).
 * A status holds literals only: it is copied by value, allocates nothing, belongs to no thread.
 */
#ifndef PL_STATUS_H
#define PL_STATUS_H

#include <stdbool.h>

#define PL_MUST_CHECK __attribute__((warn_unused_result))

enum pl_code {
#define PL_STATUS(name, words, exit_code, grpc, connect, http, retryable) PL_E_##name,
#include "common/status.def"
#undef PL_STATUS
    PL_CODE_COUNT
};

struct pl_status {
    enum pl_code code;
    int sys_errno;     /* errno when a system call failed, else 0 */
    const char *what;  /* literal: what was attempted */
    const char *where; /* literal: file:line */
};

#define PL_STRINGIZE_(x) #x
#define PL_STRINGIZE(x)  PL_STRINGIZE_(x)
#define PL_WHERE         __FILE__ ":" PL_STRINGIZE(__LINE__)

#define pl_ok()                     ((struct pl_status){PL_E_OK, 0, "", ""})
#define pl_fail(code_, what_)       ((struct pl_status){PL_E_##code_, 0, (what_), PL_WHERE})
#define pl_fail_errno(code_, what_) ((struct pl_status){PL_E_##code_, errno, (what_), PL_WHERE})
#define pl_is_ok(status_)           ((status_).code == PL_E_OK)

/* Return the status of an expression unchanged unless it is OK. */
#define PL_TRY(expr_)                                                                              \
    do {                                                                                           \
        struct pl_status pl_try_ = (expr_);                                                        \
        if (pl_try_.code != PL_E_OK)                                                               \
            return pl_try_;                                                                        \
    } while (0)

const char *pl_code_name(enum pl_code code);    /* "NO_SPACE" */
const char *pl_code_words(enum pl_code code);   /* "no space left on the disk" */
int pl_code_exit(enum pl_code code);            /* process exit code */
int pl_code_grpc(enum pl_code code);            /* gRPC status code 0..16 */
const char *pl_code_connect(enum pl_code code); /* Connect error code */
int pl_code_http(enum pl_code code);            /* HTTP status of a Connect error */
bool pl_code_retryable(enum pl_code code);
/* The other way, for clients: the code of a gRPC status number; INTERNAL where unknown. */
enum pl_code pl_code_from_grpc(int grpc);

#endif
