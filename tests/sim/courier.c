/* SPDX-License-Identifier: Apache-2.0
 *
 * courier: see courier.h. A trip is one request and its answer; the handle that asked is the
 * process's, the trip is the network's.
 */
#include "tests/sim/courier.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "tests/sim/fiber.h"
#include "tests/sim/heap.h"

enum { TRIPS = 32, URL_BYTES = 256, PIECES = 4 };

struct handle { /* what a CURL is */
    char url[URL_BYTES], protocols[16];
    struct pl_slice body;
    size_t (*write)(char *data, size_t size, size_t count, void *arg);
    void *write_arg, *private;
    char *error;
    long timeout_ms, status;
    const char *type;
    bool post, stays; /* follows no redirect */
};

enum leg { THERE, BACK, HELD /* nothing comes back */, OVER };

struct trip {
    struct handle *handle; /* borrowed; NULL: nobody waits for the answer */
    bool used;
    enum leg leg;
    char url[URL_BYTES];
    uint8_t *body; /* owns */
    size_t len;
    bool again; /* it arrives once more */
    int64_t due_us, until_us;
    struct courier_answer *answer; /* owns; NULL: none yet */
    size_t at, end;                /* bytes of it that came, and that will */
    bool quiet;                    /* where it breaks off nobody says so */
    CURLcode code;                 /* once it is over */
};

static struct courier_ground g;
static struct courier_odds odds;
static struct trip trips[TRIPS];
static uint64_t sleeps;
static unsigned begun; /* of this process: what began ends */

static int64_t now_us(void)
{
    return g.clock->mono_ns_now / 1000;
}

static int64_t delay_us(void)
{
    return (int64_t)dice_below(g.dice, dice_hits(g.dice, odds.slow) ? 14000000 : 20000);
}

static void drop(struct trip *trip)
{
    bool before = heap_daemon(false);
    free(trip->body);
    free(trip->answer);
    memset(trip, 0, sizeof(*trip));
    (void)heap_daemon(before);
}

void courier_begin(const struct courier_ground *ground, struct courier_odds of_seed)
{
    g = *ground;
    odds = of_seed;
    sleeps = 0;
}

void courier_be_well(void)
{
    odds = (struct courier_odds){0};
}

void courier_kill(void)
{
    begun = 0;
    for (int i = 0; i < TRIPS; i++) {
        trips[i].handle = NULL;
        if (trips[i].used && trips[i].leg != THERE)
            drop(&trips[i]);
    }
}

void courier_end(void)
{
    for (int i = 0; i < TRIPS; i++)
        drop(&trips[i]);
}

uint64_t courier_sleeps(void)
{
    return sleeps;
}

/* --- on the way --- */

/* Where the answer breaks off, if it does. */
static void choose_end(struct trip *trip)
{
    trip->end = trip->answer->len;
    if (!dice_hits(g.dice, odds.cut))
        return;
    trip->end = dice_below(g.dice, trip->answer->len + 1);
    trip->quiet = dice_below(g.dice, 2) == 0;
}

static void arrive(struct trip *trip)
{
    struct courier_answer *answer = calloc(1, sizeof(*answer));
    PL_ASSERT(answer != NULL);
    g.arrived(trip->url, pl_slice(trip->body, trip->len), answer);
    trip->due_us = now_us() + delay_us();
    if (trip->answer != NULL) { /* the second time: one answer comes back */
        free(answer);
        return;
    }
    trip->answer = answer;
    choose_end(trip);
    if (trip->again) {
        trip->again = false;
        return;
    }
    trip->leg = dice_hits(g.dice, odds.unanswered) ? HELD : BACK;
}

bool courier_move(void)
{
    struct trip *due[TRIPS];
    size_t count = 0;
    for (int i = 0; i < TRIPS; i++) {
        if (trips[i].used && trips[i].leg == THERE && trips[i].due_us <= now_us())
            due[count++] = &trips[i];
    }
    if (count == 0)
        return false;
    struct trip *trip = due[dice_below(g.dice, count)];
    bool second = trip->answer != NULL;
    arrive(trip);
    if (second)
        trip->leg = BACK;
    if (trip->handle == NULL && trip->leg != THERE)
        drop(trip);
    return true;
}

/* --- handles --- */

CURLcode courier_global_init(long flags)
{
    begun++;
    return flags == CURL_GLOBAL_DEFAULT ? CURLE_OK : CURLE_FAILED_INIT;
}

void courier_global_cleanup(void)
{
    PL_ASSERT(begun != 0);
    begun--;
}

struct curl_slist *courier_slist_append(struct curl_slist *list, const char *text)
{
    struct curl_slist *made = calloc(1, sizeof(*made)), *last = list;
    PL_ASSERT(made != NULL);
    made->data = strdup(text);
    while (last != NULL && last->next != NULL)
        last = last->next;
    if (last != NULL)
        last->next = made;
    return list != NULL ? list : made;
}

