/* SPDX-License-Identifier: Apache-2.0
 *
 * export_form: what export.c asks of each form. Private to client/export*.c. A transaction is all
 * movements of one entry.
 */
#ifndef CLIENT_EXPORT_FORM_H
#define CLIENT_EXPORT_FORM_H

#include "client/export.h"

struct export_form_ops {
    struct pl_status (*begin)(struct export *export, const Pledged__V1__Entry *first,
                              struct pl_buf *out);
    struct pl_status (*transaction)(struct export *export, const Pledged__V1__Entry *entry,
                                    struct pl_slice bytes, struct pl_buf *out);
    struct pl_status (*end)(struct export *export, const Pledged__V1__DumpTrailer *trailer,
                            struct pl_buf *out);
};
extern const struct export_form_ops export_hledger, export_beancount, export_iati;

static inline bool export_wants(const struct export *export, const struct export_move *move)
{
    return export->pledge == 0 || export->pledge == move->pledge;
}

#endif
