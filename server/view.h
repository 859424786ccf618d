/* SPDX-License-Identifier: Apache-2.0
 *
 * view: the committed picture that workers answer from: slots, prices, totals, as of one entry.
 * Immutable and counted; the writer makes one a batch and puts it into every worker's pl_slot
 * before any reply of that batch leaves (G7). Labels are shared with the catalogue, tallies are
 * shared between views while they do not change.
 *
 * A view knows the next hold deadlines of each capped tier, so that a reader who comes after a
 * deadline sees the slot free (or passed on to the queue) even before the expiry is written.
 */
#ifndef SERVER_VIEW_H
#define SERVER_VIEW_H

#include "pledged/v1/service.pb-c.h"
#include "server/ledger/ledger.h"

struct view;

/* Where the committed log ends, for readers of the log. */
struct view_log {
    uint64_t size;    /* durable entries */
    uint64_t batches; /* durable batches */
    uint8_t last_batch_hash[32];
    uint64_t epoch;
};

/* Writer. `previous` may be NULL; unchanged parts are shared with it. It must be a view of the same
 * `struct ledger`: after a rebuild of the state pass NULL once, since totals are compared by
 * version. Refcount 1. Running out of memory is fatal. */
struct view *view_new(const struct ledger *ledger, const struct view_log *log, bool writable,
                      const char *why_not_writable, bool expiry_stopped,
                      const struct view *previous);
/* The hash of the last batch, for a view that was made before that was known. Before the view is in
 * any slot. */
void view_set_batch_hash(struct view *view, const uint8_t hash[32]);
/* The same, but commands are not being accepted. Refcount 1. */
struct view *view_closed(const struct view *view, const char *why_not_writable);
struct view *view_ref(struct view *view);
void view_unref(struct view *view); /* any thread; NULL is fine */
const struct view_log *view_get_log(const struct view *view);
bool view_believes_clock(const struct view *view);   /* holds end when they are over */
bool view_is_writable(const struct view *view);      /* commands are being accepted */
const char *view_time_zone(const struct view *view); /* of the policy; "": UTC */
/* Where the offers in force say that their fund is, for people; "": they do not. Borrowed. */
const char *view_offers_zone(const struct view *view);

/* Worker. Same shape as query_fn, and the same rule for *ret_refusal; now_us judges hold deadlines.
 * Answers borrow from the view: pack them before letting it go. */
enum pl_code view_list_tiers(const struct view *, int64_t now_us,
                             const Pledged__V1__ListTiersRequest *, struct pl_arena *,
                             ProtobufCMessage **, Pledged__V1__Refusal **);
enum pl_code view_get_tier(const struct view *, int64_t now_us, const Pledged__V1__GetTierRequest *,
                           struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);
/* Without `pledge`: a tier, the matrix, or totals over pledged and committed pledges. */
enum pl_code view_list_benefits(const struct view *, const Pledged__V1__ListBenefitsRequest *,
                                struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);
enum pl_code view_get_totals(const struct view *, int64_t now_us,
                             const Pledged__V1__GetTotalsRequest *, struct pl_arena *,
                             ProtobufCMessage **, Pledged__V1__Refusal **);
enum pl_code view_get_catalogue(const struct view *, const Pledged__V1__GetCatalogueRequest *,
                                struct pl_arena *, ProtobufCMessage **, Pledged__V1__Refusal **);
/* Fills what the view knows; the caller adds version, person, role, store, vkey. */
enum pl_code view_get_status(const struct view *, struct pl_arena *,
                             Pledged__V1__GetStatusResponse **);

#endif
