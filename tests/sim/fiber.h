/* SPDX-License-Identifier: Apache-2.0
 *
 * fiber: the daemon's threads as coroutines of the one real thread: each runs until it waits or
 * makes a system call, and the simulator says which goes on. Stands in for pthread_create,
 * pthread_join, poll and _exit of server/store/file.c (shim_threads.h), and others.
 */
#ifndef SIM_FIBER_H
#define SIM_FIBER_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { FIBERS_MAX = 12 };

/* Starts a fiber; its number. It runs with heap_daemon(true). */
int fiber_start(void *(*main)(void *arg), void *arg);
/* Lets it run until it pauses, waits or ends. */
void fiber_resume(int fiber);
bool fiber_exists(int fiber); /* started and not ended */
/* It may go on: it paused, or what it waits for has come. */
bool fiber_ready(int fiber);
bool fiber_running(void);  /* called from within one */
void fiber_pause(void);    /* in a fiber: let others go on */
void fiber_kill_all(void); /* none of them ever runs again */
/* A fiber called _exit: all of them have to be killed. */
bool fiber_exited(int *ret_code);
/* In a fiber: waits until fn says true. */
void fiber_wait(bool (*fn)(void *arg), void *arg);

/* By which a fiber's poll counts its time. */
struct pl_clock;
void fiber_use_clock(struct pl_clock *clock);
int fiber_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*main)(void *arg),
                         void *arg);
int fiber_pthread_join(pthread_t thread, void **ret);
int fiber_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
/* The same, but others may go on before it looks. */
int fiber_poll_later(struct pollfd *fds, nfds_t count, int timeout_ms);
ssize_t fiber_read(int fd, void *into, size_t room); /* waits until there is something */
void fiber_exit(int code) __attribute__((noreturn));

#endif