void courier_slist_free_all(struct curl_slist *list)
{
    while (list != NULL) {
        struct curl_slist *next = list->next;
        free(list->data);
        free(list);
        list = next;
    }
}

CURL *courier_easy_init(void)
{
    struct handle *handle = calloc(1, sizeof(*handle));
    PL_ASSERT(handle != NULL);
    return handle;
}

void courier_easy_reset(CURL *easy)
{
    memset(easy, 0, sizeof(struct handle));
}

static void leave(const struct handle *handle)
{
    for (int i = 0; i < TRIPS; i++) {
        struct trip *trip = &trips[i];
        if (!trip->used || trip->handle != handle)
            continue;
        trip->handle = NULL;
        if (trip->leg != THERE)
            drop(trip);
    }
}

void courier_easy_cleanup(CURL *easy)
{
    if (easy != NULL)
        leave(easy);
    free(easy);
}

CURLcode courier_easy_setopt(CURL *easy, CURLoption option, ...)
{
    struct handle *handle = easy;
    va_list args;
    va_start(args, option);
    switch ((int)option) {
    case CURLOPT_URL:
        (void)snprintf(handle->url, URL_BYTES, "%s", va_arg(args, const char *));
        break;
    case CURLOPT_PROTOCOLS_STR:
        (void)snprintf(handle->protocols, sizeof(handle->protocols), "%s",
                       va_arg(args, const char *));
        break;
    case CURLOPT_FOLLOWLOCATION:
        handle->stays = va_arg(args, long) == 0;
        break;
    case CURLOPT_TIMEOUT_MS:
        handle->timeout_ms = va_arg(args, long);
        break;
    case CURLOPT_POST:
        handle->post = va_arg(args, long) == 1;
        break;
    case CURLOPT_POSTFIELDSIZE:
        handle->body.len = (size_t)va_arg(args, long);
        break;
    case CURLOPT_POSTFIELDS:
        handle->body.data = va_arg(args, const uint8_t *);
        break;
    case CURLOPT_ERRORBUFFER:
        handle->error = va_arg(args, char *);
        break;
    case CURLOPT_WRITEFUNCTION:
        handle->write = va_arg(args, size_t(*)(char *, size_t, size_t, void *));
        break;
    case CURLOPT_WRITEDATA:
        handle->write_arg = va_arg(args, void *);
        break;
    case CURLOPT_PRIVATE:
        handle->private = va_arg(args, void *);
        break;
    default: /* of bytes and signals that are not here */
        break;
    }
    va_end(args);
    return CURLE_OK;
}

CURLcode courier_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    struct handle *handle = easy;
    CURLcode code = CURLE_OK;
    va_list args;
    va_start(args, info);
    if (info == CURLINFO_RESPONSE_CODE)
        *va_arg(args, long *) = handle->status;
    else if (info == CURLINFO_CONTENT_TYPE)
        *va_arg(args, const char **) = handle->type;
    else if (info == CURLINFO_PRIVATE)
        *va_arg(args, void **) = handle->private;
    else
        code = CURLE_UNKNOWN_OPTION;
    va_end(args);
    return code;
}

const char *courier_easy_strerror(CURLcode code)
{
    return code == CURLE_PARTIAL_FILE ? "Transferred a partial file" : "Failure";
}

/* --- what is under way --- */

CURLM *courier_multi_init(void)
{
    static char the_only_one; /* of the machine */
    return &the_only_one;
}

CURLMcode courier_multi_cleanup(CURLM *multi)
{
    (void)multi;
    return CURLM_OK;
}

/* What was sent is written down and goes; a request without bounds is none. */
CURLMcode courier_multi_add_handle(CURLM *multi, CURL *easy)
{
    struct handle *handle = easy;
    struct trip *trip = trips;
    (void)multi;
    PL_ASSERT(handle->post && handle->stays && strcmp(handle->protocols, "http,https") == 0);
    PL_ASSERT(handle->timeout_ms > 0 && handle->write != NULL);
    while (trip < trips + TRIPS && trip->used)
        trip++;
    if (trip == trips + TRIPS)
        return CURLM_OUT_OF_MEMORY;
    bool before = heap_daemon(false);
    *trip = (struct trip){.handle = handle, .used = true, .len = handle->body.len};
    memcpy(trip->url, handle->url, URL_BYTES);
    trip->body = malloc(trip->len + 1);
    PL_ASSERT(trip->body != NULL);
    memcpy(trip->body, handle->body.data, trip->len);
    trip->until_us = now_us() + handle->timeout_ms * 1000;
    trip->due_us = now_us() + delay_us();
    trip->again = dice_hits(g.dice, odds.doubled);
    if (dice_hits(g.dice, odds.lost))
        trip->leg = HELD;
    if (dice_hits(g.dice, odds.refused)) {
        trip->leg = OVER;
        trip->code = CURLE_COULDNT_CONNECT;
    } else {
        g.sent(trip->url, pl_slice(trip->body, trip->len));
    }
    (void)heap_daemon(before);
    return CURLM_OK;
}

