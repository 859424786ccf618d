/* SPDX-License-Identifier: Apache-2.0
 *
 * again: put before the C library (LD_PRELOAD) of a daemon under valgrind, where /proc/self/exe is
 * valgrind itself: the daemon that starts itself again, to make a snapshot, starts PLEDGED_AGAIN
 * instead, and does not leave that to the time when nobody else wants the processor.
 */
#include <dlfcn.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
    int (*next)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                const posix_spawnattr_t *, char *const[], char *const[]);
    *(void **)&next = dlsym(RTLD_NEXT, "posix_spawn");
    const char *again = getenv("PLEDGED_AGAIN");
    if (again == NULL || attributes == NULL || strcmp(path, "/proc/self/exe") != 0)
        return next(pid, path, actions, attributes, argv, envp);
    posix_spawnattr_t usual = *attributes;
    short flags = 0;
    (void)posix_spawnattr_getflags(&usual, &flags);
    (void)posix_spawnattr_setflags(&usual, (short)(flags & ~POSIX_SPAWN_SETSCHEDULER));
    return next(pid, again, actions, &usual, argv, envp);
}
