/* SPDX-License-Identifier: Apache-2.0
 *
 * private: a secret is private by its mode, or by a list that names nobody but us; anybody else in
 * it, a group, or a list that is none, and it is not.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/check.h"
#include "common/private.h"

enum { NOBODY = ACL_UNDEFINED_ID, ENTRIES = 8 };

struct who {
    uint16_t tag, perm;
    uint32_t id;
};

static int a_file(void)
{
    char path[] = "/tmp/pledged-private-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    return fd;
}

/* Ends with a tag of 0. The system sorts nothing: entries are given in its order. */
static bool private_with(int fd, const struct who *list)
{
    struct {
        struct posix_acl_xattr_header header;
        struct posix_acl_xattr_entry entries[ENTRIES];
    } bytes = {.header.a_version = htole32(POSIX_ACL_XATTR_VERSION)};
    size_t count = 0;
    for (; list[count].tag != 0; count++) {
        assert_true(count < ENTRIES);
        bytes.entries[count].e_tag = htole16(list[count].tag);
        bytes.entries[count].e_perm = htole16(list[count].perm);
        bytes.entries[count].e_id = htole32(list[count].id);
    }
    size_t len = sizeof(bytes.header) + count * sizeof(bytes.entries[0]);
    if (fsetxattr(fd, "system.posix_acl_access", &bytes, len, 0) != 0) {
        if (errno == EOPNOTSUPP) {
            print_message("not here: the files of /tmp have no access lists\n");
            skip();
        }
        fail_msg("fsetxattr: errno %d", errno);
    }
    return pl_private(fd);
}

static void test_the_mode_says_so(void **state)
{
    (void)state;
    static const mode_t open_to_some[] = {0640, 0604, 0660, 0644, 0610, 0601, 0620, 0602, 0444};
    int fd = a_file();
    for (size_t i = 0; i < PL_COUNT(open_to_some); i++) {
        assert_int_equal(fchmod(fd, open_to_some[i]), 0);
        assert_false(pl_private(fd));
    }
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_true(pl_private(fd));
    assert_int_equal(fchmod(fd, 0400), 0);
    assert_true(pl_private(fd));
    assert_int_equal(close(fd), 0);
    assert_false(pl_private(fd)); /* what cannot be found out */
}

/* What systemd leaves in a service's directory of credentials: mode 0440, and nobody but us. */
static void test_a_list_that_names_us_alone(void **state)
{
    (void)state;
    int fd = a_file();
    const struct who list[] = {
        {ACL_USER_OBJ, ACL_READ, NOBODY}, {ACL_USER, ACL_READ, geteuid()},
        {ACL_GROUP_OBJ, 0, NOBODY},       {ACL_MASK, ACL_READ, NOBODY},
        {ACL_OTHER, 0, NOBODY},           {0, 0, 0},
    };
    assert_true(private_with(fd, list));
    struct stat about;
    assert_int_equal(fstat(fd, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0440);
    assert_int_equal(close(fd), 0);
}

static void test_a_list_with_anybody_else(void **state)
{
    (void)state;
    int fd = a_file();
    uint32_t us = geteuid(), other = us + 1;
    const struct who lists[][ENTRIES] = {
        {{ACL_USER_OBJ, ACL_READ, NOBODY},
         {ACL_USER, ACL_READ, us},
         {ACL_USER, ACL_READ, other},
         {ACL_GROUP_OBJ, 0, NOBODY},
         {ACL_MASK, ACL_READ, NOBODY},
         {ACL_OTHER, 0, NOBODY}},
        {{ACL_USER_OBJ, ACL_READ, NOBODY},
         {ACL_USER, ACL_READ, us},
         {ACL_GROUP_OBJ, ACL_READ, NOBODY},
         {ACL_MASK, ACL_READ, NOBODY},
         {ACL_OTHER, 0, NOBODY}},
        {{ACL_USER_OBJ, ACL_READ, NOBODY},
         {ACL_USER, ACL_READ, us},
         {ACL_GROUP_OBJ, 0, NOBODY},
         {ACL_GROUP, ACL_READ, getegid()},
         {ACL_MASK, ACL_READ, NOBODY},
         {ACL_OTHER, 0, NOBODY}},
        {{ACL_USER_OBJ, ACL_READ, NOBODY},
         {ACL_USER, ACL_READ, us},
         {ACL_GROUP_OBJ, 0, NOBODY},
         {ACL_MASK, ACL_READ, NOBODY},
         {ACL_OTHER, ACL_READ, NOBODY}},
        {{ACL_USER_OBJ, ACL_READ, NOBODY},
         {ACL_USER, ACL_WRITE, other},
         {ACL_GROUP_OBJ, 0, NOBODY},
         {ACL_MASK, ACL_WRITE, NOBODY},
         {ACL_OTHER, 0, NOBODY}},
    };
    for (size_t i = 0; i < PL_COUNT(lists); i++) {
        if (private_with(fd, lists[i]))
            fail_msg("list %zu", i);
    }
    assert_int_equal(fchmod(fd, 0600), 0); /* takes from everybody in the list what the mask gave */
    assert_true(pl_private(fd));
    assert_int_equal(close(fd), 0);
}

/* Somebody whom the mask leaves nothing that they were given is not in the way. */
static void test_what_the_mask_takes_is_not_given(void **state)
{
    (void)state;
    int fd = a_file();
    const struct who list[] = {
        {ACL_USER_OBJ, ACL_READ, NOBODY},
        {ACL_USER, ACL_READ, geteuid()},
        {ACL_USER, ACL_WRITE, geteuid() + 1},
        {ACL_GROUP_OBJ, ACL_WRITE, NOBODY},
        {ACL_GROUP, ACL_EXECUTE, getegid()},
        {ACL_MASK, ACL_READ, NOBODY},
        {ACL_OTHER, 0, NOBODY},
        {0, 0, 0},
    };
    assert_true(private_with(fd, list));
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_mode_says_so),
        cmocka_unit_test(test_a_list_that_names_us_alone),
        cmocka_unit_test(test_a_list_with_anybody_else),
        cmocka_unit_test(test_what_the_mask_takes_is_not_given),
    };
    return cmocka_run_group_tests_name("private", tests, NULL, NULL);
}
