/* SPDX-License-Identifier: Apache-2.0
 *
 * health: see health.h.
 */
#include "server/health.h"

#include <event2/event.h>
#include <grpc/health/v1/health.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/check.h"

#define STATUS(name_) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name_

enum { LOOK_MS = 200, NEVER_SENT = -1 };

enum subject { WHOLE, LEDGER, NOBODY };

struct watcher { /* owned by its call's context */
    TAILQ_ENTRY(watcher) link;
    struct call *call;
    enum subject subject;
    int sent;  /* the status that was sent last */
    bool full; /* its peer reads too slowly */
};
TAILQ_HEAD(watcher_list, watcher);

struct health {
    struct service *service;
    struct watcher_list watchers;
    struct event *timer; /* runs while somebody watches */
};

static enum subject subject_of(const char *name)
{
    if (name[0] == '\0')
        return WHOLE;
    return strcmp(name, "pledged.v1.LedgerService") == 0 ? LEDGER : NOBODY;
}

static int status_of(const struct health *health, enum subject subject)
{
    enum service_state state = service_look(health->service);
    if (subject == NOBODY)
        return STATUS(SERVICE_UNKNOWN);
    if (state == SERVICE_UP || (state == SERVICE_READ_ONLY && subject == WHOLE))
        return STATUS(SERVING);
    return STATUS(NOT_SERVING);
}

static void on_check(struct call *call, void *user)
{
    const struct service *service = user;
    const Grpc__Health__V1__HealthCheckRequest *request = (const void *)call_request(call);
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    enum subject subject = subject_of(request->service);
    if (subject == NOBODY) {
        Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
        refusal.reason = PLEDGED__V1__REASON__REASON_FIELD_INVALID;
        refusal.field = (char *)(uintptr_t) "service";
        refusal.message = (char *)(uintptr_t) "no such service";
        call_fail(call, PL_E_NOT_FOUND, &refusal, NULL);
        return;
    }
    response.status =
        (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status_of(service->health, subject);
    call_reply(call, &response.base);
}

/* --- watching --- */

static void watcher_free(struct health *health, struct watcher *watcher)
{
    TAILQ_REMOVE(&health->watchers, watcher, link);
    free(watcher);
    if (TAILQ_EMPTY(&health->watchers))
        (void)event_del(health->timer);
}

/* Who reads too slowly misses states in between, never the newest. */
static void tell(const struct health *health, struct watcher *watcher)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    int status = status_of(health, watcher->subject);
    if (status == watcher->sent || watcher->full)
        return;
    watcher->sent = status;
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    watcher->full = !call_send(watcher->call, &response.base);
}

/* The peer left, or is asked to leave, or reads again. */
static void on_turn(struct call *call, void *user)
{
    const struct service *service = user;
    struct watcher *watcher = call_context(call);
    if (call_gone(call)) {
        watcher_free(service->health, watcher);
        call_end(call);
    } else if (call_draining(call)) {
        tell(service->health, watcher);
        watcher_free(service->health, watcher);
        call_fail(call, PL_E_UNAVAILABLE, NULL, "the connection is about to go: watch again");
    } else {
        watcher->full = false;
        tell(service->health, watcher);
    }
}

static void on_watch(struct call *call, void *user)
{
    const struct service *service = user;
    struct health *health = service->health;
    const Grpc__Health__V1__HealthCheckRequest *request = (const void *)call_request(call);
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    PL_ASSERT(watcher != NULL);
    watcher->call = call;
    watcher->subject = subject_of(request->service);
    watcher->sent = NEVER_SENT;
    if (TAILQ_EMPTY(&health->watchers)) {
        struct timeval every = {0, LOOK_MS * 1000L};
        (void)event_add(health->timer, &every);
    }
    TAILQ_INSERT_TAIL(&health->watchers, watcher, link);
    call_set_context(call, watcher);
    call_on_writable(call, on_turn);
    tell(health, watcher);
}

void health_look(struct health *health)
{
    struct watcher *watcher;
    TAILQ_FOREACH(watcher, &health->watchers, link)
    {
        tell(health, watcher);
    }
}

static void look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    health_look(arg);
}

/* --- making and ending --- */

struct health *health_new(struct event_base *base, struct service *service)
{
    struct health *health = calloc(1, sizeof(*health));
    PL_ASSERT(health != NULL);
    health->service = service;
    TAILQ_INIT(&health->watchers);
    health->timer = event_new(base, -1, EV_PERSIST, look, health);
    PL_ASSERT(health->timer != NULL);
    return health;
}

void health_free(struct health *health)
{
    if (health == NULL)
        return;
    PL_ASSERT(TAILQ_EMPTY(&health->watchers));
    event_free(health->timer);
    free(health);
}

#define EVERYBODY                                                                                  \
    (NET_ROLE(PUBLIC) | NET_ROLE(READER) | NET_ROLE(CLERK) | NET_ROLE(APPROVER) |                  \
     NET_ROLE(AUDITOR) | NET_ROLE(ADMIN))

const struct net_method health_methods[] = {
    {.path = "/grpc.health.v1.Health/Check",
     .input = &grpc__health__v1__health_check_request__descriptor,
     .output = &grpc__health__v1__health_check_response__descriptor,
     .roles = EVERYBODY,
     .request_bytes_max = 1024,
     .handle = on_check},
    {.path = "/grpc.health.v1.Health/Watch",
     .input = &grpc__health__v1__health_check_request__descriptor,
     .output = &grpc__health__v1__health_check_response__descriptor,
     .server_streaming = true,
     .long_lived = true,
     .roles = EVERYBODY,
     .request_bytes_max = 1024,
     .handle = on_watch},
};
const size_t health_method_count = PL_COUNT(health_methods);
