/* SPDX-License-Identifier: Apache-2.0
 *
 * identity: see identity.h. ledger.id is written last: a directory with it is complete.
 */
#include "server/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/hash.h"
#include "common/private.h"
#include "common/rng.h"
#include "server/store/io.h"

enum { MESSAGE_BYTES = 400, PATH_BYTES = 4096 };

static struct pl_status explain(struct pl_status status, char *message, const char *path)
{
    (void)snprintf(message, MESSAGE_BYTES, "%.250s: %.60s%s%.80s", path, status.what,
                   status.sys_errno != 0 ? ": " : "",
                   status.sys_errno != 0 ? strerror(status.sys_errno) : "");
    return status;
}

static void path_in(char *out, const char *data, const char *name)
{
    (void)snprintf(out, PATH_BYTES, "%s/%s", data, name);
}

static struct pl_status make_dir(const char *path, char *message)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return explain(pl_fail_errno(IO, "make directory"), message, path);
    return pl_ok();
}

static struct pl_status write_file(const char *data, const char *name, const char *text,
                                   mode_t mode, char *message)
{
    char path[PATH_BYTES];
    path_in(path, data, name);
    struct pl_status status = io_write_file(io_system(), path, pl_slice_str(text), mode);
    return pl_is_ok(status) ? status : explain(status, message, path);
}

static struct pl_status read_file(const char *data, const char *name, char *text, size_t size,
                                  char *message)
{
    char path[PATH_BYTES];
    path_in(path, data, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return explain(pl_fail_errno(NO_INPUT, "open"), message, path);
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    (void)fclose(file);
    return pl_ok();
}

static bool exists(const char *data, const char *name)
{
    char path[PATH_BYTES];
    path_in(path, data, name);
    return access(path, F_OK) == 0;
}

static struct pl_status make_key(const char *data, const char *origin, char *message)
{
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX], line[PL_NOTE_KEY_MAX + 1];
    PL_TRY(pl_note_keygen(origin, secret, vkey));
    (void)snprintf(line, sizeof(line), "%s\n", secret);
    struct pl_status status = write_file(data, "ledger.key", line, 0600, message);
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(line, sizeof(line));
    PL_TRY(status);
    (void)snprintf(line, sizeof(line), "%s\n", vkey);
    return write_file(data, "ledger.vkey", line, 0644, message);
}

/* The secret key is there, the public one is not: an earlier init was cut short between the two. */
static struct pl_status remake_vkey(const char *data, char *message)
{
    char secret[PL_NOTE_KEY_MAX + 1], vkey[PL_NOTE_KEY_MAX], line[PL_NOTE_KEY_MAX + 1];
    PL_TRY(read_file(data, "ledger.key", secret, sizeof(secret), message));
    secret[strcspn(secret, "\r\n")] = '\0';
    struct pl_status status = pl_note_vkey(secret, vkey);
    explicit_bzero(secret, sizeof(secret));
    if (!pl_is_ok(status)) {
        (void)snprintf(message, MESSAGE_BYTES, "%.300s/ledger.key is damaged", data);
        return pl_fail(CORRUPT, "read the secret key");
    }
    (void)snprintf(line, sizeof(line), "%s\n", vkey);
    return write_file(data, "ledger.vkey", line, 0644, message);
}

struct pl_status identity_init(const char *data, const char *origin, char *message, bool *ret_made)
{
    *ret_made = false;
    char path[PATH_BYTES];
    PL_TRY(make_dir(data, message));
    path_in(path, data, "log");
    PL_TRY(make_dir(path, message));
    path_in(path, data, "snapshot");
    PL_TRY(make_dir(path, message));
    if (exists(data, "ledger.key") && !exists(data, "ledger.vkey"))
        PL_TRY(remake_vkey(data, message));
    if (exists(data, "ledger.id"))
        return pl_ok();
    if (!exists(data, "ledger.key"))
        PL_TRY(make_key(data, origin, message));
    uint8_t id[16];
    char hex[33], text[256];
    pl_rng_bytes(id, sizeof(id));
    pl_hex(pl_slice(id, sizeof(id)), hex);
    (void)snprintf(text, sizeof(text), "%s\n%s\n", origin, hex);
    PL_TRY(write_file(data, "ledger.id", text, 0644, message));
    *ret_made = true;
    return pl_ok();
}

/* Not being allowed to look is another matter, and a new ledger where a disk is not mounted would
 * hide the old one. */
static struct pl_status explain_absent(const char *data, char *message)
{
    char path[PATH_BYTES];
    struct stat about;
    path_in(path, data, "ledger.id");
    if (stat(path, &about) == 0 || errno != ENOENT) {
        struct pl_status status = pl_fail_errno(UNAVAILABLE, "find the ledger");
        (void)snprintf(message, MESSAGE_BYTES,
                       "%.250s: %.60s: the daemon's user has to own this directory", path,
                       strerror(status.sys_errno));
        return status;
    }
    char here[PATH_BYTES] = "";
    bool relative = data[0] != '/' && getcwd(here, sizeof(here)) != NULL;
    (void)snprintf(
        message, MESSAGE_BYTES,
        "%.120s%s%.100s%s holds no ledger yet; run: pledged init (a new one) or pledged "
        "restore (of a backup), unless [daemon] data is wrong or its disk is not mounted",
        data, relative ? " (in " : "", relative ? here : "", relative ? ")" : "");
    return pl_fail(CONFIG, "find the ledger");
}

struct pl_status identity_key_private(const char *path, char *message)
{
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool fine = fd < 0 || pl_private(fd);
    if (fd >= 0)
        (void)close(fd);
    if (fine)
        return pl_ok();
    (void)snprintf(message, MESSAGE_BYTES,
                   "%.250s: the key that signs can be read by others; set its mode to 0600", path);
    return pl_fail(CONFIG, "look at the signing key");
}

struct pl_status identity_load(const char *data, const char *origin, char *message,
                               struct identity *ret)
{
    char text[256];
    if (!exists(data, "ledger.id"))
        return explain_absent(data, message);
    PL_TRY(read_file(data, "ledger.id", text, sizeof(text), message));
    char *newline = strchr(text, '\n');
    bool fits = newline != NULL && newline != text &&
                newline - text < (ptrdiff_t)sizeof(ret->origin) && strlen(newline + 1) >= 32;
    if (fits) {
        *newline = '\0';
        newline[33] = '\0';
        fits = pl_is_ok(pl_unhex(newline + 1, ret->ledger_id, sizeof(ret->ledger_id)));
    }
    if (!fits) {
        (void)snprintf(message, MESSAGE_BYTES, "%.300s/ledger.id is damaged", data);
        return pl_fail(CORRUPT, "read the ledger's identity");
    }
    (void)snprintf(ret->origin, sizeof(ret->origin), "%.127s", text);
    if (strcmp(ret->origin, origin) != 0) {
        (void)snprintf(message, MESSAGE_BYTES,
                       "the ledger in %s has the origin '%s', the configuration says '%s': a "
                       "ledger never changes its name",
                       data, ret->origin, origin);
        return pl_fail(CONFIG, "compare the origin");
    }
    if (!exists(data, "ledger.vkey") && errno == ENOENT) {
        (void)snprintf(
            message, MESSAGE_BYTES,
            "%.250s/ledger.vkey is not there; pledged init makes it again from ledger.key", data);
        return pl_fail(CONFIG, "find the public key");
    }
    PL_TRY(read_file(data, "ledger.vkey", ret->vkey, sizeof(ret->vkey), message));
    ret->vkey[strcspn(ret->vkey, "\r\n")] = '\0';
    return pl_ok();
}
