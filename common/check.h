/* SPDX-License-Identifier: Apache-2.0
 *
 * check: assertions that stay on in release. A failed one is a bug: it prints what and where to
 * stderr and aborts; the daemon's restart replays the log. Never assert on bytes from a peer or
 * from the disk: those are PL_E_INVALID and PL_E_CORRUPT.
 */
#ifndef PL_CHECK_H
#define PL_CHECK_H

__attribute__((noreturn, cold)) void pl_check_failed(const char *expression, const char *where);

#define PL_CHECK_STR_(x) #x
#define PL_CHECK_STR(x)  PL_CHECK_STR_(x)
#define PL_ASSERT(expression)                                                                      \
    (__builtin_expect(!!(expression), 1)                                                           \
         ? (void)0                                                                                 \
         : pl_check_failed(#expression, __FILE__ ":" PL_CHECK_STR(__LINE__)))
#define PL_UNREACHABLE() pl_check_failed("unreachable", __FILE__ ":" PL_CHECK_STR(__LINE__))

/* cleanup attribute and ownership transfer out of a cleaned-up local */
#define PL_CLEANUP(function_) __attribute__((cleanup(function_)))
#define PL_TAKE(pointer_)                                                                          \
    ({                                                                                             \
        __typeof__(pointer_) taken_ = (pointer_);                                                  \
        (pointer_) = NULL;                                                                         \
        taken_;                                                                                    \
    })
#define PL_COUNT(array_) (sizeof(array_) / sizeof((array_)[0]))

#endif
