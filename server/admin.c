/* SPDX-License-Identifier: Apache-2.0
 *
 * admin: see admin.h.
 */
#include "server/admin.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/check.h"
#include "common/log.h"

enum {
    METRICS_BYTES_MAX = 4 << 20,
    ADMIN_CONNECTIONS = 64,
    ADMIN_CALLS = 64,
    ADMIN_REQUEST_MS = 10000,
    ADMIN_IDLE_MS = 300000,
};

struct admin {
    struct admin_options options;
    struct net *net;
};

#define TEXT_TYPE "text/plain; charset=utf-8"

static void say(struct call *call, const char *status, const char *text)
{
    call_answer(call, &(struct net_answer){
                          .status = status, .type = TEXT_TYPE, .body = pl_slice_str(text)});
}

static void on_health(struct call *call, void *user)
{
    (void)user;
    say(call, "200", "ok\n");
}

/* Why commands are not taken, or NULL. */
static const char *why_not_ready(const struct metrics_now *now, struct pl_arena *arena)
{
    Pledged__V1__GetStatusResponse *status = NULL;
    if (!now->ready)
        return "starting or about to stop";
    if (now->view == NULL || view_get_status(now->view, arena, &status) != PL_E_OK)
        return "starting";
    return status->writable ? NULL : status->why_not_writable;
}

static void on_ready(struct call *call, void *user)
{
    struct admin *admin = user;
    struct metrics_now now = {.ready = false};
    admin->options.look(admin->options.arg, &now);
    const char *why = why_not_ready(&now, call_arena(call));
    const char *line =
        why == NULL ? "ready\n" : pl_arena_printf(call_arena(call), "not ready: %s\n", why);
    say(call, why == NULL ? "200" : "503", line == NULL ? "not ready\n" : line);
}

static bool wants_open_metrics(const struct call *call)
{
    static const char type[] = "application/openmetrics-text";
    struct pl_slice accept = call_header(call, "accept");
    for (size_t i = 0; i + sizeof(type) - 1 <= accept.len; i++) {
        if (memcmp(accept.data + i, type, sizeof(type) - 1) == 0)
            return true;
    }
    return false;
}

static void on_metrics(struct call *call, void *user)
{
    struct admin *admin = user;
    struct metrics_now now = {.ready = false};
    struct pl_buf page PL_CLEANUP(pl_buf_fini);
    bool open_metrics = wants_open_metrics(call);
    pl_buf_init(&page, METRICS_BYTES_MAX);
    admin->options.look(admin->options.arg, &now);
    struct pl_status status = metrics_render(admin->options.metrics, &now, open_metrics, &page);
    if (!pl_is_ok(status)) {
        pl_log_status(PL_LOG_ERROR, "admin", "the metrics cannot be told", status);
        say(call, "500", "the metrics cannot be told\n");
        return;
    }
    call_answer(call, &(struct net_answer){.status = "200",
                                           .type = open_metrics ? METRICS_TYPE_OPEN
                                                                : METRICS_TYPE_PROMETHEUS,
                                           .body = pl_buf_slice(&page)});
}

static const struct net_resource resources[] = {
    {.path = "/healthz", .roles = NET_ROLE(PUBLIC), .handle = on_health},
    {.path = "/readyz", .roles = NET_ROLE(PUBLIC), .handle = on_ready},
    {.path = "/metrics", .roles = NET_ROLE(PUBLIC), .handle = on_metrics},
};
/* Whoever can reach the socket. */
static const struct net_person anybody = {.person = "local",
                                          .role = PLEDGED__V1__ROLE__ROLE_PUBLIC};

struct pl_status admin_new(const struct admin_options *options, struct admin **ret)
{
    struct admin *admin = calloc(1, sizeof(*admin));
    PL_ASSERT(admin != NULL);
    admin->options = *options;
    const struct net_options net = {
        .base = options->base,
        .listen_fd = options->listen_fd,
        .resources = resources,
        .resource_count = PL_COUNT(resources),
        .anonymous = &anybody,
        .limits = {.connections = ADMIN_CONNECTIONS,
                   .calls = ADMIN_CALLS,
                   .preface_ms = ADMIN_REQUEST_MS,
                   .request_ms = ADMIN_REQUEST_MS,
                   .write_stall_ms = ADMIN_REQUEST_MS,
                   .idle_ms = ADMIN_IDLE_MS},
        .clock = options->clock,
        .user = admin,
    };
    struct pl_status status = net_new(&net, &admin->net);
    if (!pl_is_ok(status)) {
        free(admin);
        return status;
    }
    *ret = admin;
    return pl_ok();
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    net_close_all(admin->net);
    net_free(admin->net);
    free(admin);
}
