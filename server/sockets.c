/* SPDX-License-Identifier: Apache-2.0
 *
 * sockets: see sockets.h. A socket that systemd holds is one for all workers: each has a descriptor
 * of its own for it, and whoever is quicker accepts.
 */
#include "server/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/check.h"
#include "server/net/listener.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

enum { MESSAGE_BYTES = 400, ADMIN_MODE = 0660 };

/* What is to be done about it. */
static const char *advice(const struct config_address *address, int number)
{
    if (number == EADDRINUSE)
        return "; `ss -ltnp` says which program has it";
    if (number == EADDRNOTAVAIL)
        return "; an address of this machine (`ip address`) is needed, or 0.0.0.0 or [::]";
    if ((number == EACCES || number == EPERM) && !address->is_unix && address->port < 1024)
        return "; ports below 1024 are for systemd to hold (pledged.socket)";
    if (number == EINVAL && strncasecmp(address->host, "fe80:", 5) == 0)
        return "; an address of one link needs its interface, like [fe80::1%eth0]:7443";
    return "";
}

/* address: a member of config. */
static struct pl_status cannot(struct pl_status status, const struct config *config,
                               const struct config_address *address, uint16_t port, char *message)
{
    char where[200], name[160];
    bool is_v6 = strchr(address->host, ':') != NULL && !address->is_unix;
    config_where(config, address, where, sizeof(where));
    if (address->is_unix)
        (void)snprintf(name, sizeof(name), "%s", address->host);
    else
        (void)snprintf(name, sizeof(name), "%s%.120s%s:%u", is_v6 ? "[" : "", address->host,
                       is_v6 ? "]" : "", port);
    (void)snprintf(message, MESSAGE_BYTES, "%.175s: cannot listen on %.80s: %.40s%.80s", where,
                   name, status.sys_errno != 0 ? strerror(status.sys_errno) : status.what,
                   advice(address, status.sys_errno));
    return status;
}

/* --- handed over --- */

static uint16_t port_of(int fd)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        return 0;
    if (name.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&name)->sin_port);
    if (name.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&name)->sin6_port);
    return 0;
}

/* Whoever reaches the admin listener needs no certificate. */
static bool is_local(int fd)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(name);
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0)
        return false;
    if (name.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)&name)->sin_addr.s_addr) >> 24 == 127;
    if (name.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&name)->sin6_addr);
    return name.ss_family == AF_UNIX;
}

static struct pl_status prepare(int fd, const char *name, char *message)
{
    int listening = 0, type = 0;
    socklen_t len = sizeof(int);
    int flags = fcntl(fd, F_GETFL);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || listening == 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        (void)snprintf(message, MESSAGE_BYTES,
                       "the socket '%.60s' that was handed over is not a listening stream socket",
                       name);
        return pl_fail(CONFIG, "take a socket");
    }
    return pl_ok();
}

static struct pl_status take(struct sockets *sockets, int fd, const char *name, int *staff,
                             size_t *staff_count, char *message)
{
    PL_TRY(prepare(fd, name, message));
    if (strcmp(name, "pledged") == 0 && *staff_count < LIMIT_WORKERS) {
        staff[(*staff_count)++] = fd;
        return pl_ok();
    }
    if (strcmp(name, "admin") == 0 && sockets->admin < 0) {
        if (is_local(fd)) {
            sockets->admin = fd;
            return pl_ok();
        }
        (void)snprintf(message, MESSAGE_BYTES,
                       "the socket 'admin' that was handed over can be reached from elsewhere; "
                       "whoever reaches it needs no certificate: it must be loopback or unix");
    } else if (strcmp(name, "public") == 0 && sockets->public < 0) {
        sockets->public = fd;
        return pl_ok();
    } else {
        (void)snprintf(message, MESSAGE_BYTES,
                       "a socket called '%.60s' was handed over: FileDescriptorName= must be "
                       "pledged, admin or public, the last two once each",
                       name);
    }
    (void)close(fd);
    return pl_fail(CONFIG, "take a socket");
}

static struct pl_status share(struct sockets *sockets, unsigned workers, const int *staff,
                              size_t count)
{
    for (unsigned i = 0; count != 0 && i < workers; i++) {
        sockets->worker[i] = fcntl(staff[i % count], F_DUPFD_CLOEXEC, 3);
        if (sockets->worker[i] < 0)
            return pl_fail_errno(UNAVAILABLE, "share a socket");
    }
    return pl_ok();
}

