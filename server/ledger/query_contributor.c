/* SPDX-License-Identifier: Apache-2.0
 *
 * query_contributor: the organisations that give.
 */
#include <stdlib.h>

#include "common/fold.h"
#include "server/ledger/query_private.h"

/* What folding a name beyond ASCII counts of a query's QUERY_STEPS_MAX. */
enum { FOLD_STEPS = 32 };

static bool contains(const char *text, const char *part)
{
    for (;; text++) {
        size_t i = 0;
        while (part[i] != '\0' && query_fold(text[i]) == query_fold(part[i]))
            i++;
        if (part[i] == '\0')
            return true;
        if (*text == '\0')
            return false;
    }
}

/* Letters whatever their case, with or without accents: who looks for "societe" finds "Société". */
static bool name_contains(const char *name, const char *part, size_t *steps)
{
    if (part[0] == '\0')
        return true;
    char *folded = pl_fold(name);
    *steps += folded != NULL ? FOLD_STEPS : 0;
    bool found = contains(folded != NULL ? folded : name, part);
    free(folded);
    return found;
}

static Pledged__V1__ContributorStatus *contributor_row(struct query *q, size_t index)
{
    const struct state_contributor *contributor = &q->ledger->contributor[index];
    Pledged__V1__ContributorStatus *row =
        query_row(q, &pledged__v1__contributor_status__descriptor);
    if (row == NULL)
        return NULL;
    row->contributor = query_row_id(q, 'C', index);
    row->name = query_row_text(q, q->ledger->text + contributor->name);
    row->kind = (Pledged__V1__ContributorKind)contributor->kind;
    row->country = query_row_text(q, contributor->country);
    row->itu_membership = query_row_text(q, contributor->itu_membership);
    row->live_pledges = contributor->live_pledges;
    row->seq = contributor->seq;
    return q->spent ? NULL : row;
}

static bool contributor_matches(const struct ledger *ledger,
                                const Pledged__V1__ListContributorsRequest *want, const char *part,
                                const struct state_contributor *contributor, size_t *steps)
{
    if (want->kind != PLEDGED__V1__CONTRIBUTOR_KIND__CONTRIBUTOR_KIND_UNSPECIFIED &&
        contributor->kind != want->kind)
        return false;
    return name_contains(ledger->text + contributor->name, part, steps);
}

/* Returns where it stopped. */
static size_t fill(struct query *q, const Pledged__V1__ListContributorsRequest *want,
                   const struct query_page *page, Pledged__V1__ListContributorsResponse *response)
{
    const struct ledger *ledger = q->ledger;
    char *folded = pl_fold(want->name_contains);
    const char *part = folded != NULL ? folded : want->name_contains;
    size_t i = page->from;
    for (size_t steps = 0; i < ledger->contributor_count && steps < QUERY_STEPS_MAX; i++, steps++) {
        if (!contributor_matches(ledger, want, part, &ledger->contributor[i], &steps))
            continue;
        if (response->n_contributor == page->size ||
            (response->n_contributor > 0 && !query_page_has_room(q)))
            break;
        Pledged__V1__ContributorStatus *row = contributor_row(q, i);
        if (row == NULL)
            break;
        response->contributor[response->n_contributor++] = row;
    }
    free(folded);
    return i;
}

enum pl_code query_list_contributors(const struct ledger *ledger, const struct query_log *log,
                                     const ProtobufCMessage *request, struct pl_arena *arena,
                                     ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__ListContributorsRequest *want =
        (const Pledged__V1__ListContributorsRequest *)request;
    struct query_page page;
    size_t count = ledger->contributor_count;
    enum pl_code code = query_page_open(&q, want->page_token, want->page_size, 'c', count, &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__ListContributorsResponse *response =
        query_row(&q, &pledged__v1__list_contributors_response__descriptor);
    void *rows = query_page_rows(&q, &page, count);
    if (response == NULL || rows == NULL)
        return query_deny_spent(&q);
    response->as_of_seq = ledger->size;
    response->contributor = rows;
    size_t i = fill(&q, want, &page, response);
    if (q.spent && response->n_contributor == 0)
        return query_deny_spent(&q);
    if (i < count)
        response->next_page_token = query_page_token(&page, i);
    *ret = &response->base;
    return PL_E_OK;
}