CURLMcode courier_multi_remove_handle(CURLM *multi, CURL *easy)
{
    (void)multi;
    leave(easy);
    return CURLM_OK;
}

static void end(struct trip *trip, CURLcode code)
{
    trip->leg = OVER;
    trip->code = code;
}

/* The next piece, or what is behind the last one. */
static void bring(struct trip *trip)
{
    struct handle *handle = trip->handle;
    size_t left = trip->end - trip->at;
    if (left == 0) {
        end(trip, trip->end == trip->answer->len || trip->quiet ? CURLE_OK : CURLE_PARTIAL_FILE);
        return;
    }
    size_t len = 1 + dice_below(g.dice, left);
    char *piece = malloc(len); /* nothing is behind it */
    PL_ASSERT(piece != NULL);
    memcpy(piece, trip->answer->bytes + trip->at, len);
    size_t taken = handle->write(piece, 1, len, handle->write_arg);
    free(piece);
    trip->at += len;
    if (taken != len)
        end(trip, CURLE_WRITE_ERROR);
    else if (dice_below(g.dice, PIECES) == 0)
        trip->due_us = now_us() + delay_us();
}

static bool is_back(const struct trip *trip)
{
    return trip->leg == BACK && trip->due_us <= now_us();
}

static bool has_something(const struct trip *trip)
{
    return trip->used && trip->handle != NULL &&
           (trip->leg == OVER || is_back(trip) || trip->until_us <= now_us());
}

static bool is_time(void *arg)
{
    return now_us() >= *(const int64_t *)arg;
}

/* Others go on between its look at the notary and what comes now, and that may take a while. */
static void linger(void)
{
    int64_t until_us = now_us() + (int64_t)dice_below(g.dice, 400000);
    uint64_t dice = dice_below(g.dice, 8);
    if (dice == 0 && odds.slow != 0)
        fiber_wait(is_time, &until_us);
    else if (dice < 3)
        fiber_pause();
}

CURLMcode courier_multi_perform(CURLM *multi, int *ret_running)
{
    (void)multi;
    *ret_running = 0;
    linger();
    for (int i = 0; i < TRIPS; i++) {
        struct trip *trip = &trips[i];
        if (!trip->used || trip->handle == NULL)
            continue;
        while (is_back(trip))
            bring(trip);
        if (trip->leg != OVER && trip->until_us <= now_us())
            end(trip, CURLE_OPERATION_TIMEDOUT);
        *ret_running += trip->leg != OVER;
    }
    return CURLM_OK;
}

/* A message stays until the next call; its handle is taken out meanwhile. */
CURLMsg *courier_multi_info_read(CURLM *multi, int *ret_left)
{
    static CURLMsg message;
    (void)multi;
    *ret_left = 0;
    for (int i = 0; i < TRIPS; i++) {
        struct trip *trip = &trips[i];
        if (!trip->used || trip->handle == NULL || trip->leg != OVER)
            continue;
        struct handle *handle = trip->handle;
        bool whole = trip->code == CURLE_OK;
        handle->status = whole ? trip->answer->status : 0;
        handle->type = whole ? trip->answer->type : NULL;
        message = (CURLMsg){.msg = CURLMSG_DONE, .easy_handle = handle};
        message.data.result = trip->code;
        bool before = heap_daemon(false);
        g.told(trip->url, handle->status, handle->type,
               whole ? pl_slice(trip->answer->bytes, trip->end) : pl_slice(NULL, 0));
        (void)heap_daemon(before);
        return &message;
    }
    return NULL;
}

struct sleeper { /* of one poll, on its fiber's stack */
    struct pollfd fds[2];
    int64_t until_ns;
};

static bool wakes(void *arg)
{
    struct sleeper *sleeper = arg;
    for (int i = 0; i < TRIPS; i++) {
        if (has_something(&trips[i]))
            return true;
    }
    return g.clock->mono_ns_now >= sleeper->until_ns ||
           poll(sleeper->fds, PL_COUNT(sleeper->fds), 0) > 0;
}

CURLMcode courier_multi_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
                             int *ret_ready)
{
    struct sleeper sleeper = {.until_ns = g.clock->mono_ns_now + timeout_ms * 1000000LL};
    (void)multi, (void)ret_ready;
    PL_ASSERT(count == PL_COUNT(sleeper.fds) && timeout_ms >= 0);
    for (unsigned i = 0; i < count; i++)
        sleeper.fds[i] = (struct pollfd){.fd = fds[i].fd, .events = POLLIN};
    sleeps++;
    fiber_wait(wakes, &sleeper);
    return CURLM_OK;
}
