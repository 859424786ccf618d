/* SPDX-License-Identifier: Apache-2.0
 *
 * conn: what a peer sends after its TLS handshake, through the whole of server/net: HTTP/2 and
 * HTTP/1.1, every dialect, to methods that answer at once. First byte: bit 0 puts an HTTP/2
 * preface in front, bits 1 to 4 say in pieces of what size the bytes arrive.
 */
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fuzz.h"
#include "pledged/v1/service.pb-c.h"
#include "server/net/authz.h"
#include "server/net/net.h"

enum { TURNS_MAX = 40 };

static struct net *net;
static struct event_base *base;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void receipt(struct call *call, void *user)
{
    (void)user;
    Pledged__V1__Receipt answer = PLEDGED__V1__RECEIPT__INIT;
    call_reply(call, &answer.base);
}

static void tiers(struct call *call, void *user)
{
    (void)user;
    Pledged__V1__ListTiersResponse answer = PLEDGED__V1__LIST_TIERS_RESPONSE__INIT;
    const Pledged__V1__ListTiersRequest *request = (const void *)call_request(call);
    answer.catalogue = request->catalogue;
    call_reply(call, &answer.base);
}

static void dump(struct call *call, void *user)
{
    (void)user;
    Pledged__V1__DumpResponse answer = PLEDGED__V1__DUMP_RESPONSE__INIT;
    (void)call_send(call, &answer.base);
    call_end(call);
}

static bool echo(struct call *call, void *user)
{
    (void)user;
    Pledged__V1__ListTiersResponse answer = PLEDGED__V1__LIST_TIERS_RESPONSE__INIT;
    (void)call_send(call, &answer.base);
    return true;
}

static void page(struct call *call, void *user)
{
    (void)user;
    call_answer(
        call, &(struct net_answer){.status = "200", .type = "text/plain", .body = call_path(call)});
}

#define SERVICE "/pledged.v1.LedgerService/"
static const struct net_method methods[] = {
    {.path = SERVICE "Execute",
     .input = &pledged__v1__command__descriptor,
     .output = &pledged__v1__receipt__descriptor,
     .roles = NET_ROLE(CLERK),
     .request_bytes_max = 4096,
     .handle = receipt},
    {.path = SERVICE "ListTiers",
     .input = &pledged__v1__list_tiers_request__descriptor,
     .output = &pledged__v1__list_tiers_response__descriptor,
     .no_side_effects = true,
     .roles = NET_ROLE(CLERK),
     .handle = tiers},
    {.path = SERVICE "Dump",
     .input = &pledged__v1__dump_request__descriptor,
     .output = &pledged__v1__dump_response__descriptor,
     .server_streaming = true,
     .roles = NET_ROLE(CLERK),
     .handle = dump},
    {.path = SERVICE "Echo",
     .input = &pledged__v1__list_tiers_request__descriptor,
     .output = &pledged__v1__list_tiers_response__descriptor,
     .server_streaming = true,
     .client_streaming = true,
     .roles = NET_ROLE(CLERK),
     .on_message = echo},
    {.path = SERVICE "GetStatus",
     .input = &pledged__v1__get_status_request__descriptor,
     .output = &pledged__v1__get_status_response__descriptor,
     .roles = NET_ROLE(ADMIN),
     .handle = receipt},
};
static const struct net_resource resources[] = {
    {.path = "/page", .roles = NET_ROLE(CLERK), .handle = page},
    {.path = "/tile/", .roles = NET_ROLE(CLERK), .handle = page},
};
static const struct net_person clerk = {"fuzz", PLEDGED__V1__ROLE__ROLE_CLERK};

static void start(void)
{
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", fuzz_dir());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    PL_ASSERT(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    PL_ASSERT(listen(fd, 4) == 0);
    base = event_base_new();
    const struct net_options options = {
        .base = base,
        .listen_fd = fd,
        .methods = methods,
        .method_count = PL_COUNT(methods),
        .resources = resources,
        .resource_count = PL_COUNT(resources),
        .anonymous = &clerk,
        .limits = {.streams = 16, .header_bytes = 4096, .request_bytes = 8192, .calls = 8},
        .clock = pl_clock_system(),
    };
    PL_ASSERT(pl_is_ok(net_new(&options, &net)));
}

/* What the server says is read and forgotten. */
static void listen_to(int fd)
{
    uint8_t heard[16384];
    ssize_t len = 1;
    for (int i = 0; i < 64 && len > 0; i++)
        len = recv(fd, heard, sizeof(heard), MSG_DONTWAIT);
}

static void say(int fd, struct pl_slice bytes)
{
    ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent; /* the server may have closed: that is its right */
    event_base_loop(base, EVLOOP_NONBLOCK);
    listen_to(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    if (len < 1 || len > 20000)
        return 0;
    if (net == NULL)
        start();
    size_t piece = (size_t)1 << (data[0] >> 1 & 15);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PL_ASSERT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    say(fd, pl_slice(preface, 0)); /* accepted */
    if ((data[0] & 1) != 0)
        say(fd, pl_slice(preface, 33));
    /* a large input in tiny pieces teaches nothing and takes long */
    if (piece < len / 64)
        piece = len / 64;
    for (size_t at = 1; at < len; at += piece)
        say(fd, pl_slice(data + at, len - at < piece ? len - at : piece));
    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < TURNS_MAX && !net_idle(net); i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        listen_to(fd);
    }
    close(fd);
    for (int i = 0; i < TURNS_MAX && !net_idle(net); i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    net_close_all(net);
    struct net_stats stats;
    net_get_stats(net, &stats);
    FUZZ_HOLDS(stats.connections == 0 && stats.running_calls == 0);
    return 0;
}
