/* SPDX-License-Identifier: Apache-2.0
 *
 * tiles: see tiles.h.
 */
#include "server/tiles.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/log.h"
#include "server/proofs.h"
#include "server/service.h"

enum { BUNDLE_MAX = PL_MERKLE_TILE_WIDTH * (2 + PL_BUNDLE_ENTRY_MAX) };

static void free_hashes(struct pl_merkle_hash **hashes)
{
    free(*hashes);
}

static void not_there(struct call *call)
{
    call_fail(call, PL_E_NOT_FOUND, NULL, "the log has no such file");
}

static void answer_bytes(struct call *call, struct pl_slice body)
{
    const struct net_answer answer = {.status = "200",
                                      .type = "application/octet-stream",
                                      .cache = "private, max-age=31536000, immutable",
                                      .body = body};
    call_answer(call, &answer);
}

static struct pl_status serve_hashes(struct call *call, struct proofs *proofs,
                                     const struct pl_tile *tile)
{
    struct pl_merkle_hash *hashes PL_CLEANUP(free_hashes) = calloc(tile->width, sizeof(*hashes));
    PL_ASSERT(hashes != NULL);
    PL_TRY(proofs_hashes(proofs, tile->level, tile->index * PL_MERKLE_TILE_WIDTH, tile->width,
                         hashes));
    answer_bytes(call, pl_slice(hashes, tile->width * sizeof(*hashes)));
    return pl_ok();
}

static struct pl_status take_entry(void *arg, uint64_t seq, struct pl_slice entry)
{
    (void)seq;
    return pl_bundle_append(arg, entry);
}

static struct pl_status serve_entries(struct call *call, struct proofs *proofs,
                                      const struct pl_tile *tile)
{
    struct pl_buf bundle PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&bundle, BUNDLE_MAX);
    uint64_t first_seq = tile->index * PL_MERKLE_TILE_WIDTH + 1;
    PL_TRY(proofs_entries(proofs, first_seq, first_seq + tile->width - 1, take_entry, &bundle));
    answer_bytes(call, pl_buf_slice(&bundle));
    return pl_ok();
}

static void on_tile(struct call *call, void *user)
{
    struct service *service = user;
    struct pl_slice path = call_path(call);
    struct pl_tile tile;
    const struct signed_tree *newest =
        service->proofs == NULL ? NULL : proofs_newest(service->proofs);
    if (newest == NULL ||
        !pl_is_ok(pl_tile_path_parse(pl_slice(path.data + 1, path.len - 1), &tile)) ||
        pl_tile_width(tile.level, tile.index, newest->checkpoint.size) < tile.width) {
        not_there(call);
        return;
    }
    struct pl_status status = tile.entries ? serve_entries(call, service->proofs, &tile)
                                           : serve_hashes(call, service->proofs, &tile);
    if (pl_is_ok(status))
        return;
    pl_log_status(PL_LOG_ERROR, "tiles", "cannot read what was asked for", status);
    call_fail(call, PL_E_UNAVAILABLE, NULL, "the file cannot be read now");
}

static void on_checkpoint(struct call *call, void *user)
{
    struct service *service = user;
    const struct signed_tree *newest =
        service->proofs == NULL ? NULL : proofs_served(service->proofs);
    if (newest == NULL) {
        not_there(call);
        return;
    }
    const struct net_answer answer = {.status = "200",
                                      .type = "text/plain; charset=utf-8",
                                      .cache = "private, max-age=1",
                                      .body = pl_slice(newest->note, newest->len)};
    call_answer(call, &answer);
}

#define AUDITORS (NET_ROLE(AUDITOR) | NET_ROLE(ADMIN))
#define READERS  (AUDITORS | NET_ROLE(READER) | NET_ROLE(CLERK) | NET_ROLE(APPROVER))

const struct net_resource tiles_resources[] = {
    {.path = "/checkpoint", .roles = READERS, .handle = on_checkpoint},
    {.path = "/tile/", .roles = AUDITORS, .handle = on_tile},
};
const size_t tiles_resource_count = PL_COUNT(tiles_resources);
