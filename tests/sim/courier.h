/* SPDX-License-Identifier: Apache-2.0
 *
 * courier: requests over HTTP that the daemon sends, in the place of libcurl (shim_witness.h): they
 * and their answers travel as slowly as the dice say, are lost, come twice, break off with a word
 * or without one. What lies on the way outlives the process that sent it. Who they go to says the
 * ground.
 */
#ifndef SIM_COURIER_H
#define SIM_COURIER_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/slice.h"
#include "tests/sim/dice.h"

enum { COURIER_ANSWER_MAX = 80 << 10 };
struct courier_answer {
    long status;
    const char *type; /* lives for ever; NULL: none */
    size_t len;
    uint8_t bytes[COURIER_ANSWER_MAX];
};
struct courier_odds { /* in a million */
    uint32_t refused, lost, unanswered, cut, doubled, slow;
};
struct courier_ground {
    struct dice *dice;
    struct pl_clock_fake *clock;
    /* It leaves the process; called in its fiber, and only to write it down. */
    void (*sent)(const char *url, struct pl_slice body);
    /* It is there. */
    void (*arrived)(const char *url, struct pl_slice body, struct courier_answer *ret);
    /* The process hears what came of it. `status` 0: nothing whole. `body`: as it got it. */
    void (*told)(const char *url, long status, const char *type, struct pl_slice body);
};

void courier_begin(const struct courier_ground *ground, struct courier_odds odds);
void courier_be_well(void); /* nothing is lost or slow from now on */
void courier_kill(void);    /* nobody waits for answers any more */
bool courier_move(void);    /* something arrives; false: nothing is due */
void courier_end(void);
/* The thread that asks has looked at all that came, so many times. */
uint64_t courier_sleeps(void);

/* --- what server/witness asks of libcurl --- */
CURLcode courier_global_init(long flags);
void courier_global_cleanup(void);
struct curl_slist *courier_slist_append(struct curl_slist *list, const char *text);
void courier_slist_free_all(struct curl_slist *list);
CURL *courier_easy_init(void);
void courier_easy_reset(CURL *easy);
CURLcode courier_easy_setopt(CURL *easy, CURLoption option, ...);
CURLcode courier_easy_getinfo(CURL *easy, CURLINFO info, ...);
void courier_easy_cleanup(CURL *easy);
const char *courier_easy_strerror(CURLcode code);
CURLM *courier_multi_init(void);
CURLMcode courier_multi_cleanup(CURLM *multi);
CURLMcode courier_multi_add_handle(CURLM *multi, CURL *easy);
CURLMcode courier_multi_remove_handle(CURLM *multi, CURL *easy);
CURLMcode courier_multi_perform(CURLM *multi, int *ret_running);
CURLMsg *courier_multi_info_read(CURLM *multi, int *ret_left);
CURLMcode courier_multi_poll(CURLM *multi, struct curl_waitfd *fds, unsigned count, int timeout_ms,
                             int *ret_ready);

#endif
