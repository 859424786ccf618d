/* SPDX-License-Identifier: Apache-2.0
 *
 * private: see private.h. The list is read as the kernel hands it out (linux/posix_acl_xattr.h):
 * all numbers little-endian.
 */
#include "common/private.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/check.h"

enum { ENTRIES_MAX = 64 }; /* a list that is longer has others in it */

struct list {
    struct posix_acl_xattr_header header;
    struct posix_acl_xattr_entry entries[ENTRIES_MAX];
};

/* The mask bounds what named users and groups have, and the group of the file; it has nobody
 * itself. */
static bool entry_is_private(const struct posix_acl_xattr_entry *entry, unsigned mask, uid_t who)
{
    unsigned granted = le16toh(entry->e_perm);
    switch (le16toh(entry->e_tag)) {
    case ACL_USER_OBJ:
    case ACL_MASK:
    case ACL_OTHER: /* of whom the mode has said that they have nothing */
        return true;
    case ACL_USER:
        return le32toh(entry->e_id) == who || (granted & mask) == 0;
    case ACL_GROUP_OBJ:
    case ACL_GROUP:
        return (granted & mask) == 0;
    default:
        return false;
    }
}

static bool list_is_private(const struct list *list, size_t bytes, uid_t who)
{
    if (bytes < sizeof(list->header) || le32toh(list->header.a_version) != POSIX_ACL_XATTR_VERSION)
        return false;
    size_t count = (bytes - sizeof(list->header)) / sizeof(list->entries[0]);
    unsigned mask = ACL_READ | ACL_WRITE | ACL_EXECUTE;
    for (size_t i = 0; i < count; i++) {
        if (le16toh(list->entries[i].e_tag) == ACL_MASK)
            mask = le16toh(list->entries[i].e_perm);
    }
    for (size_t i = 0; i < count; i++) {
        if (!entry_is_private(&list->entries[i], mask, who))
            return false;
    }
    return true;
}

bool pl_private(int fd)
{
    struct stat about;
    if (fstat(fd, &about) != 0 || (about.st_mode & S_IRWXO) != 0)
        return false;
    if ((about.st_mode & S_IRWXG) == 0)
        return true; /* a mask of nothing, if there is a list */
    struct list list;
    ssize_t bytes = fgetxattr(fd, "system.posix_acl_access", &list, sizeof(list));
    /* no list: the bits are those of the group, whoever that is */
    return bytes > 0 && list_is_private(&list, (size_t)bytes, geteuid());
}
