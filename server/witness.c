/* SPDX-License-Identifier: Apache-2.0
 *
 * witness: see witness.h. One easy handle a witness, one multi handle for all: the loop sleeps on
 * the network, the notary's bell and the order to stop.
 */
#include "server/witness.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/check.h"
#include "common/log.h"

enum {
    TIMEOUT_MS = 10000,
    CONNECT_MS = 5000,
    URL_BYTES = 2048,
    SLEEP_MOST_MS = 60000,
};

/* One witness on the network. */
struct line {
    CURL *easy;                 /* owns */
    struct curl_slist *headers; /* owns */
    struct pl_buf body, answer; /* of the request under way */
    char error[CURL_ERROR_SIZE];
    bool busy;
};

struct witness_thread {
    struct witness_options options;
    struct cosign *cosign; /* owns */
    CURLM *multi;          /* owns */
    struct line *line;     /* owns; one a witness */
    size_t line_count;
    struct pl_slot *slot; /* owns; one a reader */
    struct pl_bell *stop; /* owns */
    atomic_bool stopping;
    pthread_t thread;
    bool running, silent;
};

/* --- the network --- */

/* A short count ends the transfer: the answer is too large. */
static size_t on_data(char *data, size_t size, size_t count, void *arg)
{
    struct line *line = arg;
    size_t len = size * count; /* size is 1 */
    return pl_is_ok(pl_buf_append(&line->answer, data, len)) ? len : 0;
}

static bool make_url(const char *prefix, char ret[URL_BYTES])
{
    size_t len = strlen(prefix);
    while (len > 0 && prefix[len - 1] == '/')
        len--;
    int printed = snprintf(ret, URL_BYTES, "%.*s/add-checkpoint", (int)len, prefix);
    return printed > 0 && printed < URL_BYTES;
}

static bool set_options(struct witness_thread *witness, struct line *line, const char *url)
{
    CURL *easy = line->easy;
    const char *ca_file = witness->options.ca_file;
    struct pl_slice body = pl_buf_slice(&line->body);
    /* connections are kept, what a request set is not */
    curl_easy_reset(easy);
    line->error[0] = '\0';
    return curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "pledged/" PLEDGED_VERSION) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, line->headers) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body.len) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)body.data) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, line->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, line) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PRIVATE, line) == CURLE_OK &&
           (ca_file == NULL || curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) == CURLE_OK);
}

static void fail(struct witness_thread *witness, size_t index, const char *why)
{
    const struct cosign_answer answer = {.failed = why};
    cosign_answer(witness->cosign, index, &answer);
}

/* The body is the line's from here on. */
static void ask(struct witness_thread *witness, struct cosign_ask *ask)
{
    char url[URL_BYTES];
    struct line *line = &witness->line[ask->witness];
    PL_ASSERT(!line->busy);
    pl_buf_fini(&line->body);
    line->body = ask->body;
    pl_buf_clear(&line->answer);
    if (!make_url(ask->url, url) || !set_options(witness, line, url)) {
        fail(witness, ask->witness, "its address is wrong");
        return;
    }
    if (curl_multi_add_handle(witness->multi, line->easy) != CURLM_OK) {
        fail(witness, ask->witness, "it cannot be asked now");
        return;
    }
    line->busy = true;
}

