/* SPDX-License-Identifier: Apache-2.0
 *
 * export: entry to books, movements to the form that was asked for.
 */
#include "client/export.h"

#include <stdlib.h>

#include "client/export_form.h"
#include "common/check.h"
#include "common/money.h"

static const struct export_form_ops *ops_of(const struct export *export)
{
    switch (export->form) {
    case EXPORT_HLEDGER:
        return &export_hledger;
    case EXPORT_BEANCOUNT:
        return &export_beancount;
    case EXPORT_IATI:
        return &export_iati;
    }
    PL_UNREACHABLE();
}

void export_init(struct export *export, enum export_form form, uint64_t from_seq, uint64_t pledge)
{
    *export = (struct export){.form = form, .from_seq = from_seq, .pledge = pledge};
    export_books_init(&export->books);
    pl_map_init(&export->accounts, 16, 1, 0);
    export->currencies = calloc((size_t)pl_currency_count(), sizeof(*export->currencies));
    PL_ASSERT(export->currencies != NULL);
}

void export_fini(struct export *export)
{
    export_books_fini(&export->books);
    pl_map_fini(&export->accounts);
    free(export->currencies);
}

static bool moves_wanted(const struct export *export)
{
    for (size_t i = 0; i < export->books.moves; i++) {
        if (export_wants(export, &export->books.move[i]))
            return true;
    }
    return false;
}

struct pl_status export_take(struct export *export, const Pledged__V1__Entry *entry,
                             struct pl_slice bytes, struct pl_buf *out)
{
    PL_TRY(export_books_take(&export->books, entry));
    if (!export->begun)
        PL_TRY(ops_of(export)->begin(export, entry, out));
    export->begun = true;
    bool price = entry->fact_case == PLEDGED__V1__ENTRY__FACT_RATE_RECORDED &&
                 export->form != EXPORT_IATI && export->pledge == 0;
    if (entry->seq < export->from_seq || !(price || moves_wanted(export)))
        return pl_ok();
    return ops_of(export)->transaction(export, entry, bytes, out);
}

struct pl_status export_end(struct export *export, const Pledged__V1__DumpTrailer *trailer,
                            struct pl_buf *out)
{
    return export->begun ? ops_of(export)->end(export, trailer, out) : pl_ok();
}
