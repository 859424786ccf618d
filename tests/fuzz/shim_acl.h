/* SPDX-License-Identifier: Apache-2.0
 *
 * shim_acl: put before common/private.c when it is compiled for the target acl: a file's access
 * list is the target's. The header comes first, so that only the call is renamed.
 */
#ifndef TEST_FUZZ_SHIM_ACL_H
#define TEST_FUZZ_SHIM_ACL_H

#include <sys/xattr.h>

ssize_t shim_fgetxattr(int fd, const char *name, void *into, size_t size);

#define fgetxattr shim_fgetxattr

#endif
