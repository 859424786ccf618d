/* SPDX-License-Identifier: Apache-2.0
 *
 * acl: the access list of a file with a secret, as a file system gives it. First byte: the file's
 * mode. Whoever is not we and has a right by the list as acl(5) reads it makes the file one that is
 * not private; so does a list that is none.
 */
#include <errno.h>
#include <sys/xattr.h>

#include "common/buf.h"
#include "common/private.h"
#include "fuzz.h"

enum { HEADER = 4, ENTRY = 8, VERSION = 2, LIST_MAX = HEADER + 64 * ENTRY };
enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };

static struct pl_slice list;

ssize_t shim_fgetxattr(int fd, const char *name, void *into, size_t size);
ssize_t shim_fgetxattr(int fd, const char *name, void *into, size_t size)
{
    (void)fd;
    FUZZ_HOLDS(strcmp(name, "system.posix_acl_access") == 0);
    errno = list.len > size ? ERANGE : ENODATA;
    if (list.len > size || list.len == 0)
        return -1;
    memcpy(into, list.data, list.len);
    return (ssize_t)list.len;
}

static unsigned le16(const uint8_t *at)
{
    return at[0] | (unsigned)at[1] << 8;
}

static bool anybody_else(void)
{
    unsigned mask = 7;
    for (size_t at = HEADER; at + ENTRY <= list.len; at += ENTRY)
        mask = le16(list.data + at) == MASK ? le16(list.data + at + 2) : mask;
    for (size_t at = HEADER; at + ENTRY <= list.len; at += ENTRY) {
        unsigned tag = le16(list.data + at), has = le16(list.data + at + 2) & mask;
        bool known = tag == USER_OBJ || tag == USER || tag == GROUP_OBJ || tag == GROUP ||
                     tag == MASK || tag == OTHER;
        bool ours = tag == USER && pl_get_le32(list.data + at + 4) == geteuid();
        if (!known || (!ours && has != 0 && (tag == USER || tag == GROUP_OBJ || tag == GROUP)))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[FUZZ_PATH_BYTES];
    static int fd = -1;
    if (len < 1)
        return 0;
    if (fd < 0) {
        fuzz_file("secret", pl_slice("", 0), path);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        FUZZ_HOLDS(fd >= 0);
    }
    mode_t mode = 0400 | (data[0] & 077);
    FUZZ_HOLDS(fchmod(fd, mode) == 0);
    list = pl_slice(data + 1, len - 1);
    bool is_list = list.len >= HEADER && list.len <= LIST_MAX && pl_get_le32(list.data) == VERSION;
    bool wanted = (mode & 07) == 0 && ((mode & 070) == 0 || (is_list && !anybody_else()));
    FUZZ_HOLDS(pl_private(fd) == wanted);
    return 0;
}
