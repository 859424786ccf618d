/* SPDX-License-Identifier: Apache-2.0
 *
 * status: lookups in the table of status.def.
 */
#include "common/status.h"

#include <stddef.h>

#include "common/check.h"

static const struct row {
    const char *name, *words;
    int exit_code, grpc;
    const char *connect;
    int http;
    bool retryable;
} rows[] = {
#define PL_STATUS(name_, words_, exit_, grpc_, connect_, http_, retryable_)                        \
    {#name_, words_, exit_, grpc_, connect_, http_, retryable_},
#include "common/status.def"
#undef PL_STATUS
};

static const struct row *row_of(enum pl_code code)
{
    PL_ASSERT(code < PL_CODE_COUNT);
    return &rows[code];
}

const char *pl_code_name(enum pl_code code)
{
    return row_of(code)->name;
}

const char *pl_code_words(enum pl_code code)
{
    return row_of(code)->words;
}

int pl_code_exit(enum pl_code code)
{
    return row_of(code)->exit_code;
}

int pl_code_grpc(enum pl_code code)
{
    return row_of(code)->grpc;
}

const char *pl_code_connect(enum pl_code code)
{
    return row_of(code)->connect;
}

int pl_code_http(enum pl_code code)
{
    return row_of(code)->http;
}

bool pl_code_retryable(enum pl_code code)
{
    return row_of(code)->retryable;
}

enum pl_code pl_code_from_grpc(int grpc)
{
    if (grpc == rows[PL_E_INTERNAL].grpc)
        return PL_E_INTERNAL; /* several rows travel as "internal"; only this one claims no more */
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        if (rows[i].grpc == grpc)
            return (enum pl_code)i;
    }
    return PL_E_INTERNAL;
}
