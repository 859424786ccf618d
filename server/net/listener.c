/* SPDX-License-Identifier: Apache-2.0
 *
 * listener: see listener.h.
 */
#include "server/net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/check.h"

enum {
    BACKLOG = 1024,
    ACCEPT_A_TURN = 32,
    PAUSE_MS = 100, /* out of descriptors or memory */
};

struct listener {
    struct listener_options options;
    struct event *on_readable;
    struct event *on_pause_over;
};

/* --- opening --- */

static struct pl_status translate(void)
{
    if (errno == EADDRINUSE)
        return pl_fail_errno(UNAVAILABLE, "listen: the port is in use");
    if (errno == EACCES || errno == EPERM)
        return pl_fail_errno(DENIED, "listen: the port needs a privilege");
    if (errno == EADDRNOTAVAIL)
        return pl_fail_errno(CONFIG, "listen: not an address of this machine");
    return pl_fail_errno(IO, "listen");
}

static struct pl_status open_one(const struct addrinfo *address, bool reuseport, int *ret_fd)
{
    int on = 1;
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    address->ai_protocol);
    if (fd < 0)
        return pl_fail_errno(IO, "make a socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6) /* "::" serves IPv4 too, whatever the system's default */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
    if (reuseport)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        struct pl_status status = translate();
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    return pl_ok();
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {.v6 = {.sin6_family = AF_UNSPEC}};
    socklen_t len = sizeof(name);
    if (getsockname(fd, &name.any, &len) != 0)
        return 0;
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

struct pl_status listener_open(const char *host, uint16_t port, bool reuseport, int *ret_fd,
                               uint16_t *ret_port)
{
    char service[8];
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return pl_fail(CONFIG, "listen: the host name has no address");
    struct pl_status status = pl_fail(CONFIG, "listen: the host name has no address");
    int fd = -1;
    for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next)
        status = open_one(a, reuseport, &fd);
    freeaddrinfo(found);
    if (fd < 0)
        return status;
    *ret_fd = fd;
    *ret_port = port_of(fd);
    return pl_ok();
}

struct pl_status listener_probe(const char *host, uint16_t port)
{
    int fd = -1;
    uint16_t bound = 0;
    /* a socket without SO_REUSEPORT cannot be bound beside any other */
    PL_TRY(listener_open(host, port, false, &fd, &bound));
    (void)close(fd);
    return pl_ok();
}

/* A file that nobody listens behind is left over from a process that died. */
static bool is_left_over(const struct sockaddr_un *name)
{
    struct stat about;
    if (lstat(name->sun_path, &about) != 0 || !S_ISSOCK(about.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    int failed = connect(fd, (const struct sockaddr *)name, sizeof(*name));
    bool dead = failed != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return dead;
}

struct pl_status listener_open_unix(const char *path, unsigned mode, int *ret_fd)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(name.sun_path))
        return pl_fail(CONFIG, "listen: the path of the socket is too long");
    memcpy(name.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return pl_fail_errno(IO, "make a socket");
    if (is_left_over(&name))
        (void)unlink(path);
    /* connecting is refused until listen(2), so nobody comes in before chmod(2) */
    if (bind(fd, (const struct sockaddr *)&name, sizeof(name)) != 0 || chmod(path, mode) != 0 ||
        listen(fd, BACKLOG) != 0) {
        struct pl_status status = translate();
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    return pl_ok();
}

/* --- accepting --- */

static void pause_for_a_moment(struct listener *listener)
{
    struct timeval moment = {0, PAUSE_MS * 1000L};
    (void)event_del(listener->on_readable);
    (void)event_add(listener->on_pause_over, &moment);
}

static void accept_some(evutil_socket_t listen_fd, short what, void *arg)
{
    struct listener *listener = arg;
    (void)what;
    for (int i = 0; i < ACCEPT_A_TURN; i++) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno != EAGAIN)
                pause_for_a_moment(listener);
            return;
        }
        /* both fail on unix sockets, which need neither */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
        if (!listener->options.on_accept(listener->options.arg, fd)) {
            (void)event_del(listener->on_readable);
            return;
        }
    }
}

static void pause_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    listener_resume(arg);
}

struct pl_status listener_new(const struct listener_options *options, struct listener **ret)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    PL_ASSERT(listener != NULL);
    listener->options = *options;
    listener->on_readable =
        event_new(options->base, options->fd, EV_READ | EV_PERSIST, accept_some, listener);
    listener->on_pause_over = event_new(options->base, -1, 0, pause_over, listener);
    PL_ASSERT(listener->on_readable != NULL && listener->on_pause_over != NULL);
    if (event_add(listener->on_readable, NULL) != 0) {
        event_free(listener->on_readable);
        event_free(listener->on_pause_over);
        free(listener);
        return pl_fail(IO, "watch the listening socket");
    }
    *ret = listener;
    return pl_ok();
}

void listener_resume(struct listener *listener)
{
    (void)event_del(listener->on_pause_over);
    (void)event_add(listener->on_readable, NULL);
}

void listener_free(struct listener *listener)
{
    if (listener == NULL)
        return;
    event_free(listener->on_readable);
    event_free(listener->on_pause_over);
    (void)close(listener->options.fd);
    free(listener);
}