static void finish(struct witness_thread *witness, struct line *line, CURLcode code)
{
    struct cosign_answer answer = {.body = pl_buf_slice(&line->answer)};
    const char *type = NULL;
    (void)curl_multi_remove_handle(witness->multi, line->easy);
    line->busy = false;
    if (code == CURLE_WRITE_ERROR)
        answer.failed = "its answer is too large";
    else if (code != CURLE_OK)
        answer.failed = line->error[0] != '\0' ? line->error : curl_easy_strerror(code);
    else
        (void)curl_easy_getinfo(line->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (curl_easy_getinfo(line->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type != NULL)
        answer.is_size = strncasecmp(type, "text/x.tlog.size", 16) == 0 &&
                         (type[16] == '\0' || type[16] == ';' || type[16] == ' ');
    cosign_answer(witness->cosign, (size_t)(line - witness->line), &answer);
}

static void take_newest(struct witness_thread *witness)
{
    struct signed_tree *tree =
        pl_slot_take(notary_slot(witness->options.notary, witness->options.notary_reader));
    if (tree != NULL)
        cosign_take(witness->cosign, tree);
}

/* Whoever read a checkpoint may have brought it to a witness before this thread heard of it: an
 * answer is judged by what was signed when it came, not when it was asked for. */
static void finish_all(struct witness_thread *witness)
{
    int left = 0;
    CURLMsg *message = curl_multi_info_read(witness->multi, &left);
    while (message != NULL) {
        struct line *line = NULL;
        CURLcode code = message->data.result;
        PL_ASSERT(message->msg == CURLMSG_DONE);
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &line);
        PL_ASSERT(line != NULL);
        take_newest(witness);
        finish(witness, line, code);
        message = curl_multi_info_read(witness->multi, &left);
    }
}

/* --- the loop --- */

static void publish(struct witness_thread *witness)
{
    struct cosign_report *report = cosign_news(witness->cosign);
    if (report == NULL)
        return;
    for (size_t i = 0; i < witness->options.readers; i++)
        cosign_report_unref(pl_slot_put(&witness->slot[i], cosign_report_ref(report)));
    cosign_report_unref(report);
}

static void look(struct witness_thread *witness)
{
    struct cosign_ask next;
    take_newest(witness);
    while (cosign_next(witness->cosign, &next))
        ask(witness, &next);
    publish(witness);
}

/* Before anybody hears of it. */
static void silence(struct witness_thread *witness)
{
    bool silent = cosign_rolled_back(witness->cosign);
    if (silent == witness->silent)
        return;
    witness->silent = silent;
    notary_silence(witness->options.notary, silent);
}

static int sleep_ms(const struct witness_thread *witness)
{
    struct pl_clock *clock = witness->options.clock;
    int64_t due_ns = cosign_due_ns(witness->cosign);
    int64_t left_ns = due_ns == INT64_MAX ? INT64_MAX : due_ns - clock->mono_ns(clock);
    if (left_ns <= 0)
        return 0;
    return left_ns > SLEEP_MOST_MS * 1000000LL ? SLEEP_MOST_MS : (int)(left_ns / 1000000 + 1);
}

static void *run(void *arg)
{
    struct witness_thread *witness = arg;
    struct pl_bell *bell = notary_bell(witness->options.notary, witness->options.notary_reader);
    int running = 0;
    (void)pthread_setname_np(pthread_self(), "witness");
    for (;;) {
        /* armed before the look at what they announce */
        pl_bell_arm(witness->stop);
        pl_bell_arm(bell);
        if (atomic_load_explicit(&witness->stopping, memory_order_acquire))
            return NULL;
        look(witness);
        CURLMcode code = curl_multi_perform(witness->multi, &running);
        PL_ASSERT(code == CURLM_OK);
        finish_all(witness);
        silence(witness);
        publish(witness);
        struct curl_waitfd fds[] = {{.fd = pl_bell_fd(bell), .events = CURL_WAIT_POLLIN},
                                    {.fd = pl_bell_fd(witness->stop), .events = CURL_WAIT_POLLIN}};
        code = curl_multi_poll(witness->multi, fds, PL_COUNT(fds), sleep_ms(witness), NULL);
        PL_ASSERT(code == CURLM_OK || code == CURLM_OUT_OF_MEMORY);
    }
}

/* --- start, end --- */

static struct pl_status make_lines(struct witness_thread *witness)
{
    witness->multi = curl_multi_init();
    if (witness->multi == NULL)
        return pl_fail(UNAVAILABLE, "make ready to ask witnesses");
    for (size_t i = 0; i < witness->line_count; i++) {
        struct line *line = &witness->line[i];
        line->easy = curl_easy_init();
        /* nothing is waited for before the body leaves */
        line->headers = curl_slist_append(NULL, "Expect:");
        struct curl_slist *more =
            curl_slist_append(line->headers, "Content-Type: text/plain; charset=utf-8");
        if (line->easy == NULL || line->headers == NULL || more == NULL)
            return pl_fail(UNAVAILABLE, "make ready to ask witnesses");
        pl_buf_init(&line->body, 0);
        pl_buf_init(&line->answer, COSIGN_ANSWER_MAX);
    }
    return pl_ok();
}

static struct pl_status set_up(struct witness_thread *witness)
{
    const struct witness_options *options = &witness->options;
    const struct cosign_options cosign = {.policy = options->policy,
                                          .io = options->io,
                                          .clock = options->clock,
                                          .data = options->data,
                                          .lock = options->lock,
                                          .vkey = notary_vkey(options->notary),
                                          .size = tree_size(notary_tree(options->notary)),
                                          .read = tree_read,
                                          .read_arg = notary_tree(options->notary)};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return pl_fail(UNAVAILABLE, "make ready to ask witnesses");
    PL_TRY(pl_bell_new(&witness->stop));
    PL_TRY(cosign_new(&cosign, &witness->cosign));
    PL_TRY(make_lines(witness));
    publish(witness);
    return pl_ok();
}

struct pl_status witness_new(const struct witness_options *options, struct witness_thread **ret)
{
    struct witness_thread *witness = calloc(1, sizeof(*witness));
    PL_ASSERT(witness != NULL);
    witness->options = *options;
    witness->line_count = options->policy->witness_count;
    witness->line = calloc(witness->line_count, sizeof(*witness->line));
    witness->slot = calloc(options->readers, sizeof(*witness->slot));
    PL_ASSERT(witness->line != NULL && (witness->slot != NULL || options->readers == 0));
    struct pl_status status = set_up(witness);
    if (pl_is_ok(status))
        *ret = witness;
    else
        witness_free(witness);
    return status;
}

struct pl_status witness_start(struct witness_thread *witness)
{
    if (pthread_create(&witness->thread, NULL, run, witness) != 0)
        return pl_fail(UNAVAILABLE, "start the thread that asks witnesses");
    witness->running = true;
    return pl_ok();
}

void witness_stop(struct witness_thread *witness)
{
    if (witness == NULL || !witness->running)
        return;
    atomic_store_explicit(&witness->stopping, true, memory_order_release);
    pl_bell_ring(witness->stop);
    int failed = pthread_join(witness->thread, NULL);
    PL_ASSERT(failed == 0);
    witness->running = false;
}

void witness_free(struct witness_thread *witness)
{
    if (witness == NULL)
        return;
    for (size_t i = 0; i < witness->line_count; i++) {
        struct line *line = &witness->line[i];
        if (line->busy)
            (void)curl_multi_remove_handle(witness->multi, line->easy);
        curl_easy_cleanup(line->easy);
        curl_slist_free_all(line->headers);
        pl_buf_fini(&line->body);
        pl_buf_fini(&line->answer);
    }
    if (witness->multi != NULL)
        (void)curl_multi_cleanup(witness->multi);
    for (size_t i = 0; i < witness->options.readers; i++)
        cosign_report_unref(pl_slot_take(&witness->slot[i]));
    cosign_free(witness->cosign);
    pl_bell_free(witness->stop);
    free(witness->line);
    free(witness->slot);
    free(witness);
    curl_global_cleanup();
}

struct pl_slot *witness_slot(struct witness_thread *witness, size_t reader)
{
    PL_ASSERT(reader < witness->options.readers);
    return &witness->slot[reader];
}
