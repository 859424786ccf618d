/* SPDX-License-Identifier: Apache-2.0
 *
 * witness_http: see witness_http.h. A body is gathered up to its limit, then handed to the witness
 * as a whole.
 */
#include "client/witness_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>

#include "client/options.h"
#include "client/text.h"
#include "common/check.h"

enum {
    CONNECTIONS_MAX = 256,
    CONNECTIONS_OF_ONE_MAX = 32,
    SILENCE_MAX_S = 10,
    HEX_CHARS = 64,
};

struct witness_http {
    struct witness_http_options options;
    struct MHD_Daemon *daemon; /* owns */
};

/* One request on its way in. */
struct incoming {
    struct pl_buf body;
};

static enum MHD_Result send_answer(struct MHD_Connection *connection,
                                   const struct witness_answer *answer, const char *allow)
{
    struct pl_slice body = pl_buf_slice(&answer->body);
    /* the library copies what it is given here and does not write to it */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO; /* the connection is closed */
    enum MHD_Result done = MHD_add_response_header(response, "Content-Type", answer->type);
    if (done == MHD_YES)
        done = MHD_add_response_header(response, "Cache-Control", "no-store");
    if (done == MHD_YES && allow != NULL)
        done = MHD_add_response_header(response, "Allow", allow);
    if (done == MHD_YES)
        done = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return done;
}

static enum MHD_Result send_words(struct MHD_Connection *connection, unsigned status,
                                  const char *words, const char *allow)
{
    struct witness_answer answer;
    witness_answer_init(&answer);
    answer.status = status;
    enum MHD_Result done = MHD_NO;
    if (pl_is_ok(pl_buf_printf(&answer.body, "%s\n", words)))
        done = send_answer(connection, &answer, allow);
    witness_answer_fini(&answer);
    return done;
}

/* --- POST /add-checkpoint --- */

/* A length that is said to be too large is refused before anything is read. */
static bool says_too_large(struct MHD_Connection *connection)
{
    int64_t len = 0;
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
    return text != NULL && !options_parse_number(text, 0, WITNESS_REQUEST_MAX, &len);
}

static enum MHD_Result on_add(struct witness_http *http, struct MHD_Connection *connection,
                              const struct incoming *incoming)
{
    struct witness_answer answer;
    witness_answer_init(&answer);
    witness_add(http->options.witness, pl_buf_slice(&incoming->body), &answer);
    if (http->options.tell != NULL)
        http->options.tell(http->options.arg, &answer);
    enum MHD_Result done = send_answer(connection, &answer, NULL);
    witness_answer_fini(&answer);
    return done;
}

/* --- GET /<hex>/checkpoint --- */

static enum MHD_Result on_show(struct witness_http *http, struct MHD_Connection *connection,
                               const char *path)
{
    struct witness_answer answer;
    witness_answer_init(&answer);
    witness_show(http->options.witness, pl_slice(path + 1, HEX_CHARS), &answer);
    enum MHD_Result done = send_answer(connection, &answer, NULL);
    witness_answer_fini(&answer);
    return done;
}

static bool is_show_path(const char *path)
{
    return strlen(path) == 1 + HEX_CHARS + strlen("/checkpoint") &&
           strcmp(path + 1 + HEX_CHARS, "/checkpoint") == 0;
}

/* --- every request --- */

static enum MHD_Result dispatch(struct witness_http *http, struct MHD_Connection *connection,
                                const char *path, const char *method,
                                const struct incoming *incoming)
{
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (strcmp(path, "/add-checkpoint") == 0)
        return strcmp(method, "POST") == 0
                   ? on_add(http, connection, incoming)
                   : send_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "POST it", "POST");
    if (is_show_path(path))
        return reads ? on_show(http, connection, path)
                     : send_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET it", "GET, HEAD");
    return send_words(connection, MHD_HTTP_NOT_FOUND, "there is nothing here", NULL);
}

/* Called once when the header is there, then for each part of the body, then once more. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **state)
{
    struct incoming *incoming = *state;
    (void)version;
    if (incoming == NULL) {
        incoming = calloc(1, sizeof(*incoming));
        if (incoming == NULL)
            return MHD_NO;
        pl_buf_init(&incoming->body, WITNESS_REQUEST_MAX);
        *state = incoming;
        return says_too_large(connection) ? send_words(connection, MHD_HTTP_CONTENT_TOO_LARGE,
                                                       "the request is too large", NULL)
                                          : MHD_YES;
    }
    if (*len > 0) {
        /* a body without a length that passes the limit ends the connection */
        bool fits = pl_is_ok(pl_buf_append(&incoming->body, data, *len));
        *len = 0;
        return fits ? MHD_YES : MHD_NO;
    }
    return dispatch(arg, connection, path, method, incoming);
}

static void on_end(void *arg, struct MHD_Connection *connection, void **state,
                   enum MHD_RequestTerminationCode why)
{
    struct incoming *incoming = *state;
    (void)arg;
    (void)connection;
    (void)why;
    if (incoming == NULL)
        return;
    pl_buf_fini(&incoming->body);
    free(incoming);
    *state = NULL;
}

/* --- start, stop --- */

struct pl_status witness_http_start(const struct witness_http_options *options,
                                    struct witness_http **ret)
{
    struct witness_http *http = calloc(1, sizeof(*http));
    PL_ASSERT(http != NULL);
    http->options = *options;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->pem},
        {MHD_OPTION_END, 0, NULL},
    };
    if (options->pem == NULL)
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    else
        flags |= MHD_USE_TLS;
    if (options->address->sa_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    errno = 0;
    http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
                                    options->address, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
                                    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                    MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                                    (unsigned)CONNECTIONS_OF_ONE_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                    (unsigned)SILENCE_MAX_S, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (http->daemon == NULL) {
        struct pl_status status = pl_fail_errno(UNAVAILABLE, N_("listen for requests"));
        free(http);
        return status;
    }
    *ret = http;
    return pl_ok();
}

uint16_t witness_http_port(const struct witness_http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info == NULL ? 0 : info->port;
}

void witness_http_stop(struct witness_http *http)
{
    if (http == NULL)
        return;
    MHD_stop_daemon(http->daemon);
    free(http);
}