#ifdef HAVE_SYSTEMD
static struct pl_status take_all(struct sockets *sockets, unsigned workers, char *message)
{
    char **names = NULL;
    int staff[LIMIT_WORKERS];
    size_t staff_count = 0;
    int count = sd_listen_fds_with_names(1, &names);
    struct pl_status status = pl_ok();
    for (int i = 0; i < count; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        if (pl_is_ok(status))
            status = take(sockets, fd, names[i], staff, &staff_count, message);
    }
    if (pl_is_ok(status))
        status = share(sockets, workers, staff, staff_count);
    for (size_t i = 0; i < staff_count; i++)
        (void)close(staff[i]);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return status;
}
#else
static struct pl_status take_all(struct sockets *sockets, unsigned workers, char *message)
{
    (void)message;
    return share(sockets, workers, NULL, 0);
}
#endif

/* --- bound by us --- */

static struct pl_status open_staff(struct sockets *sockets, const struct config *config,
                                   unsigned workers, char *message)
{
    const struct config_address *address = &config->listen;
    sockets->port = address->port;
    /* our sockets share the port among themselves; a stranger's must not be joined in silence */
    if (sockets->port != 0) {
        struct pl_status taken = listener_probe(address->host, sockets->port);
        if (!pl_is_ok(taken))
            return cannot(taken, config, address, sockets->port, message);
    }
    for (unsigned i = 0; i < workers; i++) {
        struct pl_status status =
            listener_open(address->host, sockets->port, true, &sockets->worker[i], &sockets->port);
        if (!pl_is_ok(status))
            return cannot(status, config, address, sockets->port, message);
    }
    return pl_ok();
}

static struct pl_status open_one(const struct config *config, const struct config_address *address,
                                 char *message, int *ret_fd, uint16_t *ret_port)
{
    struct pl_status status =
        address->is_unix ? listener_open_unix(address->host, ADMIN_MODE, ret_fd)
                         : listener_open(address->host, address->port, false, ret_fd, ret_port);
    return pl_is_ok(status) ? status : cannot(status, config, address, address->port, message);
}

static struct pl_status open_rest(const struct config *config, struct sockets *sockets,
                                  char *message)
{
    if (sockets->admin < 0 && config->admin_listen.host != NULL) {
        PL_TRY(open_one(config, &config->admin_listen, message, &sockets->admin,
                        &sockets->admin_port));
        if (config->admin_listen.is_unix)
            sockets->unlink_path = config->admin_listen.host;
    }
    if (sockets->public < 0 && config->public_listen.host != NULL)
        PL_TRY(open_one(config, &config->public_listen, message, &sockets->public,
                        &sockets->public_port));
    sockets->has_admin = sockets->admin >= 0;
    sockets->has_public = sockets->public >= 0;
    if (sockets->has_public && config->public_tls.cert == NULL) {
        (void)snprintf(message, MESSAGE_BYTES, "%s: [public] needs cert and key", config->path);
        return pl_fail(CONFIG, "open the public listener");
    }
    return pl_ok();
}

struct pl_status sockets_open(const struct config *config, unsigned workers, char *message,
                              struct sockets *ret)
{
    *ret = (struct sockets){.admin = -1, .public = -1};
    for (size_t i = 0; i < PL_COUNT(ret->worker); i++)
        ret->worker[i] = -1;
    PL_ASSERT(workers > 0 && workers <= PL_COUNT(ret->worker));
    PL_TRY(take_all(ret, workers, message));
    if (ret->worker[0] < 0)
        PL_TRY(open_staff(ret, config, workers, message));
    ret->port = port_of(ret->worker[0]);
    if (ret->admin >= 0)
        ret->admin_port = port_of(ret->admin);
    if (ret->public >= 0)
        ret->public_port = port_of(ret->public);
    return open_rest(config, ret, message);
}

void sockets_close(struct sockets *sockets)
{
    int *const rest[] = {&sockets->admin, &sockets->public};
    for (size_t i = 0; i < PL_COUNT(sockets->worker); i++) {
        if (sockets->worker[i] >= 0)
            (void)close(sockets->worker[i]);
        sockets->worker[i] = -1;
    }
    for (size_t i = 0; i < PL_COUNT(rest); i++) {
        if (*rest[i] >= 0)
            (void)close(*rest[i]);
        *rest[i] = -1;
    }
    if (sockets->unlink_path != NULL)
        (void)unlink(sockets->unlink_path);
    sockets->unlink_path = NULL;
}
